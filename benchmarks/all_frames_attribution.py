"""All frames of a track attributed at once, against Captum called once per output frame.

    python benchmarks/all_frames_attribution.py [--full] [--width 12] [--depth 2] [--kernel-size 5] [--steps 50]

Both run on the same model and track, in one process. Without --full the loop is timed on evenly spaced output
frames and scaled to all of them; the numbers are compared on the frames that the loop did. Ratios are given
with and without the measurement of the model's reach, which is done once per model and track length. The ratio
depends on the model (by default of the sizes in params.yaml) and falls as the reach grows (--depth, --kernel-size).
On a machine that does other work, use --threads 1.
"""

import argparse
import time
import warnings
from collections.abc import Callable
from typing import TypeVar

import torch
from captum.attr import IntegratedGradients, Saliency
from torch import Tensor

from contactlens.attribution.all_frames import integrated_gradients_matrix, saliency_matrix
from contactlens.attribution.frame_by_frame import integrated_gradients_frames
from contactlens.attribution.reach import share_passes, temporal_reach
from contactlens.tracks.models.config import GateConfig, ModelConfig
from contactlens.tracks.models.scaling import Scaling
from contactlens.tracks.models.tasks import TASKS
from contactlens.tracks.models.track_model import TrackModel

Result = TypeVar("Result")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true", help="loop over every output frame")
    parser.add_argument("--loop-frames", type=int, default=12, help="output frames looped over without --full")
    parser.add_argument("--frames", type=int, default=601)
    parser.add_argument("--width", type=int, default=12)
    parser.add_argument("--depth", type=int, default=2)
    parser.add_argument("--kernel-size", type=int, default=5)
    parser.add_argument("--steps", type=int, default=50, help="nodes of integrated gradients (Captum's default: 50)")
    parser.add_argument("--rows", type=int, default=16, help="inputs per pass of the vectorised attribution")
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


def build(options: argparse.Namespace) -> tuple[TrackModel, Tensor, tuple[Tensor]]:
    """A model with random weights, a random track (1, 4, T) and its mask."""
    torch.manual_seed(0)
    size, depth = options.width, options.depth
    config = ModelConfig("unet", size, depth, depth, options.kernel_size, gated=True, logvar_bounds=(-6.0, 3.0))
    gate = GateConfig(radius_init=250.0, radius_bounds=(20.0, 600.0), sharpness=5.0)
    model = TrackModel(config, gate, Scaling(300.0, 0.0, 1.0), TASKS["ep_to_ms2"], driver_channels=4).eval()
    vector = 150 * torch.randn(1, 3, options.frames)
    x = torch.cat([vector, vector.norm(dim=1, keepdim=True)], dim=1)
    return model, x, (torch.ones(1, options.frames, dtype=torch.bool),)


def timed(call: Callable[[], Result]) -> tuple[Result, float]:
    start = time.perf_counter()
    result = call()
    return result, time.perf_counter() - start


def compare(
    name: str,
    matrix: Callable[[], Tensor],
    one: Callable[[int], Tensor],
    T: int,
    looped: Tensor,
    reach_s: float,
) -> None:
    """matrix: all output frames, (T, ...) each; one: the same for one output frame."""
    together, vectorised_s = timed(matrix)
    alone, loop_s = timed(lambda: torch.stack([one(frame) for frame in looped.tolist()]))
    loop_s *= T / len(looped)
    difference = float((together[looped] - alone).abs().max() / alone.abs().max())
    with_reach = loop_s / (vectorised_s + reach_s)
    print(
        f"{name:36s} loop {loop_s:8.2f} s  vectorised {vectorised_s:6.2f} s  ratio {loop_s / vectorised_s:5.1f}", end=""
    )
    print(f"  (with reach {with_reach:5.1f})  largest relative difference {difference:.1e}")


def main() -> None:
    options = arguments()
    warnings.filterwarnings("ignore", message="Input Tensor 0 did not already require gradients")
    torch.set_num_threads(options.threads)
    model, x, extra = build(options)
    T, steps = options.frames, options.steps
    frames = torch.arange(T)
    looped = frames if options.full else torch.linspace(0, T - 1, options.loop_frames).long()
    baseline = torch.tensor([0.0, 0.0, 0.0, 800.0])[None, :, None].expand_as(x)  # far away
    model(x, *extra)  # the first call sets up the convolutions
    reach, reach_s = timed(lambda: temporal_reach(model, x, extra, options.rows))
    print(
        f"U-Net width {options.width}, depth {options.depth}, kernel {options.kernel_size}, T = {T}, "
        f"{options.threads} threads; reach {reach.width} frames, {int(share_passes(reach, frames).max()) + 1} "
        f"passes instead of {T}; reach measured in {reach_s:.2f} s; loop over {len(looped)} output frames"
    )

    def captum(output: int, t: int) -> Tensor:
        return IntegratedGradients(model).attribute(
            x, baseline, (output, t), additional_forward_args=extra, n_steps=steps
        )[0]

    shared = {"extra": extra, "reach": reach, "rows_per_pass": options.rows}
    compare(
        "IG, mean and logvar, frame by frame",
        lambda: integrated_gradients_frames(model, x, baseline, steps, 4, **shared)[0].transpose(0, 1),
        lambda t: torch.stack([captum(output, t).sum(dim=0) for output in (0, 1)]),
        T,
        looped,
        reach_s,
    )
    compare(
        "IG, mean, every channel",
        lambda: integrated_gradients_matrix(model, x, baseline, 0, steps, frames=frames, **shared)[0],
        lambda t: captum(0, t),
        T,
        looped,
        reach_s,
    )
    compare(
        "saliency, mean, every channel",
        lambda: saliency_matrix(model, x, 0, frames=frames, **shared)[0],
        lambda t: Saliency(model).attribute(x, (0, t), abs=False, additional_forward_args=extra)[0],
        T,
        looped,
        reach_s,
    )


if __name__ == "__main__":
    main()
