"""Do contributions per base say what the model does, and do they find what was planted? Each beside its controls.

Controls: `random` scores, and every method's own contributions permuted among the bases of the same element, which
keep how much each element got and lose which of its bases got it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from contactlens.base.progress import counted
from contactlens.calibration.bootstrap import ConfidenceInterval, Metric, difference, interval, resample_counts
from contactlens.calibration.classification import auprc_score, auroc_score
from contactlens.dna.data.batch import WindowBatch
from contactlens.dna.data.window_set import WindowSet
from contactlens.dna.explanation.config import ExplainConfig
from contactlens.dna.explanation.methods.lrp import known_bases
from contactlens.dna.explanation.methods.mutagenesis import Replacement, sample_mutations

Array = np.ndarray
Rows = list[dict[str, Any]]
RANDOM = "random"
DECOY = "background"


@dataclass(frozen=True)
class Bootstrap:
    """Intervals over clusters of windows; `counts` (R, N) says how often each replicate draws each of N windows."""

    counts: Array
    level: float

    @classmethod
    def of(cls, clusters: Array, config: ExplainConfig, seed: int) -> "Bootstrap":
        """clusters: (N,) of each window, from `window_clusters`: windows that share an element are drawn together"""
        names, cluster = np.unique(clusters, return_inverse=True)
        return cls(resample_counts(len(names), config.bootstrap_replicates, seed)[:, cluster], config.interval_level)

    def row(self, method: str, metric: str, value: Metric, control: bool = False) -> dict[str, Any]:
        found = interval(value, self.counts, self.level)
        n = len(value.sums)
        numbers = {name: float(number) for name, number in zip(ConfidenceInterval._fields, found, strict=True)}
        return {"method": method, "metric": metric, **numbers, "control": control, "n_windows": n}


def ratio_metric(numerator: Array, denominator: Array) -> Metric:
    """Sum over windows of `numerator` (N,) or (N, K) over that of `denominator` (N,)."""
    return Metric(np.column_stack([numerator, denominator]), lambda total: _over_last(total, np.ndim(numerator) == 1))


def _over_last(total: Array, single: bool) -> Array:
    value = total[..., :-1] / total[..., -1:]
    return value[..., 0] if single else value


def permuted_within(values: Array, group: Array, rng: np.random.Generator) -> Array:
    """Values (N, L) permuted among the places of each window that share a group (N, L)."""
    permuted = values.copy()
    for row, places in zip(permuted, group, strict=True):
        for one in np.unique(places):
            inside = np.flatnonzero(places == one)
            row[inside] = row[rng.permutation(inside)]
    return permuted


def element_groups(batch: WindowBatch) -> Array:
    """(N, L): -1 where there is no base, else a number for the elements that hold it (0: none)."""
    weight = 2 ** torch.arange(batch.regions.shape[1], device=batch.regions.device)
    group = (batch.regions * weight[:, None]).sum(1)
    return torch.where(known_bases(batch.ids), group, -1).cpu().numpy()


@dataclass(frozen=True)
class Planted:
    """Bases (N, L) bool of planted sites: of factors that decide the label (`meaning`), and of decoys."""

    meaning: Array
    decoy: Array

    @classmethod
    def of(cls, windows: WindowSet, window_ids: list[str]) -> "Planted | None":
        """None where the truth is not known. Bases shared by both kinds count as meaning."""
        if windows.planted is None:
            return None
        row = {name: i for i, name in enumerate(window_ids)}
        masks = np.zeros((2, len(row), windows.length), dtype=bool)
        sites = windows.planted[windows.planted["window_id"].isin(row)]
        for name, element, start, end in sites[["window_id", "element", "start", "end"]].itertuples(index=False):
            masks[int(element == DECOY), row[name], start:end] = True
        return cls(masks[0], masks[1] & ~masks[0])


def overlap_rows(
    batch: WindowBatch,
    contributions: Mapping[str, Array],
    planted: Planted,
    clusters: Array,
    config: ExplainConfig,
    seed: int,
) -> Rows:
    """`planted_auroc`, `planted_auprc` of |contribution| for bases of meaningful sites against bases of no site inside
    the elements, outside of which some methods are 0 by construction, and `decoy_auroc`, `decoy_auprc` for bases of
    decoys against those anywhere; each the mean over windows of the score within a window.

    contributions: (N, L) by method. `n_windows` counts the windows that have such sites.
    """
    rng = np.random.default_rng([seed, 1])
    group = element_groups(batch)
    free = (group >= 0) & ~planted.meaning & ~planted.decoy
    ranked = [(RANDOM, True, rng.random(group.shape))]
    for method, values in contributions.items():
        size = np.abs(values)
        ranked += [(method, False, size), (method, True, permuted_within(size, group, rng))]
    rows: Rows = []
    kinds = (
        ("planted", planted.meaning & (group > 0), free & (group > 0)),
        ("decoy", planted.decoy & (group >= 0), free),
    )
    for kind, site, others in kinds:
        chosen = np.flatnonzero(site.any(1) & others.any(1))
        if not len(chosen):
            continue
        bootstrap = Bootstrap.of(clusters[chosen], config, seed)
        for method, control, size in ranked:
            for name, score in (("auroc", auroc_score), ("auprc", auprc_score)):
                values = np.array([_within(score, size[i], site[i], others[i]) for i in chosen])
                metric = ratio_metric(values, np.ones(len(values)))
                rows.append(bootstrap.row(method, f"{kind}_{name}", metric, control))
    return rows


def _within(score: Callable[[Array, Array], Any], size: Array, site: Array, free: Array) -> float:
    used = site | free
    return float(score(site[used].astype(np.float64), size[used])(np.ones((1, int(used.sum()))))[0])


def curve_rows(
    model: nn.Module,
    batch: WindowBatch,
    contributions: Mapping[str, Array],
    clusters: Array,
    config: ExplainConfig,
    seed: int,
) -> tuple[Rows, Rows]:
    """Deletion and insertion curves, and their areas, by method and control.

    Bases of one region at a time go, or come back, from the largest contribution to the score downwards, the other
    regions being intact: where the score says how well two elements match, it need not fall when both go together. A
    base that is gone is one of the other three, at random. The score is in shares of its change when the region's
    bases all go: 1 for the window, 0 for none of the region left; changes are added up over the regions. A good
    explanation has a small area under deletion and a large one under insertion; `_gain` is how much better it is than
    its own permutation, resampled together.
    Source: Samek et al., IEEE TNNLS 28 (2017) 2660; Petsiuk et al., BMVC 2018 (RISE).
    """
    replacements = [
        Replacement.of(model, batch.ids, batch.regions, region, config.replacement_draws, seed, config.rows_per_pass)
        for region in batch.regions.unbind(1)
    ]
    rng = np.random.default_rng([seed, 2])
    group = element_groups(batch)
    bootstrap = Bootstrap.of(clusters, config, seed)
    curves: Rows = []
    metrics: Rows = []
    draws = range(config.replacement_draws)
    by_chance = np.stack([rng.random(group.shape) for _ in draws])
    _add_curves(replacements, RANDOM, True, by_chance, config, bootstrap, curves, metrics)
    for method, values in counted(contributions.items(), "deletion and insertion curves"):
        permuted = np.stack([permuted_within(values, group, rng) for _ in draws])
        areas = _add_curves(replacements, method, False, values, config, bootstrap, curves, metrics)
        control = _add_curves(replacements, method, True, permuted, config, bootstrap, curves, metrics)
        gains = {
            "deletion_gain": difference(control["deletion"], areas["deletion"]),
            "insertion_gain": difference(areas["insertion"], control["insertion"]),
        }
        metrics += [bootstrap.row(method, name, gain) for name, gain in gains.items()]
    return curves, metrics


def _add_curves(
    replacements: list[Replacement],
    method: str,
    control: bool,
    importance: Array,
    config: ExplainConfig,
    bootstrap: Bootstrap,
    curves: Rows,
    metrics: Rows,
) -> dict[str, Metric]:
    """`replacements` holds one replacement a region."""
    fractions = config.curve_fractions
    change = np.sum([one.intact - one.replaced for one in replacements], axis=0)
    found = [one.curves(importance, fractions) for one in replacements]
    areas = {}
    for name in found[0]:
        above = np.sum(
            [points[name] - one.replaced[:, None] for one, points in zip(replacements, found, strict=True)], axis=0
        )
        curve = interval(ratio_metric(above, change), bootstrap.counts, bootstrap.level)
        for i, fraction in enumerate(fractions):
            values = {"score": curve.estimate[i], "low": curve.low[i], "high": curve.high[i]}
            curves.append({"method": method, "control": control, "curve": name, "fraction": fraction, **values})
        area = np.trapezoid(above, fractions, axis=1) / (fractions[-1] - fractions[0])
        areas[name] = ratio_metric(area, change)
        metrics.append(bootstrap.row(method, f"{name}_area", areas[name], control))
    return areas


def mutation_rows(
    model: nn.Module,
    batch: WindowBatch,
    hypothetical: Mapping[str, Array],
    clusters: Array,
    config: ExplainConfig,
    seed: int,
) -> Rows:
    """`mutation_correlation`: between the changes of the score that contributions foresee for single-base changes
    inside the elements and those that the model shows, Pearson's within a window, mean over windows.

    hypothetical: (N, L, 4) by method
    """
    per_window = config.mutations_per_window
    found = sample_mutations(model, batch.ids, batch.regions, per_window, seed, config.rows_per_pass)
    rng = np.random.default_rng([seed, 3])
    group = np.take_along_axis(element_groups(batch), found.position, axis=1)
    bootstrap = Bootstrap.of(clusters, config, seed)
    foreseen = [(RANDOM, True, rng.standard_normal(found.effect.shape))]
    for method, values in hypothetical.items():
        predicted = found.predicted(values)
        foreseen += [(method, False, predicted), (method, True, permuted_within(predicted, group, rng))]
    ones = np.ones(len(batch))
    return [
        bootstrap.row(method, "mutation_correlation", ratio_metric(_correlation(values, found.effect), ones), control)
        for method, control, values in foreseen
    ]


def _correlation(a: Array, b: Array) -> Array:
    """Pearson's over the last axis; 0 where one side is constant."""
    a, b = (values - values.mean(-1, keepdims=True) for values in (a, b))
    size = np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1)
    return (a * b).sum(-1) / np.where(size > 0, size, 1)


def error_row(method: str, metric: str, missed: Array, of: Array, bootstrap: Bootstrap) -> dict[str, Any]:
    """Mean size of `missed` (N,) as a share of that of `of` (N,)."""
    return bootstrap.row(method, metric, ratio_metric(np.abs(missed), np.abs(of)))
