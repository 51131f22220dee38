"""The summary at the head of the tracks report: each question with its answer in plain words."""

import re

import pandas as pd

from contactlens.reporting.blocks import Finding, Verdict
from contactlens.reporting.figure_style import plain
from contactlens.tracks.data.track_set import Driver

EstimateLowHigh = tuple[float, float, float]
RECALIBRATED = "_recalibrated"
OWN = ("network", "ensemble", "ceiling")  # names of the rows that are no baselines start so


def metric(metrics: pd.DataFrame, model: str, name: str) -> EstimateLowHigh | None:
    """Estimate, low and high of one metric of one model; None where it was not computed."""
    rows = metrics[(metrics["model"] == model) & (metrics["metric"] == name)]
    if rows.empty:
        return None
    estimate, low, high = rows[["estimate", "low", "high"]].iloc[0]
    return float(estimate), float(low), float(high)


def best_baseline(metrics: pd.DataFrame, served: str) -> str | None:
    """The row with the lowest NLL that what is served is compared with: of all baselines, as they are and recalibrated,
    or the recalibrated ones where it is recalibrated itself."""
    rows = metrics[(metrics["metric"] == "nll") & ~metrics["model"].str.startswith(OWN)]
    compared = set(metrics.loc[metrics["model"] == served, "metric"])
    rows = rows[[f"nll_minus_{model}" in compared for model in rows["model"]]]
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


def nll_finding(metrics: pd.DataFrame, served: str) -> Finding | None:
    """What is served against the best baseline, with the interval of the difference paired by track."""
    baseline = best_baseline(metrics, served)
    found = metric(metrics, served, f"nll_minus_{baseline}") if baseline else None
    if baseline is None or found is None:
        return None
    estimate, low, high = found
    verdict: Verdict = "good" if high < 0 else "bad" if low > 0 else "neutral"
    detail = (
        f"NLL per frame on test of the {plain(served)} less that of the best baseline ({plain(baseline)}), paired by "
        f"track: below zero is better; 95 % interval {low:+.4f} to {high:+.4f}."
    )
    question = "Does the network predict better than simpler models?"
    return Finding(question, f"{estimate:+.3f} nats", detail, verdict)


def ceiling_finding(metrics: pd.DataFrame, served: str, described: pd.DataFrame | None) -> Finding | None:
    """NLL of what is served less that of the true distribution given the driver, or why there is none to compare with.

    described: tracks, samples and reason of the ceiling; None where it was not looked for
    """
    if described is None:
        return None
    question, found = "How much more could be read from the driver?", metric(metrics, served, "nll_minus_ceiling")
    if found is None:
        return Finding(question, "Not known", f"No ceiling: {described['reason'].iloc[0]}.")
    estimate, low, high = found
    detail = (
        f"NLL per frame of the {plain(served)} less that of the ceiling, paired by track: the simulator's own signals, "
        f"drawn {described['samples'].iloc[0]} times given the measured driver of {described['tracks'].iloc[0]} test "
        f"tracks. No model of the driver can be expected below zero; 95 % interval {low:+.4f} to {high:+.4f}."
    )
    return Finding(question, f"{estimate:+.3f} nats", detail)


def coverage_finding(metrics: pd.DataFrame, served: str) -> Finding | None:
    """Coverage of the 90 % band of what is served, beside its other form; good where the interval holds 0.9."""
    raw = served.removesuffix(RECALIBRATED)
    before, after = (metric(metrics, form, "coverage_90") for form in (raw, raw + RECALIBRATED))
    if before is None or after is None:
        return None
    own, other = (before, after) if served == raw else (after, before)
    verdict: Verdict = "good" if own[1] <= 0.9 <= own[2] else "bad"
    stages = ("before", "after") if served == raw else ("after", "before")
    detail = (
        f"Share of test frames inside the 90 % band of the {plain(raw)} {stages[0]} recalibration, interval "
        f"{100 * own[1]:.1f} to {100 * own[2]:.1f} %; {100 * other[0]:.1f} % {stages[1]} it."
    )
    return Finding("Is its uncertainty the right size?", f"{100 * own[0]:.1f} %", detail, verdict)


def epistemic_finding(predictions: pd.DataFrame) -> Finding | None:
    """How much of the predicted variance lies between the seeds; None of one network."""
    if "epistemic" not in predictions:
        return None
    share = (predictions["epistemic"] ** 2).sum() / (predictions["sd"] ** 2).sum()
    detail = (
        "Share of the variance, over all test frames, that lies between the means of the seeds (epistemic); the rest is"
        " the mean of their own variances (aleatoric), which more tracks would not remove."
    )
    return Finding("How unsure is it of itself?", f"{100 * share:.1f} %", detail)


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
    """Mean time on that the network's posterior expects, beside the truth's."""
    times = dwell.rename(columns={"quantity": "metric"})
    own, true = metric(times, "network", "mean_on_s"), metric(times, "truth", "mean_on_s")
    if own is None or true is None:
        return None
    estimate, low, high = (seconds / 60 for seconds in own)
    exact = true[0] / 60
    detail = f"Expected mean time on, interval {low:.1f} to {high:.1f} min; the truth is {exact:.1f} min."
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
