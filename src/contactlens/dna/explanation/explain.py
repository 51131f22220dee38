"""Explain a window classifier: contributions of all bases of its confident positives, and how far to trust them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import torch
from torch import nn

from contactlens.attribution.centring import centred
from contactlens.base.errors import InputError
from contactlens.base.progress import counted
from contactlens.dna.data.batch import WindowBatch, Windows, stored
from contactlens.dna.data.clusters import window_clusters
from contactlens.dna.data.window_set import WindowSet
from contactlens.dna.explanation.attributions import Attributions
from contactlens.dna.explanation.base_faithfulness import (
    RANDOM,
    Bootstrap,
    Planted,
    Rows,
    curve_rows,
    error_row,
    mutation_rows,
    overlap_rows,
)
from contactlens.dna.explanation.believed import believed_parts
from contactlens.dna.explanation.checks import best_first, check_methods, merged, refusals
from contactlens.dna.explanation.config import ExplainConfig
from contactlens.dna.explanation.methods import FLOAT32, YARDSTICK, AttributionSettings
from contactlens.dna.explanation.methods.lrp import RULES, relevance
from contactlens.dna.explanation.parts import AttributionParts, Runner, attributed, in_turn, scored
from contactlens.dna.explanation.references import reference_table

GRADIENT = "input_x_gradient"


@dataclass(frozen=True)
class Explanation:
    """What is stored of an explanation.

    attributions: by stored method, of every explained window, the most probable first; in files
    faithfulness: method, metric, estimate, low, high, control, n_windows
    curves: method, control, curve (deletion, insertion), fraction, score, low, high
    conservation: window_id, method (lrp, lrp_without_<rule>, input_x_gradient), logit, tokens, convolution, norm,
        head (shares of bases and of biases), total, gap (total - logit)
    references: `reference_table` of the windows that methods were compared on
    method_checks: `check_methods` of them, and of all windows for stored methods, the best first
    """

    attributions: dict[str, AttributionParts]
    faithfulness: pd.DataFrame
    curves: pd.DataFrame
    conservation: pd.DataFrame
    references: pd.DataFrame
    method_checks: pd.DataFrame


def explain_windows(
    model: nn.Module,
    windows: WindowSet,
    window_ids: Sequence[str],
    config: ExplainConfig,
    seed: int,
    kept: Path | None = None,
    run: Runner = in_turn,
) -> Explanation:
    """Explain `model` (in evaluation mode) on the most probable positives of the named windows.

    Windows are read, and stored contributions made, part by part.
    kept: folder of the parts, from which a run that was killed goes on; a temporary one where None
    run: who calls the work on each part of what is stored

    Raises InputError where none of them is positive.
    """
    if not len(window_ids):
        raise InputError(f"{windows.source}: no windows to explain")
    shown, settings = stored(windows, window_ids), settings_of(config)
    logits = scored(model, shown, settings)
    chosen = confident(logits, shown.label.numpy() > 0.5, config)
    if not len(chosen):
        raise InputError(f"{windows.source}: none of the {len(logits)} windows to explain is labelled positive")
    if len(chosen) < config.min_windows:
        print(f"{len(chosen)} windows are labelled positive, fewer than dna.explain.min_windows = {config.min_windows}")
    everywhere = logits
    shown, logits = shown.select(chosen.tolist()), logits[chosen]
    faithfulness, curves, conservation, references = compare_methods(model, windows, shown, logits, config, seed)
    order = best_first(config.methods, faithfulness)
    checks = check_methods(order, references, everywhere, config.max_completeness_error)
    for sentence in refusals(checks):
        print(sentence)
    found = {}
    home = TemporaryDirectory() if kept is None else None
    folder = Path(home.name) if home is not None else Path(kept or "")
    for wanted in config.stored:
        used = believed_parts(model, [shown], wanted, settings, config.max_completeness_error, folder, checks, run)
        found[used.method] = replace(used.attributions[0], home=home)
        checks = merged(checks, used.checks)
    return Explanation(found, faithfulness, curves, conservation, references, checks)


def settings_of(config: ExplainConfig) -> AttributionSettings:
    return AttributionSettings(config.ig_steps, config.rows_per_pass, config.reference_shuffles, config.precision)


def centred_actual(found: Attributions) -> np.ndarray:
    """Contributions (N, L) of the bases that are there, less the mean of the four: all methods are evaluated alike, as
    motif discovery sees them."""
    return (centred(found.hypothetical) * found.one_hot).sum(axis=-1)


def confident(logits: np.ndarray, positive: np.ndarray, config: ExplainConfig) -> np.ndarray:
    """Rows to explain of `logits` (N,), those of positive windows (N,) bool alone, the highest first.

    What a network says of windows that it takes for positives by mistake explains its mistakes.
    """
    rows = np.flatnonzero(positive)
    order = rows[np.argsort(-logits[rows], kind="stable")]
    limit = np.log(config.min_probability / (1 - config.min_probability))
    n = max(int((logits[rows] >= limit).sum()), config.min_windows)
    if n > config.max_windows:
        print(f"of {n:,} confident positives dna.explain.max_windows = {config.max_windows:,} are explained")
    return order[: min(n, config.max_windows)]


def compare_methods(
    model: nn.Module, windows: WindowSet, shown: Windows, logits: np.ndarray, config: ExplainConfig, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """`faithfulness`, `curves`, `conservation` and `references` of every method on some windows, drawn at random;
    mutagenesis, which costs most, on fewer of them, the first drawn."""
    first_drawn = np.random.default_rng(seed).permutation(len(shown))[: config.faithfulness_windows]
    drawn = np.sort(first_drawn)
    clusters = window_clusters(windows.select(shown.window_ids))[drawn]
    few = shown.read(drawn.tolist()).to(next(model.parameters()).device)
    settings = replace(settings_of(config), precision=FLOAT32)
    rows: Rows = []
    curves: Rows = []
    tables = []
    others = [method for method in config.methods if method != YARDSTICK]
    fewer = np.sort(np.searchsorted(drawn, first_drawn[: config.mutagenesis_windows]))
    for methods, of in ((others, np.arange(len(few))), ([YARDSTICK], fewer)):
        part, own = few.select(of.tolist()), logits[drawn][of]
        found = {
            method: attributed(model, part, own, method, settings) for method in methods if method in config.methods
        }
        if not found:
            continue
        references = reference_table(model, part, found, settings)
        points, metrics = _faithfulness(model, windows, part, found, references, clusters[of], config, seed)
        curves += [row for row in points if row["method"] != RANDOM or methods is others]
        rows += [row for row in metrics if row["method"] != RANDOM or methods is others]
        tables.append(references)
    conservation = conservation_table(model, few, config.rows_per_pass)
    rows += _conservation_rows(conservation, Bootstrap.of(clusters, config, seed))
    return pd.DataFrame(rows), pd.DataFrame(curves), conservation, pd.concat(tables, ignore_index=True)


def _faithfulness(
    model: nn.Module,
    windows: WindowSet,
    batch: WindowBatch,
    found: dict[str, Attributions],
    references: pd.DataFrame,
    clusters: np.ndarray,
    config: ExplainConfig,
    seed: int,
) -> tuple[Rows, Rows]:
    """Curves, and every metric."""
    hypothetical = {method: one.hypothetical for method, one in found.items()}
    contributions = {method: centred_actual(one) for method, one in found.items()}
    planted = Planted.of(windows, batch.window_ids)
    overlaps = [] if planted is None else overlap_rows(batch, contributions, planted, clusters, config, seed)
    curves, metrics = curve_rows(model, batch, contributions, clusters, config, seed)
    metrics += mutation_rows(model, batch, hypothetical, clusters, config, seed)
    bootstrap = Bootstrap.of(clusters, config, seed)
    for method, rows in references.groupby("method", sort=False):
        missed, change = rows["missed"].to_numpy(), rows["change"].to_numpy()
        metrics.append(error_row(str(method), "completeness_error", missed, change, bootstrap))
    return curves, overlaps + metrics


def conservation_table(model: nn.Module, batch: WindowBatch, rows_per_pass: int) -> pd.DataFrame:
    """Where relevance goes, by LRP, by LRP without each of its rules, and by the plain gradient: see `Explanation`."""
    variants: dict[str, tuple[str, ...]] = {"lrp": RULES}
    variants |= {f"lrp_without_{one}": tuple(rule for rule in RULES if rule != one) for one in RULES}
    variants[GRADIENT] = ()
    parts = []
    for method, rules in counted(variants.items(), "rules of relevance"):
        for rows in torch.arange(len(batch)).split(rows_per_pass):
            part = batch.select(rows)
            found = relevance(model, part.ids, part.regions, rules)
            shares = {"logit": found.score, "tokens": found.tokens.sum(-1), **found.absorbed, "total": found.total}
            values = {name: value.double().cpu().numpy() for name, value in shares.items() if name != "mask"}
            parts.append(pd.DataFrame({"window_id": part.window_ids, "method": method, **values}))
    frame = pd.concat(parts, ignore_index=True)
    return frame.assign(gap=frame["total"] - frame["logit"])


def _conservation_rows(conservation: pd.DataFrame, bootstrap: Bootstrap) -> Rows:
    """What is lost or made up, and for LRP what biases absorb, as shares of the logit."""
    rows: Rows = []
    for method in ("lrp", GRADIENT):
        found = conservation[conservation["method"] == method]
        logit = found["logit"].to_numpy()
        rows.append(error_row(method, "conservation_error", found["gap"].to_numpy(), logit, bootstrap))
        if method == "lrp":
            shares = {kind: found[kind].to_numpy() for kind in ("convolution", "norm", "head") if found[kind].any()}
            rows += [error_row(method, f"{kind}_bias_share", share, logit, bootstrap) for kind, share in shares.items()]
    return rows
