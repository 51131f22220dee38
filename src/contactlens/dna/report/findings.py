"""The summary at the head of the DNA report: each question with its answer in plain words."""

from typing import Any

import pandas as pd

from contactlens.dna.data.names import CEILING, NETWORK, RECALIBRATED
from contactlens.dna.motifs.tomtom import called_matches
from contactlens.dna.report.figures.evaluation import model_name
from contactlens.dna.report.figures.trust import conservation_frame, name_of
from contactlens.reporting.blocks import Finding, Verdict

Interval = tuple[float, float, float]
CONSERVED = 1e-3


def metric(metrics: pd.DataFrame, model: str, name: str) -> Interval | None:
    """Estimate, low and high of one metric of one model; None where it was not computed."""
    rows = metrics[(metrics["model"] == model) & (metrics["metric"] == name)]
    if rows.empty:
        return None
    estimate, low, high = rows[["estimate", "low", "high"]].iloc[0]
    return float(estimate), float(low), float(high)


def best_baseline(metrics: pd.DataFrame) -> str | None:
    """The baseline of the highest AUROC."""
    plainly = ~metrics["model"].str.startswith(NETWORK) & ~metrics["model"].str.endswith(RECALIBRATED)
    rows = metrics[plainly & (metrics["model"] != CEILING) & (metrics["metric"] == "auroc")]
    return None if rows.empty else str(rows["model"].iloc[int(rows["estimate"].argmax())])


def auroc_finding(metrics: pd.DataFrame) -> Finding | None:
    """The network's AUROC, and its lead over the best baseline on the same resamples."""
    own, baseline = metric(metrics, NETWORK, "auroc"), best_baseline(metrics)
    if own is None:
        return None
    detail = f"AUROC on the test chromosomes, interval {own[1]:.3f} to {own[2]:.3f}."
    verdict: Verdict = "neutral"
    lead = metric(metrics, NETWORK, f"auroc_minus_{baseline}")
    if lead is not None:
        verdict = "good" if lead[1] > 0 else "bad" if lead[2] < 0 else "neutral"
        detail += (
            f" Less that of the best baseline ({model_name(str(baseline))}), on the same windows: {lead[0]:+.3f}, "
            f"interval {lead[1]:+.3f} to {lead[2]:+.3f}."
        )
    ceiling = metric(metrics, CEILING, "auroc")
    if ceiling is not None:
        detail += f" The best rule that is given the true sites has {ceiling[0]:.3f}: no model can do better."
    question = "Does the network tell the labels apart better than simpler models?"
    return Finding(question, f"{own[0]:.3f}", detail, verdict)


def calibration_finding(metrics: pd.DataFrame) -> Finding | None:
    """Expected calibration error and NLL after recalibration, beside before."""
    names = [(NETWORK, "ece"), (NETWORK, "nll"), (NETWORK + RECALIBRATED, "ece"), (NETWORK + RECALIBRATED, "nll")]
    found = [metric(metrics, *name) for name in names]
    before, nll_before, after, nll_after = (None if value is None else value[0] for value in found)
    if before is None or after is None:
        return None
    detail = f"Expected calibration error after recalibration; {before:.3f} before it. It is 0 at best."
    if nll_before is not None and nll_after is not None:
        detail += f" NLL per window {nll_after:.3f} after and {nll_before:.3f} before."
    return Finding("Can its probability be taken at its word?", f"{after:.3f}", detail)


def explanation_finding(faithfulness: pd.DataFrame, method: str) -> Finding | None:
    """Where the truth is known, how well contributions find planted bases; else what replacing their bases does."""
    mine = faithfulness[faithfulness["method"] == method]
    planted, gain = (mine[mine["metric"] == name] for name in ("planted_auroc", "deletion_gain"))
    if not planted.empty:
        own, control = planted[~planted["control"]].iloc[0], planted[planted["control"]].iloc[0]
        limit, question = control["high"], "Does the explanation find the bases that were planted?"
        detail = (
            f"AUROC of the contributions by {name_of(method)} for planted bases, within windows; the same "
            f"contributions permuted within elements get {control['estimate']:.2f}."
        )
    elif not gain.empty:
        own, limit, question = gain.iloc[0], 0.0, "Does the explanation say what the model does?"
        detail = (
            f"How much more of the logit goes, on average, when bases are replaced in the order of {name_of(method)} "
            f"than in the same order permuted within elements; interval {own['low']:.2f} to {own['high']:.2f}."
        )
    else:
        return None
    verdict: Verdict = "good" if own["low"] > limit else "bad" if own["high"] < limit else "neutral"
    return Finding(question, f"{own['estimate']:.2f}", detail, verdict)


def conservation_finding(conservation: pd.DataFrame) -> Finding | None:
    """The worst window's relative gap of LRP, and what the convolutions' biases keep."""
    rows = conservation_frame(conservation)
    rows = rows[rows["method"] == "lrp"]
    if rows.empty:
        return None
    worst, share = float(rows["relative_gap"].max()), rows["convolution"].abs().sum() / rows["logit"].abs().sum()
    detail = (
        f"Largest |sum of relevance − logit| / |logit| of {len(rows)} windows, biases counted; the biases of the "
        f"convolutions keep {100 * share:.2g} % of the logit."
    )
    return Finding(
        "Is relevance conserved from logit to bases?", f"{worst:.1e}", detail, "good" if worst < CONSERVED else "bad"
    )


def _names(called: pd.DataFrame) -> str:
    return ", ".join(dict.fromkeys(called["name"].astype(str))) or "none"


def motif_finding(
    summary: dict[str, Any],
    matches: pd.DataFrame | None,
    control: pd.DataFrame | None,
    recovery: pd.DataFrame | None,
    max_q: float,
) -> Finding:
    """How many planted factors were recovered, or how many patterns have a name; or why there is none.

    A model relies on what raises its logit: patterns of negative contributions are counted apart.
    """
    question = "Which motifs does the model rely on?"
    if not summary["patterns"] or matches is None:
        return Finding(question, "none", f"{str(summary['reason']).capitalize()}.")
    best, called = matches[matches["rank"] == 1], called_matches(matches, control, max_q)
    raising, lowering = (best["pattern"].str.startswith(sign) for sign in ("pos_", "neg_"))
    positive = called[called["pattern"].str.startswith("pos_")]
    detail = (
        f"{len(positive)} of {raising.sum()} patterns that raise the logit match a known motif, with q of {max_q:g} or "
        f"less and below that of every shuffled copy: {_names(positive)}."
    )
    if lowering.any():
        negative = called[called["pattern"].str.startswith("neg_")]
        detail += f" Of {lowering.sum()} that lower it {len(negative)} do: {_names(negative)}."
    if recovery is None:
        return Finding(question, f"{len(positive)} of {raising.sum()} named", detail)
    wanted = recovery[recovery["n_sites"] > 0]
    found = int((wanted["tomtom_q"] <= max_q).sum())
    verdict: Verdict = "good" if found == len(wanted) else "neutral" if found else "bad"
    shares = zip(wanted["TF"], wanted["hit_recall"].fillna(0.0), strict=True)
    detail += (
        f" Of the planted sites hits cover {', '.join(f'{100 * share:.0f} % ({name})' for name, share in shares)}."
    )
    return Finding("Are the planted factors recovered?", f"{found} of {len(wanted)}", detail, verdict)
