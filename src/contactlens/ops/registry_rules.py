"""When a model may take the champion's place: rules from params.yaml, decided from numbers alone."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

Metrics = Mapping[str, Mapping[str, Mapping[str, float | None]]]


@dataclass(frozen=True)
class PromotionRules:
    """Rules of promotion; each is checked and each outcome is kept as a sentence.

    registered_model: name in the MLflow registry
    judged: row of metrics.json that is judged, `network` or `network_recalibrated`
    must_beat: rows whose NLL must be higher
    max_coverage_error_90: largest |coverage of the 90 % band - 0.9|
    max_mace: largest mean absolute calibration error
    """

    registered_model: str
    judged: str
    must_beat: tuple[str, ...]
    max_coverage_error_90: float
    max_mace: float

    def __post_init__(self) -> None:
        if not self.registered_model or set(self.registered_model) & set("/:"):
            raise ValueError(
                f"promotion.registered_model must be a name without / and :, got {self.registered_model!r}"
            )
        for name in ("max_coverage_error_90", "max_mace"):
            if not 0 < getattr(self, name) < 1:
                raise ValueError(f"promotion.{name} must lie between 0 and 1, got {getattr(self, name)}")


@dataclass(frozen=True)
class Decision:
    """Whether to promote, and one sentence per rule."""

    promote: bool
    reasons: list[str]


def estimate(metrics: Metrics, model: str, metric: str) -> float:
    """The point estimate, NaN where metrics.json does not have it."""
    value = metrics.get(model, {}).get(metric, {}).get("estimate")
    return math.nan if value is None else float(value)


def decide(metrics: Metrics, rules: PromotionRules, champion_nll: float | None) -> Decision:
    """Check every rule. `champion_nll` is the present champion's on the same test data, None where there is
    none and NaN where it can't be scored on them.

    A number that is missing or not finite fails its rule.
    """
    nll = estimate(metrics, rules.judged, "nll")
    rivals = {name: estimate(metrics, name, "nll") for name in rules.must_beat}
    checks = [_below(f"NLL of {rules.judged}", nll, f"that of {name}", other) for name, other in rivals.items()]
    if champion_nll is not None and math.isnan(champion_nll):
        checks.append((False, "failed: the present champion can't be scored on these data; use another model name"))
    elif champion_nll is not None:
        checks.append(_below(f"NLL of {rules.judged}", nll, "the champion's on the same data", champion_nll))
    error = abs(estimate(metrics, rules.judged, "coverage_90") - 0.9)
    checks.append(_below("error of the 90 % band's coverage", error, "the limit", rules.max_coverage_error_90))
    mace = estimate(metrics, rules.judged, "mace")
    checks.append(_below("MACE", mace, "the limit", rules.max_mace))
    return Decision(all(passed for passed, _ in checks), [reason for _, reason in checks])


def _below(what: str, value: float, than: str, limit: float) -> tuple[bool, str]:
    """Whether value < limit (False for NaN), and the sentence that says so."""
    passed = value < limit
    outcome, verb = ("passed", "is below") if passed else ("failed", "is not below")
    return passed, f"{outcome}: {what}, {value:.4g}, {verb} {than}, {limit:.4g}"
