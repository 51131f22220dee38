"""The summary at the head of the tracks report: each question with its answer in plain words."""

import re

import pandas as pd

from contactlens.reporting.blocks import Finding, Verdict
from contactlens.reporting.figure_style import plain
from contactlens.tracks.data.track_set import Driver

EstimateLowHigh = tuple[float, float, float]
RECALIBRATED = "_recalibrated"


def metric(metrics: pd.DataFrame, model: str, name: str) -> EstimateLowHigh | None:
    """Estimate, low and high of one metric of one model; None where it was not computed."""
    rows = metrics[(metrics["model"] == model) & (metrics["metric"] == name)]
    if rows.empty:
        return None
    estimate, low, high = rows[["estimate", "low", "high"]].iloc[0]
    return float(estimate), float(low), float(high)


def best_baseline(metrics: pd.DataFrame, suffix: str = "") -> str | None:
    """The baseline with the lowest NLL, as it is or, with the suffix `_recalibrated`, after recalibration."""
    rows = metrics[(metrics["metric"] == "nll") & ~metrics["model"].str.startswith("network")]
    rows = rows[rows["model"].str.endswith(RECALIBRATED) == bool(suffix)]
    return None if rows.empty else str(rows["model"].iloc[int(rows["estimate"].argmin())])


def gate_finding(seeds: pd.DataFrame, driver: Driver, shows_signal: bool) -> Finding:
    """The mean midpoint of the gate and its spread over seeds.

    shows_signal: whether opening the gate also lets the model see MS2, which pays beyond contact when states are read
    """
    midpoint, unit = seeds["gate_midpoint"], driver.unit
    detail = f"Mean of {len(seeds)} seeds, which range from {midpoint.min():.4g} to {midpoint.max():.4g} {unit}."
    detail += " It is the threshold that predicts best under its regulariser, no measured length."
    if shows_signal:
        detail += " Here the gate also decides when MS2 is seen, so it says little about contact."
    question = f"Below which {driver.name} does the gate open?"
    return Finding(question, f"{midpoint.mean():.4g} {unit}", detail)


def _difference(metrics: pd.DataFrame, suffix: str) -> tuple[str, EstimateLowHigh] | None:
    """The best baseline and the network's NLL less its own, paired by track, both as they are or both recalibrated."""
    baseline = best_baseline(metrics, suffix)
    found = metric(metrics, f"network{suffix}", f"nll_minus_{baseline}") if baseline else None
    return None if baseline is None or found is None else (baseline, found)


def nll_finding(metrics: pd.DataFrame) -> Finding | None:
    """Network against the best baseline, with the interval of the difference paired by track."""
    raw, recalibrated = _difference(metrics, ""), _difference(metrics, RECALIBRATED)
    if raw is None:
        return None
    baseline, (estimate, low, high) = raw
    verdict: Verdict = "good" if high < 0 else "bad" if low > 0 else "neutral"
    detail = (
        f"NLL per frame on test less that of the best baseline ({plain(baseline)}), paired by track: below zero is "
        f"better; 95 % interval {low:+.3f} to {high:+.3f}."
    )
    if recalibrated is not None:
        other, (estimate_r, low_r, high_r) = recalibrated
        detail += f" Both recalibrated ({plain(other)}): {estimate_r:+.4f}, interval {low_r:+.4f} to {high_r:+.4f}."
    question = "Does the network predict better than simpler models?"
    return Finding(question, f"{estimate:+.3f} nats", detail, verdict)


def coverage_finding(metrics: pd.DataFrame) -> Finding | None:
    """Coverage of the 90 % band after recalibration, beside before; good where the interval holds 0.9."""
    before = metric(metrics, "network", "coverage_90")
    after = metric(metrics, "network_recalibrated", "coverage_90")
    if before is None or after is None:
        return None
    verdict: Verdict = "good" if after[1] <= 0.9 <= after[2] else "bad"
    detail = (
        f"Share of test frames inside the 90 % band after recalibration, interval {100 * after[1]:.1f} to "
        f"{100 * after[2]:.1f} %; {100 * before[0]:.1f} % before it."
    )
    return Finding("Is its uncertainty the right size?", f"{100 * after[0]:.1f} %", detail, verdict)


