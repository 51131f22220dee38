"""Faithfulness of a study's attributions: deletion, infidelity, sensitivity, completeness; with controls."""

import hashlib
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from contactlens.attribution import faithfulness as faith
from contactlens.attribution.captum_methods import GRADIENT_METHODS, METHODS
from contactlens.attribution.lag import interval, ratio, ratio_interval, resamples
from contactlens.attribution.reach import Model
from contactlens.tracks.explain_config import ExplainConfig
from contactlens.tracks.explain_lag import Rows, metric_row
from contactlens.tracks.explain_study import OUTPUTS, RANDOM, Study

Floats = NDArray[np.float64]
SENSITIVITY_METHODS = ("integrated_gradients", "saliency", "noise_tunnel", "occlusion")


@dataclass(frozen=True)
class Examples:
    """k output frames of each of P tracks: E = P k examples, track by track.

    position: (P, k) into the study's output frames
    """

    study: Study
    position: Tensor

    @classmethod
    def of(cls, study: Study, tracks: int, per_track: int) -> "Examples":
        """Output frames evenly spread over the observed ones of the first `tracks` tracks."""
        rows = []
        for seen in study.observed[:tracks, study.frames].cpu().numpy():
            candidates = np.flatnonzero(seen) if seen.any() else np.arange(len(seen))
            inner = np.linspace(0, len(candidates) - 1, per_track + 2)[1:-1]
            rows.append(candidates[inner.round().astype(np.int64)])
        return cls(study, torch.as_tensor(np.stack(rows), device=study.x.device))

    @property
    def track(self) -> Tensor:
        P, k = self.position.shape
        return torch.arange(P, device=self.position.device).repeat_interleave(k)

    @property
    def frames(self) -> Tensor:
        return self.study.frames[self.position.flatten()]

    @property
    def x(self) -> Tensor:
        return self.study.x[self.track]

    @property
    def observed(self) -> Tensor:
        return self.study.observed[self.track]

    def targets(self, output: str) -> faith.Targets:
        return [(OUTPUTS[output], frame) for frame in self.frames.tolist()]

    def of_matrix(self, matrix: Tensor) -> Tensor:
        """The examples' rows (E, ...) of a matrix (P, F, ...)."""
        return matrix[self.track, self.position.flatten()]

    def by_track(self, values: Tensor) -> Floats:
        """Sums over each track's examples, (P, ...), of values (E, ...)."""
        P, k = self.position.shape
        return np.asarray(values.double().cpu().numpy().reshape(P, k, *values.shape[1:]).sum(axis=1))


def faithfulness(
    study: Study, output: str, attributions: dict[str, Tensor], config: ExplainConfig, draws: Floats
) -> tuple[Rows, Rows]:
    """Rows of deletion_curve.csv and faithfulness.csv for an output; attributions (P, F, C, T) by method."""
    examples = Examples.of(study, len(study.x), config.targets_per_track)
    curves, metrics = _deletion(examples, output, attributions, config, draws)
    metrics += _infidelity(examples, output, attributions, config, draws)
    metrics += _completeness(examples, output, attributions["integrated_gradients"], config, draws)
    metrics += _sensitivity(study, output, config)
    return curves, metrics


