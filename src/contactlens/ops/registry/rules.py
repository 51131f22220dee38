"""When a model may take the champion's place: rules from params.yaml, decided from numbers alone."""

import math
import operator
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Protocol

from contactlens.base.settings import Field, OpenUnit, PositiveInt, settings

ModelName = Annotated[str, Field(pattern="^[^/:]+$")]
Metrics = Mapping[str, Mapping[str, Mapping[str, float | None]]]
Check = tuple[bool, str]
TEST_SPLIT, CROSS_VALIDATION = "test_split", "cross_validation"  # what metrics.json says `groups` of
CROSS_VALIDATED = "_cross_validated"  # rows of the cross-validation
RELATIONS = {"below": operator.lt, "above": operator.gt, "at least": operator.ge}
Evaluated = Literal["network", "network_recalibrated"]
EvaluatedSignal = Literal["network", "network_recalibrated", "ensemble", "ensemble_recalibrated"]
Score = Literal["nll", "crps"]
LATENTS = "network"  # row of metrics.json that their loading times are in: recalibration leaves these
LOADING_SCORE = re.compile(r"f1_within_[\d.]+s")  # the main tolerance comes first
Relation = Literal["below", "above", "at least"]


class Difference(NamedTuple):
    """The candidate's score less the champion's on the same test data, with its interval."""

    estimate: float
    low: float
    high: float


class NotComparable(NamedTuple):
    """Why the champion can't be scored on the candidate's test data."""

    reason: str


# The champion beside the candidate: its own score, or the paired difference to it, or why there is none.
Beside = float | Difference | NotComparable


@dataclass(frozen=True)
class Decision:
    """Whether to promote, and one sentence per rule."""

    promote: bool
    reasons: list[str]


class Rules(Protocol):
    """What the registry needs of rules, which are a dataclass.

    registered_model: name in the MLflow registry
    evaluated: row of metrics.json that is evaluated
    """

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def registered_model(self) -> str: ...

    @property
    def evaluated(self) -> str: ...

    def decide(self, metrics: Metrics, champion: Beside | None) -> Decision:
        """Check every rule. `champion` is the present champion on the same test data, None where there is none. A
        number that is missing or not finite fails its rule.
        """
        ...


@settings
class PromotionRules:
    """Rules of promotion for predicted signals. Where they were cross-validated, that is the evidence beside baselines.

    registered_model: name in the MLflow registry
    evaluated: row of metrics.json that is evaluated: `network` or `ensemble`, as it is or `_recalibrated`
    must_beat: rows whose score must be higher: the interval of the difference, paired by track, must lie below 0
    max_coverage_error_90: largest |coverage of the 90 % band - 0.9|
    max_mace: largest mean absolute calibration error
    min_groups: groups (embryos, experiments) that the intervals must at least be over, where the tracks have groups
    score: what is compared, also with a champion. The NLL of a distribution with an atom can't be compared with that of
        a density (see `heads.hurdle`); the CRPS can
    """

    registered_model: ModelName
    evaluated: EvaluatedSignal
    must_beat: tuple[str, ...]
    max_coverage_error_90: OpenUnit
    max_mace: OpenUnit
    min_groups: PositiveInt
    score: Score

    def decide(self, metrics: Metrics, champion: Beside | None) -> Decision:
        """See `Rules.decide`."""
        what, score = f"{self.score.upper()} of {self.evaluated}", estimate(metrics, self.evaluated, self.score)
        cross_validated = self.evaluated + CROSS_VALIDATED
        known = cross_validated in metrics
        evidence, split = (cross_validated, CROSS_VALIDATION) if known else (self.evaluated, TEST_SPLIT)
        checks = _groups_check(metrics, split, self.min_groups) if self.must_beat else []
        checks += [_paired_check(metrics, evidence, self.score, name) for name in self.must_beat]
        checks += _beside_champion(what, score, "below", champion)
        error = abs(estimate(metrics, evidence, "coverage_90") - 0.9)
        checks.append(
            _check("error of the 90 % band's coverage", error, "below", "the limit", self.max_coverage_error_90)
        )
        checks.append(_check("MACE", estimate(metrics, evidence, "mace"), "below", "the limit", self.max_mace))
        return _decision(checks)