def explanation_finding(faithfulness: pd.DataFrame) -> Finding | None:
    """The first method's correlation with the true kernel for what the model predicts, beside the random control's."""
    wanted = (faithfulness["metric"] == "lag_correlation") & faithfulness["output"].isin(("mean", "logit"))
    rows = faithfulness[wanted].set_index("method")["estimate"]
    methods = rows.drop(["random", "true_kernel"], errors="ignore")
    if methods.empty:
        return None
    detail = f"Correlation of the lag profile of {plain(str(methods.index[0]))} with the true response kernel"
    detail += f"; a random control gets {rows['random']:.2f}." if "random" in rows else "."
    return Finding("Does the explanation find the true response?", f"{methods.iloc[0]:.2f}", detail)


def _verdict(difference: EstimateLowHigh) -> Verdict:
    """Of a score that is better when high."""
    return "good" if difference[1] > 0 else "bad" if difference[2] < 0 else "neutral"


def _best_baseline_by(metrics: pd.DataFrame, score: str) -> tuple[str, EstimateLowHigh] | None:
    """The highest of the others in a score, as they are, and the network's less its own, paired by track."""
    rows = metrics[(metrics["metric"] == score) & ~metrics["model"].str.startswith("network")]
    rows = rows[~rows["model"].str.endswith(RECALIBRATED)]
    if rows.empty:
        return None
    baseline = str(rows["model"].iloc[int(rows["estimate"].argmax())])
    difference = metric(metrics, "network", f"{score}_minus_{baseline}")
    return None if difference is None else (baseline, difference)


def state_finding(metrics: pd.DataFrame) -> Finding | None:
    """Balanced accuracy of the decoded states, beside the best baseline's."""
    own, baseline = metric(metrics, "network", "balanced_accuracy"), _best_baseline_by(metrics, "balanced_accuracy")
    if own is None or baseline is None:
        return None
    name, (estimate, low, high) = baseline
    detail = (
        f"Balanced accuracy of the decoded promoter states, interval {own[1]:.3f} to {own[2]:.3f}; less that of the "
        f"best baseline ({plain(name)}), paired by track: {estimate:+.3f}, interval {low:+.3f} to {high:+.3f}."
    )
    question = "Does the network tell on from off better than simpler models?"
    return Finding(question, f"{own[0]:.3f}", detail, _verdict(baseline[1]))


def dwell_finding(dwell: pd.DataFrame) -> Finding | None:
    """Mean time on of the decoded states, beside the truth's."""
    times = dwell.rename(columns={"quantity": "metric"})
    own, true = metric(times, "network", "mean_on_s"), metric(times, "truth", "mean_on_s")
    if own is None or true is None:
        return None
    estimate, low, high = (seconds / 60 for seconds in own)
    exact = true[0] / 60
    detail = f"Mean time on of the decoded states, interval {low:.1f} to {high:.1f} min; the truth is {exact:.1f} min."
    verdict: Verdict = "good" if low <= exact <= high else "bad"
    return Finding("How long does the promoter stay on?", f"{estimate:.1f} min", detail, verdict)


def loading_finding(metrics: pd.DataFrame) -> Finding | None:
    """F1 of the latent ones against true loading times within the main tolerance, less that of the best of a
    deconvolution and the controls."""
    scores = [name for name in dict.fromkeys(metrics["metric"]) if re.fullmatch(r"f1_within_[\d.]+s", name)]
    if not scores:
        return None
    own, baseline = metric(metrics, "network", scores[0]), _best_baseline_by(metrics, scores[0])
    if own is None or baseline is None:
        return None
    name, (estimate, low, high) = baseline
    detail = (
        f"F1 of latent ones and true loading times within {scores[0].removeprefix('f1_within_').removesuffix('s')} s, "
        f"interval {own[1]:.3f} to {own[2]:.3f}; less that of the best of deconvolution and controls ({plain(name)}), "
        f"paired by track: {estimate:+.3f}, interval {low:+.3f} to {high:+.3f}."
    )
    return Finding(
        "Do the latent ones mark the loading of polymerases?", f"{own[0]:.3f}", detail, _verdict(baseline[1])
    )
