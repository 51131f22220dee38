"""All that waits for a GPU, in one script of under ten minutes: torch, triton, numpy and `src` alone.

    PYTHONPATH=src python benchmarks/gpu_checks.py --out gpu_checks.json [--small] [--device cuda]

It writes one JSON with the card's name: Triton's scan against the reference; its time at 4,096 to 65,536 bp with the
share of the memory bandwidth that a copy reaches on the same card; a training step and an attribution of the published
131k layout of Caduceus; training of the tracks model with mixed precision and `torch.compile` on and off against a
plain loop; 32 configurations of a sweep trained as one batched model against one after the other; attribution of all
frames against one call per frame. A check that fails is written down with its message, and the next one runs.
`gpu_checks_h200.json` is what it wrote on an H200.
"""

import argparse
import functools
import json
import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import functional_call, grad, stack_module_state, vmap

from contactlens.attribution.frame_by_frame import integrated_gradients_frames
from contactlens.attribution.reach import temporal_reach
from contactlens.dna.models.caduceus import CaduceusConfig, CaduceusForMaskedLM
from contactlens.dna.models.caduceus.scan import Backend, agrees_with_reference, fastest_backend, selective_scan
from contactlens.dna.models.classifier import WindowClassifier
from contactlens.dna.models.config import HeadConfig
from contactlens.tracks.data.batch import TrackBatch
from contactlens.tracks.models.config import GateConfig, ModelConfig
from contactlens.tracks.models.scaling import Scaling
from contactlens.tracks.models.tasks import task_named
from contactlens.tracks.models.track_model import Output, TrackModel
from contactlens.tracks.training.config import FitConfig, LossConfig
from contactlens.tracks.training.fit import fit
from contactlens.tracks.training.objectives import masked_mean, objective_of

Report = dict[str, Any]
NAMES = ("u", "delta", "A", "B", "C", "D")
LOSS = LossConfig(
    lambda_contact=0.03,
    lambda_crps=3.0,
    lambda_var=0.0,
    lambda_prior=0.0,
    target_logvar=-0.5,
    warmup_epochs=1,
    anneal_epochs=4,
    beta=0.0,
)


def seconds(call: Callable[[], object], device: str, rounds: int = 5) -> float:
    """Median wall time of a call, after one that compiles."""

    def wait() -> None:
        if device == "cuda":
            torch.cuda.synchronize()

    call()
    times = []
    for _ in range(rounds):
        wait()
        start = time.perf_counter()
        call()
        wait()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def peak_mib(call: Callable[[], object], device: str) -> float | None:
    """Largest memory of the GPU during a call, MiB; None on a CPU."""
    if device != "cuda":
        return None
    torch.cuda.reset_peak_memory_stats()
    call()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() / 2**20


def scan_inputs(batch: int, L: int, width: int, N: int, device: str) -> list[Tensor]:
    g = torch.Generator().manual_seed(0)
    values = [torch.randn(batch, L, width, generator=g), F.softplus(torch.randn(batch, L, width, generator=g) - 2)]
    values += [-torch.exp(torch.randn(width, N, generator=g)), torch.randn(batch, L, N, generator=g)]
    values += [torch.randn(batch, L, N, generator=g), torch.randn(width, generator=g)]
    return [value.to(device).requires_grad_() for value in values]


def scanned(values: list[Tensor], reverse: bool = False, backend: Backend = "auto") -> Tensor:
    u, delta, A, B, C, D = values
    return selective_scan(u, delta, A, B, C, D, reverse, backend)


def copy_bandwidth(device: str, small: bool) -> float:
    """Bytes per second, read and written, of a copy that fits no cache."""
    source = torch.zeros(2**24 if small else 2**28, device=device)
    target = torch.empty_like(source)
    return 2 * source.nbytes / seconds(lambda: target.copy_(source), device)