class Remembered:
    """A model without gradients that computes the output for an input once; infidelity asks for the same
    perturbed inputs with every method."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.outputs: dict[bytes, Tensor] = {}

    @torch.no_grad()
    def __call__(self, x: Tensor, *extra: Tensor) -> Tensor:
        digest = hashlib.sha256()
        for value in (x, *extra):
            digest.update(value.cpu().contiguous().numpy().data)
        key = digest.digest()
        if key not in self.outputs:
            self.outputs[key] = self.model(x, *extra)
        return self.outputs[key]


def _deletion(
    examples: Examples, output: str, attributions: dict[str, Tensor], config: ExplainConfig, draws: Floats
) -> tuple[Rows, Rows]:
    """Score: mean absolute change of the output, as a share of its change when every frame is replaced."""
    level, fractions = config.interval_level, config.deletion_fractions
    changes = {
        method: examples.by_track(_changes(examples, output, method, values, config))
        for method, values in attributions.items()
    }  # (P, fractions and, last, every frame)
    rows: Rows = []
    metrics: Rows = []
    random_areas = _areas(changes[RANDOM], draws, fractions)
    for method, change in changes.items():
        curve = ratio_interval(change[:, :-1], change[:, -1:], draws, level)
        rows += [
            {
                "method": method,
                "output": output,
                "fraction": fraction,
                "score": curve.estimate[i],
                "low": curve.low[i],
                "high": curve.high[i],
            }
            for i, fraction in enumerate(fractions)
        ]
        areas = _areas(change, draws, fractions)
        metrics.append(metric_row(method, output, "deletion_area", interval(areas[0], areas[1:], level)))
        if method != RANDOM:
            gain = areas - random_areas
            metrics.append(metric_row(method, output, "deletion_gain", interval(gain[0], gain[1:], level)))
    return rows, metrics


def _areas(change: Floats, draws: Floats, fractions: tuple[float, ...]) -> Floats:
    """Area under the curve of all tracks, then of every bootstrap replicate: (1 + R,)."""
    sums = np.vstack([np.ones(len(change)), draws]) @ change
    return np.asarray(faith.area_under(ratio(sums[:, :-1], sums[:, -1:]), fractions))


def _changes(examples: Examples, output: str, method: str, attributions: Tensor, config: ExplainConfig) -> Tensor:
    """(E, fractions + 1); for the control the mean over random orders of the frames within reach."""
    study = examples.study
    if method == RANDOM:
        generator = torch.Generator(study.x.device).manual_seed(study.settings.seed)
        within = study.reach.mask(examples.frames)  # (E, T)
        orders = [
            torch.rand(within.shape, generator=generator, device=within.device) + within
            for _ in range(config.random_orders)
        ]
    else:
        scores = study.frame_scores(method, attributions, study.x.size(1))
        orders = [examples.of_matrix(scores).abs()]
    changes = [
        faith.deletion_changes(
            study.model,
            examples.x,
            order,
            study.reference,
            examples.targets(output),
            (examples.observed,),
            observed=examples.observed,
            fractions=(*config.deletion_fractions, 1.0),
            rows_per_pass=study.settings.rows_per_pass,
        )
        for order in orders
    ]
    return torch.stack(changes).mean(dim=0)


def _infidelity(
    examples: Examples, output: str, attributions: dict[str, Tensor], config: ExplainConfig, draws: Floats
) -> Rows:
    """Share of the mean square change of the output, when blocks are removed, that is left unexplained."""
    model = Remembered(examples.study.model)

    def unexplained(values: Tensor, per_unit: bool) -> Floats:
        error = faith.block_infidelity(
            model,
            examples.x,
            values,
            examples.study.reference,
            examples.targets(output),
            (examples.observed,),
            per_unit=per_unit,
            window=config.infidelity_window_frames,
            n_samples=config.infidelity_samples,
            seed=examples.study.settings.seed,
            rows_per_pass=config.rows_per_pass,
        )
        return examples.by_track(error)

    total = unexplained(torch.zeros_like(examples.x), False)
    rows: Rows = []
    for method, values in attributions.items():
        error = unexplained(examples.of_matrix(values), method in GRADIENT_METHODS)
        share = ratio_interval(error, total, draws, config.interval_level)
        rows.append(metric_row(method, output, "infidelity", share))
    return rows


def _completeness(examples: Examples, output: str, integrated: Tensor, config: ExplainConfig, draws: Floats) -> Rows:
    """What the path integral misses of the output's change from the reference, as a share of that change."""
    study, targets = examples.study, examples.targets(output)
    extra = (examples.observed,)
    rows = config.rows_per_pass
    reference = study.reference.expand_as(examples.x)
    here = faith.predictions(study.model, examples.x, targets, extra, rows)
    change = here - faith.predictions(study.model, reference, targets, extra, rows)
    missed = examples.of_matrix(integrated).sum(dim=(1, 2)) - change
    error = ratio_interval(
        examples.by_track(missed.abs()), examples.by_track(change.abs()), draws, config.interval_level
    )
    return [metric_row("integrated_gradients", output, "completeness_error", error)]


def _sensitivity(study: Study, output: str, config: ExplainConfig) -> Rows:
    """Mean over tracks of the largest relative change of the explanation of one output frame under noise."""
    examples = Examples.of(study, config.sensitivity_tracks, 1)
    draws = resamples(len(examples.x), config.bootstrap_replicates, study.settings.seed)
    methods = {name: METHODS[name] for name in SENSITIVITY_METHODS} | {RANDOM: faith.random_attribution}
    rows: Rows = []
    for name, method in methods.items():
        change = faith.max_sensitivity(
            method,
            study.model,
            examples.x,
            study.reference,
            examples.targets(output),
            (examples.observed,),
            study.settings,
            n_samples=config.sensitivity_samples,
        )
        values = examples.by_track(change)
        mean = ratio_interval(values, np.ones_like(values), draws, config.interval_level)
        rows.append(metric_row(name, output, "sensitivity", mean))
    return rows