@settings
class ClassifierRules:
    """Rules of promotion for predicted probabilities; a champion's score is its AUROC, which may be equalled.

    registered_model: name in the MLflow registry
    evaluated: row of metrics.json that is evaluated, `network` or `network_recalibrated`
    must_beat: rows whose AUROC must be lower: the interval of the difference, paired by window or track, must lie above
        0; rows that were recalibrated as the evaluated one was
    min_auroc: AUROC that must be exceeded
    max_ece: largest expected calibration error
    """

    registered_model: ModelName
    evaluated: Evaluated
    must_beat: tuple[str, ...]
    min_auroc: Annotated[float, Field(ge=0, lt=1)]
    max_ece: Annotated[float, Field(gt=0, le=1)]

    def decide(self, metrics: Metrics, champion: Beside | None) -> Decision:
        """See `Rules.decide`."""
        what, auroc = f"AUROC of {self.evaluated}", estimate(metrics, self.evaluated, "auroc")
        checks = [_paired_check(metrics, self.evaluated, "auroc", name, above=True) for name in self.must_beat]
        checks.append(_check(what, auroc, "above", "the limit", self.min_auroc))
        checks += _beside_champion(what, auroc, "at least", champion)
        ece = estimate(metrics, self.evaluated, "ece")
        checks.append(_check(f"ECE of {self.evaluated}", ece, "below", "the limit", self.max_ece))
        return _decision(checks)


@settings
class LoadingRules:
    """Rules of promotion for binary latents, by the F1 of the loading times that they mark, within the main tolerance
    of `evaluate_loading`. Tracks whose loading times are not known promote none.

    registered_model: name in the MLflow registry
    evaluated: row of metrics.json of the reconstruction that is served
    must_beat: rows whose F1 must be lower: the interval of the difference, paired by track, must lie above 0
    """

    registered_model: ModelName
    evaluated: Evaluated
    must_beat: tuple[str, ...]

    def decide(self, metrics: Metrics, champion: Beside | None) -> Decision:
        """See `Rules.decide`; a champion's F1 may be equalled."""
        known = metrics.get(LATENTS, {})
        score = next((name for name in known if LOADING_SCORE.fullmatch(name)), "f1")
        f1 = estimate(metrics, LATENTS, score)
        checks: list[Check] = [] if math.isfinite(f1) else [(False, "failed: the true loading times are not known")]
        checks += [_paired_check(metrics, LATENTS, score, name, above=True) for name in self.must_beat]
        return _decision(checks + _beside_champion("F1 of loading times", f1, "at least", champion))


def single_form(evaluated: EvaluatedSignal) -> EvaluatedSignal:
    """The same form of one network."""
    return "network" if evaluated in ("network", "ensemble") else "network_recalibrated"


def estimate(metrics: Metrics, model: str, metric: str, end: str = "estimate") -> float:
    """The point estimate, or the `low` or `high` end, NaN where metrics.json does not have it or it is not finite."""
    value = metrics.get(model, {}).get(metric, {}).get(end)
    return math.nan if value is None or not math.isfinite(value) else float(value)


def _decision(checks: list[Check]) -> Decision:
    return Decision(all(passed for passed, _ in checks), [reason for _, reason in checks])


def _beside_champion(what: str, value: float, relation: Relation, champion: Beside | None) -> list[Check]:
    """A paired difference must have its whole interval on the right side of 0; a score alone is compared as it is."""
    if champion is None:
        return []
    if isinstance(champion, float | int) and not math.isfinite(champion):
        champion = NotComparable("its score is not finite")
    if isinstance(champion, NotComparable):
        reason = f"the present champion can't be scored on these data: {champion.reason}; use another model name"
        return [(False, f"failed: {reason}")]
    if isinstance(champion, Difference):
        return [_interval_check(f"{what} less the champion's on the same data", champion, relation == "above")]
    return [_check(what, value, relation, "the champion's on the same data", champion)]


def _paired_check(metrics: Metrics, model: str, score: str, baseline: str, above: bool = False) -> Check:
    ends = (estimate(metrics, model, f"{score}_minus_{baseline}", end) for end in ("estimate", "low", "high"))
    name = score.upper().split("_")[0]
    return _interval_check(f"{name} of {model} less that of {baseline}", Difference(*ends), above)


def _interval_check(what: str, found: Difference, above: bool = False) -> Check:
    """Whether the whole interval lies below 0, or above (never for NaN), and the sentence that says so."""
    passed = found.low > 0 if above else found.high < 0
    outcome, verb = ("passed", "lies") if passed else ("failed", "does not lie")
    interval = f"{found.estimate:.4f} [{found.low:.4f}, {found.high:.4f}]"
    return passed, f"{outcome}: {what}, {interval}, {verb} {'above' if above else 'below'} 0"


def _groups_check(metrics: Metrics, split: str, least: int) -> list[Check]:
    """Whether the intervals are over enough groups; nothing where the tracks have none."""
    groups = estimate(metrics, split, "groups")
    if math.isnan(groups) or groups >= least:
        return []
    found = f"failed: the intervals are over {groups:g} groups, fewer than {least}"
    return [(False, f"{found}: set tracks.cross_validation: group, or give more of them")]


def _check(what: str, value: float, relation: Relation, than: str, limit: float) -> Check:
    """Whether the relation holds (never for NaN), and the sentence that says so."""
    passed = RELATIONS[relation](value, limit)
    outcome, verb = ("passed", f"is {relation}") if passed else ("failed", f"is not {relation}")
    return passed, f"{outcome}: {what}, {value:.4g}, {verb} {than}, {limit:.4g}"
