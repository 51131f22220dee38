"""Which frames drive what a network says of one frame of a new track: integrated gradients, as a table."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from contactlens.attribution.all_frames import integrated_gradients_matrix
from contactlens.attribution.reach import FrameReach, temporal_reach
from contactlens.base.errors import InputError
from contactlens.base.progress import counted
from contactlens.tracks.data.dataset import batch_of
from contactlens.tracks.data.track_set import TrackSet
from contactlens.tracks.explanation.explainer import OUTPUTS, model_with_output, reference_input
from contactlens.tracks.models.checkpoint import ModelSpec
from contactlens.tracks.models.tasks import channel_names, model_input
from contactlens.tracks.models.track_model import TrackModel

IG_STEPS, ROWS_PER_PASS = 24, 16
FAR = 0.99  # quantile of the driver that stands for "no contact" where the model came without a reference


def explain_frames(
    network: TrackModel,
    spec: ModelSpec,
    tracks: TrackSet,
    frames: Sequence[int] | None = None,
    reference: Tensor | None = None,
    ig_steps: int = IG_STEPS,
) -> pd.DataFrame:
    """Integrated gradients from the reference input, of each output of the head (before recalibration).

    frames: numbers of the frames explained, in every track; where None the highest prediction of each
    reference: (C,) input without contact and transcription; where None it is taken from the tracks themselves, whose
        99 % quantile of the driver stands for "far"

    Gives a row per input frame within reach: track_id, frame (explained), output (mean and logvar, or logit and
    uncertainty), input_frame, lag_s (how long before the explained frame), attribution (the share of that input frame
    in the output's change from the reference, in the output's unit; of all channels), and a column `from_<channel>`
    each. The shares of a frame add up to that change, up to the error of the integral.

    Raises InputError where a track has not observed a frame.
    """
    if reference is None:
        together = batch_of(replace(tracks, truth=None))
        reference = reference_input(
            model_input(network.task, together), together.observed, network.driver_channels, FAR
        )
    channels = channel_names(network.task, spec.driver.columns)
    reaches: dict[int, FrameReach] = {}
    parts = []
    for name, rows in counted(list(tracks.frames.groupby("track_id", sort=False)), "tracks explained"):
        batch = batch_of(replace(tracks, frames=rows, truth=None))
        x, first = model_input(network.task, batch), int(rows["frame"].iloc[0])
        T = x.size(-1)
        if T not in reaches:
            reaches[T] = temporal_reach(network, x, (torch.ones_like(batch.observed),), ROWS_PER_PASS)
        places = _places(str(name), rows, frames) if frames is not None else [_highest(network, x, batch.observed)]
        wanted = torch.tensor(places)
        within = reaches[T].mask(wanted) & batch.observed  # (F, T)
        for output, channel in OUTPUTS[network.head_name].items():
            shares = integrated_gradients_matrix(
                model_with_output(output, network),
                x,
                reference[None, :, None].repeat(1, 1, T),
                channel,
                ig_steps,
                extra=(batch.observed,),
                reach=reaches[T],
                frames=wanted,
                rows_per_pass=ROWS_PER_PASS,
            )[0]  # (F, C, T)
            for place, share, among in zip(places, shares, within, strict=True):
                table = _rows(place, share, among, channels, spec.frame_interval_s)
                head = {"track_id": str(name), "frame": first + place, "output": output}
                table["input_frame"] += first
                parts.append(pd.DataFrame({**head, **table}))
    return pd.concat(parts, ignore_index=True)


def _places(name: str, rows: pd.DataFrame, frames: Sequence[int]) -> list[int]:
    """Positions of the numbered frames in the track's batch."""
    unseen = sorted(set(frames) - set(rows["frame"]))
    if unseen or not frames:
        raise InputError(f"track {name}: frames {', '.join(map(str, unseen)) or '(none given)'} were not observed")
    return [frame - int(rows["frame"].iloc[0]) for frame in frames]


@torch.no_grad()
def _highest(network: TrackModel, x: Tensor, observed: Tensor) -> int:
    predicted = network(x, observed)[:, 0]
    return int(predicted.masked_fill(~observed, -torch.inf).argmax())


def _rows(place: int, share: Tensor, within: Tensor, channels: list[str], interval_s: float) -> dict[str, np.ndarray]:
    """Columns of one explained frame; share (C, T), within (T,) the input frames listed."""
    inputs = torch.nonzero(within)[:, 0]
    values = share[:, inputs].double().cpu().numpy()  # (C, inputs)
    columns = {"input_frame": inputs.numpy(), "lag_s": (place - inputs.numpy()) * interval_s}
    parts = {f"from_{channel}": row for channel, row in zip(channels, values, strict=True)}
    return {**columns, "attribution": values.sum(axis=0), **parts}
