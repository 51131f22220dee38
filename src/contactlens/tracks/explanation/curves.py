"""Deletion and insertion: does the output change most where the attribution says?"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from contactlens.attribution import faithfulness as faith
from contactlens.attribution.reach import Model
from contactlens.base.progress import counted
from contactlens.calibration.bootstrap import percentile_interval, ratio, ratio_interval
from contactlens.tracks.explanation.config import ExplainConfig
from contactlens.tracks.explanation.examples import Examples, Remembered
from contactlens.tracks.explanation.explainer import RANDOM
from contactlens.tracks.explanation.lag import Rows, metric_row

Floats = NDArray[np.float64]
DELETION, INSERTION = "deletion", "insertion"


def curve_rows(
    examples: Examples, output: str, attributions: dict[str, Tensor], config: ExplainConfig, draws: Floats
) -> tuple[dict[str, Rows], Rows]:
    """Rows of deletion_curve.csv and insertion_curve.csv, by kind, and of faithfulness.csv for an output.

    Score: mean absolute change of the output, as a share of its change when every frame is replaced, after the most
    important frames of the input become the reference (deletion; Samek et al., IEEE TNNLS 28 (2017) 2660) or those of
    the reference become the input (insertion; Petsiuk, Das and Saenko, BMVC 2018).
    """
    model = Remembered(examples.explainer.model_for(output))
    orders = {method: _orders(examples, method, values, config) for method, values in attributions.items()}
    curves: dict[str, Rows] = {}
    metrics: Rows = []
    for kind in (DELETION, INSERTION):
        changes = {
            method: examples.by_track(_changes(model, examples, output, kind, some, config))
            for method, some in counted(orders.items(), f"{kind} curves of {output}")
        }  # (P, fractions and, last, every frame)
        curves[kind] = _curve(output, changes, config, draws)
        metrics += _areas_and_gains(kind, output, changes, config, draws)
    return curves, metrics


def _orders(examples: Examples, method: str, attributions: Tensor, config: ExplainConfig) -> list[Tensor]:
    """Importances (E, T) of the frames; for the control, random orders of the frames within reach."""
    explainer = examples.explainer
    if method != RANDOM:
        scores = explainer.frame_scores(method, attributions, explainer.x.size(1))
        return [examples.of_matrix(scores).abs()]
    generator = torch.Generator(explainer.x.device).manual_seed(explainer.settings.seed)
    within = explainer.reach.mask(examples.frames)  # (E, T)
    return [
        torch.rand(within.shape, generator=generator, device=within.device) + within
        for _ in range(config.random_orders)
    ]


def _changes(
    model: Model, examples: Examples, output: str, kind: str, orders: list[Tensor], config: ExplainConfig
) -> Tensor:
    """(E, fractions + 1), the mean over the orders."""
    ends = (examples.x, examples.reference)
    start, goal = ends if kind == DELETION else ends[::-1]
    changes = [
        faith.deletion_changes(
            model,
            start,
            order,
            goal,
            examples.targets(output),
            (examples.observed,),
            observed=examples.observed,
            fractions=(*config.deletion_fractions, 1.0),
            rows_per_pass=config.rows_per_pass,
        )
        for order in orders
    ]
    return torch.stack(changes).mean(dim=0)


def _curve(output: str, changes: dict[str, Floats], config: ExplainConfig, draws: Floats) -> Rows:
    rows: Rows = []
    for method, change in changes.items():
        curve = ratio_interval(change[:, :-1], change[:, -1:], draws, config.interval_level)
        rows += [
            {
                "method": method,
                "output": output,
                "fraction": fraction,
                "score": curve.estimate[i],
                "low": curve.low[i],
                "high": curve.high[i],
            }
            for i, fraction in enumerate(config.deletion_fractions)
        ]
    return rows


def _areas_and_gains(kind: str, output: str, changes: dict[str, Floats], config: ExplainConfig, draws: Floats) -> Rows:
    """The area under each curve, and what it gains on that of the control."""
    areas = {method: _areas(change, draws, config.deletion_fractions) for method, change in changes.items()}
    rows: Rows = []
    for method, area in areas.items():
        found = percentile_interval(area[0], area[1:], config.interval_level)
        rows.append(metric_row(method, output, f"{kind}_area", found))
        if method != RANDOM:
            gain = area - areas[RANDOM]
            found = percentile_interval(gain[0], gain[1:], config.interval_level)
            rows.append(metric_row(method, output, f"{kind}_gain", found))
    return rows


def _areas(change: Floats, draws: Floats, fractions: tuple[float, ...]) -> Floats:
    """Area under the curve of all tracks, then of every bootstrap replicate: (1 + R,)."""
    sums = np.vstack([np.ones(len(change)), draws]) @ change
    return np.asarray(faith.area_under(ratio(sums[:, :-1], sums[:, -1:]), fractions))
