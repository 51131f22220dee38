"""The summary at the head of the tracks report: each question with its answer in plain words."""

from collections.abc import Sequence

import pandas as pd

from contactlens.report_blocks import Finding, Verdict
from contactlens.tracks.figures.style import plain
from contactlens.tracks.track_set import Driver

Interval = tuple[float, float, float]


def metric(metrics: pd.DataFrame, model: str, name: str) -> Interval | None:
    """Estimate, low and high of one metric of one model; None where it was not computed."""
    rows = metrics[(metrics["model"] == model) & (metrics["metric"] == name)]
    if rows.empty:
        return None
    estimate, low, high = rows[["estimate", "low", "high"]].iloc[0]
    return float(estimate), float(low), float(high)


def best_baseline(metrics: pd.DataFrame, name: str = "nll") -> str | None:
    """The model other than the network with the lowest `name`."""
    rows = metrics[(metrics["metric"] == name) & ~metrics["model"].str.startswith("network")]
    return None if rows.empty else str(rows["model"].iloc[int(rows["estimate"].argmin())])


def radius_finding(seeds: pd.DataFrame, driver: Driver, true_radius: float | None) -> Finding:
    """The mean learned radius, its spread over seeds and, where it is known, the truth."""
    radius, unit = seeds["radius"], driver.unit
    detail = f"Mean of {len(seeds)} seeds, which range from {radius.min():.4g} to {radius.max():.4g} {unit}."
    if true_radius is not None:
        detail += f" The truth is {true_radius:.4g} {unit} ({radius.mean() / true_radius - 1:+.0%})."
    detail += " It is the threshold that predicts best, which need not be the physical one."
    question = f"Below which {driver.name} does the gate open?"
    return Finding(question, f"{radius.mean():.4g} {unit}", detail)


def nll_finding(metrics: pd.DataFrame) -> Finding | None:
    """Network against the best baseline; the interval is the widest that the models' own intervals allow."""
    baseline = best_baseline(metrics)
    network = metric(metrics, "network", "nll")
    other = metric(metrics, baseline, "nll") if baseline else None
    if network is None or other is None:
        return None
    low, high = network[1] - other[2], network[2] - other[1]
    verdict: Verdict = "good" if high < 0 else "bad" if low > 0 else "neutral"
    detail = (
        f"Difference in NLL per frame on test: {network[0]:.3f} against {other[0]:.3f} of the best baseline "
        f"({plain(str(baseline))}); below zero is better. It lies between {low:+.3f} and {high:+.3f} if the "
        "ends of both 95 % intervals are taken at their worst."
    )
    question = "Does the network predict better than simpler models?"
    return Finding(question, f"{network[0] - other[0]:+.3f} nats", detail, verdict)


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
    """The first method's correlation with the true kernel, beside the random control's."""
    wanted = (faithfulness["metric"] == "lag_correlation") & (faithfulness["output"] == "mean")
    rows = faithfulness[wanted].set_index("method")["estimate"]
    methods = rows.drop(["random", "true_kernel"], errors="ignore")
    if methods.empty:
        return None
    detail = f"Correlation of the lag profile of {plain(str(methods.index[0]))} with the true response kernel"
    detail += f"; a random control gets {rows['random']:.2f}." if "random" in rows else "."
    return Finding("Does the explanation find the true response?", f"{methods.iloc[0]:.2f}", detail)


def promotion_finding(reasons: Sequence[str]) -> Finding:
    """Whether every rule was passed, and if not, which were not. reasons: one or more."""
    failed = [reason.removeprefix("failed: ") for reason in reasons if reason.startswith("failed")]
    question = "Does the model pass the promotion rules?"
    if failed:
        return Finding(question, f"fails {len(failed)} of {len(reasons)}", f"{'; '.join(failed)}.", "bad")
    return Finding(question, f"passes all {len(reasons)}", "Each is listed under Promotion.", "good")
