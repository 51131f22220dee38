"""Faithfulness of attributions: curves, infidelity, completeness, sensitivity, overlap with contact; with controls."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from contactlens.attribution import faithfulness as faith
from contactlens.attribution.method_names import COMPLETE_METHODS, is_gradient
from contactlens.base.progress import counted
from contactlens.calibration.bootstrap import ratio_interval, resample_counts
from contactlens.calibration.classification import row_auroc
from contactlens.tracks.explanation.config import ExplainConfig
from contactlens.tracks.explanation.curves import curve_rows
from contactlens.tracks.explanation.examples import Examples, Remembered
from contactlens.tracks.explanation.explainer import RANDOM, Explainer
from contactlens.tracks.explanation.lag import Rows, metric_row
from contactlens.tracks.explanation.methods import method_of

Floats = NDArray[np.float64]


def faithfulness(
    explainer: Explainer, output: str, attributions: dict[str, Tensor], config: ExplainConfig, draws: Floats
) -> tuple[dict[str, Rows], Rows]:
    """Curves by kind and rows of faithfulness.csv for an output; attributions (P, F, C, T) by method."""
    examples = Examples.of(explainer, len(explainer.x), config.targets_per_track)
    curves, metrics = curve_rows(examples, output, attributions, config, draws)
    metrics += _infidelity(examples, output, attributions, config, draws)
    for method in [name for name in COMPLETE_METHODS if name in attributions]:
        metrics += _completeness(examples, output, method, attributions[method], config, draws)
    metrics += _sensitivity(explainer, output, [name for name in attributions if name != RANDOM], config)
    return curves, metrics


def contact_overlap(
    explainer: Explainer,
    output: str,
    attributions: dict[str, Tensor],
    contact: Tensor,
    memory_frames: int,
    draws: Floats,
    level: float,
) -> Rows:
    """Rows of faithfulness.csv: how well the size of the attributions to an output frame tells, of the input frames
    whose contact it could feel, those in true contact from the others, as an AUROC (0.5: not at all).

    contact: (P, T) bool
    memory_frames: how long before the output frame a contact is felt
    Frames outside the memory are left out: a method that knows when inputs matter, but not where contact was, gets no
    credit. The mean is over the output frames of a track that have both kinds.
    """
    lag = explainer.frames[:, None] - torch.arange(explainer.x.size(-1), device=explainer.x.device)  # (F, T)
    remembered = (lag >= 0) & (lag <= memory_frames) & explainer.reach.mask(explainer.frames)
    within = remembered & explainer.observed[:, None]  # (P, F, T)
    felt = within & contact[:, None]
    within_rows, felt_rows = (part.flatten(0, 1).cpu().numpy() for part in (within, felt))
    P, F = explainer.x.size(0), len(explainer.frames)
    rows: Rows = []
    for method, values in attributions.items():
        scores = explainer.frame_scores(method, values, explainer.profile_channels).abs().flatten(0, 1)
        auroc = row_auroc(scores.cpu().numpy(), felt_rows, within_rows).reshape(P, F)
        defined = ~np.isnan(auroc)
        mean = ratio_interval(np.nansum(auroc, axis=1), defined.sum(axis=1).astype(np.float64), draws, level)
        rows.append(metric_row(method, output, "contact_auroc", mean))
    return rows


def _infidelity(
    examples: Examples, output: str, attributions: dict[str, Tensor], config: ExplainConfig, draws: Floats
) -> Rows:
    """Share of the mean square change of the output, when blocks are removed, that is left unexplained."""
    model = Remembered(examples.explainer.model_for(output))

    def unexplained(values: Tensor, per_unit: bool) -> Floats:
        error = faith.block_infidelity(
            model,
            examples.x,
            values,
            examples.explainer.reference,
            examples.targets(output),
            (examples.observed,),
            per_unit=per_unit,
            window=config.infidelity_window_frames,
            n_samples=config.infidelity_samples,
            seed=examples.explainer.settings.seed,
            rows_per_pass=config.rows_per_pass,
        )
        return examples.by_track(error)

    total = unexplained(torch.zeros_like(examples.x), False)
    rows: Rows = []
    for method, values in counted(attributions.items(), f"infidelity of {output}"):
        error = unexplained(examples.of_matrix(values), is_gradient(method))
        share = ratio_interval(error, total, draws, config.interval_level)
        rows.append(metric_row(method, output, "infidelity", share))
    return rows


def _completeness(
    examples: Examples, output: str, method: str, attributions: Tensor, config: ExplainConfig, draws: Floats
) -> Rows:
    """What the shares miss of the output's change from the reference, as a share of that change."""
    explainer, targets = examples.explainer, examples.targets(output)
    extra = (examples.observed,)
    model, rows = explainer.model_for(output), config.rows_per_pass
    here = faith.predictions(model, examples.x, targets, extra, rows)
    change = here - faith.predictions(model, examples.reference, targets, extra, rows)
    missed = examples.of_matrix(attributions).sum(dim=(1, 2)) - change
    error = ratio_interval(
        examples.by_track(missed.abs()), examples.by_track(change.abs()), draws, config.interval_level
    )
    return [metric_row(method, output, "completeness_error", error)]


def _sensitivity(explainer: Explainer, output: str, names: list[str], config: ExplainConfig) -> Rows:
    """Mean over tracks of the largest relative change of the explanation of one output frame under noise."""
    examples = Examples.of(explainer, config.sensitivity_tracks, 1)
    draws = resample_counts(len(examples.x), config.bootstrap_replicates, explainer.settings.seed)
    methods = {name: method_of(explainer, name) for name in names} | {RANDOM: faith.random_attribution}
    rows: Rows = []
    for name, method in counted(methods.items(), f"sensitivity of {output}"):
        change = faith.max_sensitivity(
            method,
            explainer.model_for(output),
            examples.x,
            explainer.reference,
            examples.targets(output),
            (examples.observed,),
            explainer.settings,
            n_samples=config.sensitivity_samples,
        )
        values = examples.by_track(change)
        mean = ratio_interval(values, np.ones_like(values), draws, config.interval_level)
        rows.append(metric_row(name, output, "sensitivity", mean))
    return rows