def scan_agreement(device: str, small: bool) -> Report:
    """Errors of y and of each gradient against the reference in double precision, relative to its norm."""
    shapes = [(2, 70, 3, 3)] if small else [(1, 1, 1, 1), (2, 5, 3, 2), (2, 70, 3, 3), (1, 1000, 100, 16)]
    backend = fastest_backend(device, torch.float32)
    worst: dict[str, float] = {}
    for shape in shapes:
        for reverse in (False, True):
            ours = scan_inputs(*shape, device)
            exact = [value.detach().double().requires_grad_() for value in ours]
            y, expected = scanned(ours, reverse), scanned(exact, reverse, "reference")
            pairs = [("y", y, expected)]
            weight = torch.linspace(-1, 1, y.numel(), device=device).reshape(y.shape)
            gradients = torch.autograd.grad((y * weight).sum(), ours)
            exact_gradients = torch.autograd.grad((expected * weight.double()).sum(), exact)
            pairs += [*zip(NAMES, gradients, exact_gradients, strict=True)]
            for name, value, truth in pairs:
                if truth.norm() > 1e-6:
                    error = float((value.detach().double() - truth.detach()).norm() / truth.detach().norm())
                    worst[name] = max(worst.get(name, 0.0), error)
    return {"kernel": backend, "agrees": agrees_with_reference(backend, device), "largest_relative_error": worst}


def scan_speed(device: str, small: bool) -> list[Report]:
    """Forward and backward of one sequence, d_inner 512, d_state 16.

    `share_of_copy_bandwidth`: bytes that must move (inputs read once, outputs written once) per second, over what a
    copy moves.
    """
    rows, bandwidth = [], copy_bandwidth(device, small)
    width, N = (32, 4) if small else (512, 16)
    for L in (512,) if small else (4096, 16_384, 65_536):
        values = scan_inputs(1, L, width, N, device)
        gy = torch.randn(1, L, width, device=device)

        def forward(values: list[Tensor] = values) -> Tensor:
            return scanned(values)

        def both(values: list[Tensor] = values, gy: Tensor = gy) -> tuple[Tensor, ...]:
            return torch.autograd.grad(forward(values), values, gy)

        with torch.no_grad():
            forward_s = seconds(forward, device)
        both_s = seconds(both, device)
        wide, narrow = values[0].nbytes, values[3].nbytes
        moved = {"forward": 3 * wide + 2 * narrow, "both": 8 * wide + 6 * narrow}
        rows.append(
            {
                "length_bp": L,
                "forward_ms": 1e3 * forward_s,
                "forward_and_backward_ms": 1e3 * both_s,
                "positions_per_s_forward_and_backward": L / both_s,
                "share_of_copy_bandwidth_forward": moved["forward"] / forward_s / bandwidth,
                "share_of_copy_bandwidth_both": moved["both"] / both_s / bandwidth,
                "peak_mib": peak_mib(both, device),
            }
        )
    return [{"copy_gb_per_s": bandwidth / 1e9}, *rows]


def caduceus(device: str, small: bool) -> list[Report]:
    """The published 131k layout (d_model 256, 16 layers), random weights: a step of pre-training, an attribution."""
    torch.manual_seed(0)
    config = CaduceusConfig(d_model=32, n_layer=2) if small else CaduceusConfig(d_model=256, n_layer=16)
    rows = []
    for L in (512,) if small else (4096, 65_536):
        model = CaduceusForMaskedLM(config).to(device)
        ids = torch.randint(7, 11, (1, L), device=device)

        def step(model: CaduceusForMaskedLM = model, ids: Tensor = ids) -> None:
            model.zero_grad()
            F.cross_entropy(model(ids).flatten(0, 1), ids.flatten()).backward()

        row: Report = {
            "length_bp": L,
            "step_s": seconds(step, device, rounds=3),
            "step_peak_mib": peak_mib(step, device),
        }
        row["bp_per_s"] = L / row["step_s"]
        classifier = WindowClassifier(model.backbone, "pair", HeadConfig(128)).to(device).requires_grad_(False).eval()
        regions = torch.zeros(1, 2, L, dtype=torch.bool, device=device)
        regions[:, 0, : L // 8], regions[:, 1, -L // 8 :] = True, True
        x = F.one_hot(ids, 16).float().requires_grad_()

        def saliency(classifier: WindowClassifier = classifier, x: Tensor = x, regions: Tensor = regions) -> object:
            return torch.autograd.grad(classifier.forward_one_hot(x, regions).sum(), x)

        row |= {
            "attribution_s": seconds(saliency, device, rounds=3),
            "attribution_peak_mib": peak_mib(saliency, device),
        }
        rows.append(row)
    return rows


def tracks(n: int, frames: int, device: str) -> TrackBatch:
    """Tracks of a random walk in a well, whose signal is on within 200 nm."""
    rng = np.random.default_rng(0)
    steps = rng.normal(0, 60, (n, 3, frames)).astype(np.float32)
    vector = np.empty_like(steps)
    vector[..., 0] = 3 * steps[..., 0]
    for t in range(1, frames):
        vector[..., t] = 0.95 * vector[..., t - 1] + steps[..., t]
    distance = np.linalg.norm(vector, axis=1, keepdims=True)
    signal = 4 * (distance[:, 0] < 200) + rng.normal(0, 0.5, (n, frames))
    driver = torch.from_numpy(np.concatenate([vector, distance], axis=1)).to(device)
    observed = torch.ones(n, frames, dtype=torch.bool, device=device)
    names = [str(i) for i in range(n)]
    return TrackBatch(driver, torch.from_numpy(signal.astype(np.float32)).to(device), observed, names, names, 30.0)


def new_model(batch: TrackBatch, seed: int = 0) -> TrackModel:
    torch.manual_seed(seed)
    config = ModelConfig("unet", 12, 2, 2, 5, gated=True, logvar_bounds=(-8.0, 4.0))
    gate = GateConfig(radius_init=250.0, radius_bounds=(20.0, 800.0), sharpness=6.0)
    return TrackModel(config, gate, Scaling.of(batch), task_named("ep_to_ms2"), batch.driver.size(1))


def plain_loop(model: TrackModel, train: TrackBatch, held_out: TrackBatch, epochs: int, batch_size: int) -> None:
    """What a user would write: shuffled batches, a step each, a validation score per epoch."""
    model = model.to(train.driver.device)
    objective = objective_of(model, LOSS)
    target, held_out_target = objective.target(train), objective.target(held_out)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for epoch in range(epochs):
        for rows in torch.randperm(len(train)).split(batch_size):
            x, y, observed = (part[rows.to(part.device)] for part in (train.driver, target, train.observed))
            terms = objective.terms(y, model.standardised(x, observed), observed, epoch)
            optimizer.zero_grad()
            torch.stack([*terms.values()]).sum().backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        with torch.no_grad():
            objective.scores(held_out_target, model.standardised(held_out.driver, held_out.observed), held_out.observed)


def _run_anew(run: Callable[[TrackModel], object], train: TrackBatch) -> object:
    return run(new_model(train))


def training(device: str, small: bool) -> Report:
    """Frames per second of `fit`, with mixed precision and `torch.compile`, and of a plain loop."""
    n, frames, epochs = (24, 64, 1) if small else (1024, 601, 4)
    batch_size = 8 if small else 64
    train, held_out = tracks(n, frames, device), tracks(n // 4, frames, device)
    base = FitConfig(
        learning_rate=3e-3,
        gate_learning_rate=3e-2,
        weight_decay=0.0,
        batch_size=batch_size,
        max_epochs=epochs,
        patience=epochs,
        gradient_clip=1.0,
        amp=False,
        compile=False,
        device=device,
        threads=1,
    )
    found: Report = {"tracks": n, "frames": frames, "batch_size": batch_size}
    plain = seconds(lambda: plain_loop(new_model(train), train, held_out, epochs, batch_size), device, 3)
    found["plain_frames_per_s"] = epochs * n * frames / plain
    for name, config in {
        "fit": base,
        "fit_amp": replace(base, amp=True),
        "fit_compile": replace(base, compile=True),
        "fit_amp_compile": replace(base, amp=True, compile=True),
    }.items():
        try:
            run = functools.partial(fit, train=train, validation=held_out, loss=LOSS, config=config, seed=0)
            result = run(new_model(train))
            took = seconds(functools.partial(_run_anew, run, train), device, 3)
        except Exception as error:  # what a compiler refuses is a finding, and the other ways are measured
            found[name] = f"{type(error).__name__}: {str(error)[:300]}"
            continue
        found[name] = {
            "frames_per_s": epochs * n * frames / took,
            "ratio_to_plain": plain / took,
            "validation_nll": result.best_score,
        }
    return found


def batched_sweep(device: str, small: bool) -> Report:
    """Configurations that differ in lambda_contact and learning rate, as one model of stacked weights (`torch.func`).

    The same batches in the same order; AdamW on stacked weights is AdamW on each, and gradients are clipped per model.
    """
    n_models, n, frames, steps = (4, 16, 64, 3) if small else (32, 256, 601, 20)
    batch = tracks(n, frames, device)
    weights = torch.logspace(-2.5, -0.5, n_models, device=device)
    rates = torch.linspace(1e-3, 5e-3, n_models, device=device)
    rows = [torch.randperm(n, generator=torch.Generator().manual_seed(i))[: n // 4].to(device) for i in range(steps)]

    objective = objective_of(new_model(batch).to(device), LOSS)
    target = objective.target(batch)

    def loss(output: Output, y: Tensor, observed: Tensor, weight: Tensor) -> Tensor:
        terms = objective.terms(y, output, observed, LOSS.warmup_epochs + LOSS.anneal_epochs)
        rest = [value for name, value in terms.items() if name != "contact"]
        return torch.stack(rest).sum() + weight * masked_mean(output.gate, observed)

    def alone() -> list[Tensor]:
        losses = []
        for weight, rate in zip(weights, rates, strict=True):
            model = new_model(batch).to(device)
            optimizer = torch.optim.AdamW(model.parameters(), lr=float(rate), weight_decay=0.0)
            for chosen in rows:
                observed = batch.observed[chosen]
                value = loss(model.standardised(batch.driver[chosen], observed), target[chosen], observed, weight)
                optimizer.zero_grad()
                value.backward()
                torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
            losses.append(value.detach())
        return losses

    def together() -> Tensor:
        models = [new_model(batch).to(device) for _ in range(n_models)]
        parameters, buffers = stack_module_state(models)
        template = models[0]

        def one(
            own: dict[str, Tensor], fixed: dict[str, Tensor], weight: Tensor, *data: Tensor
        ) -> tuple[Tensor, Tensor]:
            x, y, observed = data
            values = {f"model.{name}": value for name, value in (own | fixed).items()}
            output = functional_call(_Standardised(template), values, (x, observed))
            value = loss(output, y, observed, weight)
            return value, value

        gradient = vmap(grad(one, has_aux=True), in_dims=(0, 0, 0, None, None, None))
        first = {name: torch.zeros_like(value) for name, value in parameters.items()}
        second = {name: torch.zeros_like(value) for name, value in parameters.items()}
        for step, chosen in enumerate(rows, start=1):
            data = (batch.driver[chosen], target[chosen], batch.observed[chosen])
            gradients, values = gradient(parameters, buffers, weights, *data)
            norms = torch.stack([g.reshape(n_models, -1).square().sum(1) for g in gradients.values()]).sum(0).sqrt()
            shrink = (1.0 / (norms + 1e-6)).clamp(max=1.0)
            with torch.no_grad():
                for name, g in gradients.items():
                    shape = (-1, *[1] * (g.ndim - 1))
                    g = g * shrink.reshape(shape)
                    first[name].lerp_(g, 0.1)
                    second[name].mul_(0.999).addcmul_(g, g, value=0.001)
                    size = (second[name] / (1 - 0.999**step)).sqrt() + 1e-8
                    parameters[name] -= rates.reshape(shape) * (first[name] / (1 - 0.9**step)) / size
        return values

    separate, joint = torch.stack(alone()), together()
    alone_s, together_s = seconds(alone, device, 1), seconds(together, device, 1)
    return {
        "models": n_models,
        "steps": steps,
        "one_after_the_other_s": alone_s,
        "together_s": together_s,
        "ratio": alone_s / together_s,
        "largest_difference_of_the_last_loss": float((separate - joint.detach()).abs().max()),
    }


class _Standardised(torch.nn.Module):
    """`TrackModel.standardised` as a forward, which `functional_call` needs."""

    def __init__(self, model: TrackModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor, observed: Tensor) -> Any:
        return self.model.standardised(x, observed)


def all_frames(device: str, small: bool) -> Report:
    """Integrated gradients of the mean at every frame of a track, against one call per output frame."""
    frames, steps = (48, 4) if small else (601, 20)
    batch = tracks(1, frames, device)
    model = new_model(batch).to(device).eval().requires_grad_(False)
    x, extra = batch.driver, (batch.observed,)
    baseline = torch.tensor([0.0, 0.0, 0.0, 800.0], device=device)[None, :, None].expand_as(x)
    reach = temporal_reach(model, x, extra, 64)

    def together() -> Tensor:
        return integrated_gradients_frames(model, x, baseline, steps, 4, extra=extra, reach=reach, rows_per_pass=64)[0]

    looped = range(0, frames, 8)
    nodes, weights = np.polynomial.legendre.leggauss(steps)

    def loop() -> Tensor:
        """Gauss-Legendre nodes, one backward pass per output frame."""
        rows = []
        for frame in looped:
            points = [baseline + float((1 + node) / 2) * (x - baseline) for node in nodes]
            inputs = torch.cat(points).requires_grad_()
            output = model(inputs, extra[0].expand(steps, -1))[:, 0, frame].sum()
            (gradient,) = torch.autograd.grad(output, inputs)
            share = torch.tensor(weights / 2, dtype=x.dtype, device=device)[:, None, None]
            rows.append(((gradient * share).sum(0) * (x - baseline)[0]).sum(0))
        return torch.stack(rows)

    ours = together()
    difference = float((ours[0, list(looped)] - loop()).abs().max() / loop().abs().max())
    together_s, loop_s = seconds(together, device, 3), seconds(loop, device, 1) * frames / len(looped)
    return {
        "frames": frames,
        "together_s": together_s,
        "one_call_per_frame_s": loop_s,
        "ratio": loop_s / together_s,
        "largest_relative_difference": difference,
    }


CHECKS: dict[str, Callable[[str, bool], object]] = {
    "scan_agreement": scan_agreement,
    "scan_speed": scan_speed,
    "caduceus_131k": caduceus,
    "tracks_training": training,
    "batched_sweep": batched_sweep,
    "all_frames_attribution": all_frames,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--small", action="store_true", help="sizes that a CPU does in a minute")
    parser.add_argument("--only", choices=CHECKS, action="append", help="these checks alone")
    options = parser.parse_args()
    torch.manual_seed(0)
    warnings.filterwarnings("ignore", message="Input Tensor 0 did not already require gradients")
    card = torch.cuda.get_device_name() if options.device == "cuda" else "CPU"
    report: Report = {"card": card, "torch": torch.__version__, "small": options.small}
    for name in options.only or CHECKS:
        start = time.perf_counter()
        try:
            found = CHECKS[name](options.device, options.small)
        except Exception as error:  # the other checks are worth having; the report says which one failed
            found = {"failed": f"{type(error).__name__}: {str(error)[:1000]}"}
        report[name] = found
        print(f"{name}: {time.perf_counter() - start:.0f} s  {json.dumps(found)[:600]}", flush=True)
        options.out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
