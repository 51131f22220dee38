"""Promotion is a pure function of numbers: each rule alone can stop it, and says why."""

import math
from dataclasses import replace
from typing import Any

import pytest

from contactlens.ops.registry.rules import (
    ClassifierRules,
    Difference,
    LoadingRules,
    NotComparable,
    PromotionRules,
)

RULES = PromotionRules(
    "tracks", "network", ("trees", "constant"), max_coverage_error_90=0.02, max_mace=0.02, min_groups=4, score="nll"
)
WHY = "its score is not finite"


def metrics(nll: float | None = 1.0, coverage: float = 0.89, mace: float = 0.01, trees: float | None = -0.02) -> Any:
    """trees: the upper end of the network's NLL less that of the trees."""
    row = {"nll": nll, "coverage_90": coverage, "mace": mace}
    own = {name: {"estimate": value, "low": value, "high": value} for name, value in row.items()}
    own |= {
        "nll_minus_trees": {"estimate": -0.1, "low": -0.2, "high": trees},
        "nll_minus_constant": {"estimate": -0.4, "low": -0.5, "high": -0.3},
    }
    return {"network": own, "trees": {"nll": {"estimate": 1.1}}, "constant": {"nll": {"estimate": 1.4}}}


@pytest.mark.parametrize("champion", [None, 1.01])
def test_a_model_that_meets_every_rule_is_promoted(champion: float | None) -> None:
    decision = RULES.decide(metrics(), champion)
    assert decision.promote
    assert len(decision.reasons) == 4 + (champion is not None)
    assert all(reason.startswith("passed: ") for reason in decision.reasons)


@pytest.mark.parametrize(
    ("values", "champion", "reason"),
    [
        (
            {"trees": 0.0},
            None,
            "failed: NLL of network less that of trees, -0.1000 [-0.2000, 0.0000], does not lie below 0",
        ),
        (
            {"trees": 0.01},
            None,
            "failed: NLL of network less that of trees, -0.1000 [-0.2000, 0.0100], does not lie below 0",
        ),
        (
            {"trees": math.nan},
            None,
            "failed: NLL of network less that of trees, -0.1000 [-0.2000, nan], does not lie below 0",
        ),
        (
            {"trees": None},
            None,
            "failed: NLL of network less that of trees, -0.1000 [-0.2000, nan], does not lie below 0",
        ),
        (
            {"coverage": 0.93},
            None,
            "failed: error of the 90 % band's coverage, 0.03, is not below the limit, 0.02",
        ),
        (
            {"coverage": 0.87},
            None,
            "failed: error of the 90 % band's coverage, 0.03, is not below the limit, 0.02",
        ),
        ({"mace": 0.05}, None, "failed: MACE, 0.05, is not below the limit, 0.02"),
        ({}, 0.9, "failed: NLL of network, 1, is not below the champion's on the same data, 0.9"),
        ({}, 1.0, "failed: NLL of network, 1, is not below the champion's on the same data, 1"),
        ({}, math.nan, f"failed: the present champion can't be scored on these data: {WHY}; use another model name"),
    ],
)
def test_each_rule_alone_stops_it(values: dict[str, float], champion: float | None, reason: str) -> None:
    decision = RULES.decide(metrics(**values), champion)
    assert not decision.promote
    assert [text for text in decision.reasons if text.startswith("failed")] == [reason]


def test_a_missing_number_is_never_a_pass() -> None:
    decision = RULES.decide(metrics(nll=None), 1.2)
    assert [reason.split(":")[0] for reason in decision.reasons] == ["passed"] * 2 + ["failed"] + ["passed"] * 2
    assert not RULES.decide({}, None).promote
    assert all(reason.startswith("failed") for reason in RULES.decide({}, None).reasons)


LEAD = "AUROC of network_recalibrated less that of cnn"
CLASSIFIER = ClassifierRules("dna", "network_recalibrated", ("distance", "cnn"), min_auroc=0.8, max_ece=0.1)


def scores(auroc: float | None = 0.9, ece: float | None = 0.05, cnn: float | None = 0.02) -> Any:
    """cnn: the lower end of the network's AUROC less that of the CNN."""
    own = {
        "auroc": {"estimate": auroc, "low": 0.1, "high": 1.0},
        "ece": {"estimate": ece},
        "auroc_minus_distance": {"estimate": 0.4, "low": 0.3, "high": 0.5},
        "auroc_minus_cnn": {"estimate": 0.05, "low": cnn, "high": 0.08},
    }
    return {"network_recalibrated": own}


@pytest.mark.parametrize("champion", [None, 0.9, 0.2])
def test_a_classifier_that_meets_every_rule_and_equals_the_champion_is_promoted(champion: float | None) -> None:
    decision = CLASSIFIER.decide(scores(), champion)
    assert decision.promote
    assert len(decision.reasons) == 4 + (champion is not None)
    assert all(reason.startswith("passed: ") for reason in decision.reasons)


@pytest.mark.parametrize(
    ("values", "champion", "reason"),
    [
        ({"cnn": 0.0}, None, f"failed: {LEAD}, 0.0500 [0.0000, 0.0800], does not lie above 0"),
        ({"cnn": -0.01}, None, f"failed: {LEAD}, 0.0500 [-0.0100, 0.0800], does not lie above 0"),
        ({"cnn": math.inf}, None, f"failed: {LEAD}, 0.0500 [nan, 0.0800], does not lie above 0"),
        ({"cnn": None}, None, f"failed: {LEAD}, 0.0500 [nan, 0.0800], does not lie above 0"),
        (
            {"auroc": 0.8},
            None,
            "failed: AUROC of network_recalibrated, 0.8, is not above the limit, 0.8",
        ),
        ({"ece": 0.1}, None, "failed: ECE of network_recalibrated, 0.1, is not below the limit, 0.1"),
        ({"ece": -math.inf}, None, "failed: ECE of network_recalibrated, nan, is not below the limit, 0.1"),
        (
            {},
            0.91,
            "failed: AUROC of network_recalibrated, 0.9, is not at least the champion's on the same data, 0.91",
        ),
        ({}, math.nan, f"failed: the present champion can't be scored on these data: {WHY}; use another model name"),
        ({}, math.inf, f"failed: the present champion can't be scored on these data: {WHY}; use another model name"),
    ],
)
def test_each_rule_alone_stops_a_classifier(values: Any, champion: float | None, reason: str) -> None:
    decision = CLASSIFIER.decide(scores(**values), champion)
    assert not decision.promote
    assert [text for text in decision.reasons if text.startswith("failed")] == [reason]


@pytest.mark.parametrize("auroc", [None, math.nan, math.inf, -math.inf])
def test_an_auroc_that_is_no_number_fails_every_rule_on_it(auroc: float | None) -> None:
    decision = CLASSIFIER.decide(scores(auroc=auroc), 0.1)
    assert [reason.split(":")[0] for reason in decision.reasons] == ["passed"] * 2 + ["failed"] * 2 + ["passed"]
    assert not CLASSIFIER.decide({}, None).promote


@pytest.mark.parametrize(
    ("field", "value"),
    [("min_auroc", 1.0), ("min_auroc", -0.1), ("max_ece", 0.0), ("max_ece", 1.1), ("registered_model", "a/b")],
)
def test_nonsense_rules_are_refused(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"{field} must"):
        replace(CLASSIFIER, **{field: value})


LOADING = LoadingRules("polymerases", "network_recalibrated", ("deconvolution_gated", "random"))


def f1_scores(low: float | None = 0.001) -> Any:
    """low: the lower end of the network's F1 less that of the gated deconvolution."""
    own = {
        "f1_within_30s": {"estimate": 0.95, "low": 0.94, "high": 0.96},
        "f1_within_15s": {"estimate": 0.8, "low": 0.7, "high": 0.9},
        "f1_within_30s_minus_deconvolution_gated": {"estimate": 0.002, "low": low, "high": 0.003},
        "f1_within_30s_minus_random": {"estimate": 0.7, "low": 0.6, "high": 0.8},
    }
    return {"network": own, "network_recalibrated": {"nll": {"estimate": -9.0, "low": -9.0, "high": -9.0}}}


def test_latents_are_promoted_by_their_loading_times_at_the_main_tolerance() -> None:
    decision = LOADING.decide(f1_scores(), 0.95)
    assert decision.promote
    first = "passed: F1 of network less that of deconvolution_gated, 0.0020 [0.0010, 0.0030], lies above 0"
    assert decision.reasons[0] == first
    assert (
        decision.reasons[-1] == "passed: F1 of loading times, 0.95, is at least the champion's on the same data, 0.95"
    )
    assert not LOADING.decide(f1_scores(), 0.951).promote


@pytest.mark.parametrize("low", [0.0, -0.01, math.nan, None])
def test_latents_that_only_tie_with_a_deconvolution_are_not_promoted(low: float | None) -> None:
    decision = LOADING.decide(f1_scores(low), None)
    assert [reason.split(":")[0] for reason in decision.reasons] == ["failed", "passed"]


def test_latents_whose_loading_times_are_not_known_are_not_promoted() -> None:
    decision = LOADING.decide({"network": {"nll": {"estimate": -9.0}}}, None)
    assert not decision.promote
    assert decision.reasons[0] == "failed: the true loading times are not known"


@pytest.mark.parametrize(
    ("beside", "promoted", "reason"),
    [
        (
            Difference(-0.02, -0.03, -0.01),
            True,
            "passed: NLL of network less the champion's on the same data, -0.0200 [-0.0300, -0.0100], lies below 0",
        ),
        (
            Difference(-0.02, -0.05, 0.0),
            False,
            "failed: NLL of network less the champion's on the same data, -0.0200 [-0.0500, 0.0000], "
            "does not lie below 0",
        ),
        (
            Difference(math.nan, math.nan, math.nan),
            False,
            "failed: NLL of network less the champion's on the same data, nan [nan, nan], does not lie below 0",
        ),
        (
            NotComparable("its frames are 30 s apart, not 20 s"),
            False,
            "failed: the present champion can't be scored on these data: its frames are 30 s apart, not 20 s; use "
            "another model name",
        ),
    ],
)
def test_a_signal_is_better_than_the_champion_s_by_a_whole_interval(beside: Any, promoted: bool, reason: str) -> None:
    decision = RULES.decide(metrics(), beside)
    assert decision.promote is promoted and reason in decision.reasons


@pytest.mark.parametrize(("groups", "promoted"), [(3, False), (4, True), (None, True)])
def test_intervals_over_too_few_groups_are_no_evidence(groups: int | None, promoted: bool) -> None:
    known = metrics() if groups is None else {**metrics(), "test_split": {"groups": {"estimate": groups}}}
    decision = RULES.decide(known, None)
    assert decision.promote is promoted
    assert ("the intervals are over 3 groups, fewer than 4" in " ".join(decision.reasons)) is not promoted


def test_a_cross_validation_is_the_evidence_where_there_is_one() -> None:
    good, bad = metrics(), metrics(trees=0.01)
    few = {"test_split": {"groups": {"estimate": 2}}, "cross_validation": {"groups": {"estimate": 9}}}
    better = RULES.decide({**bad, **few, "network_cross_validated": good["network"]}, None)
    assert better.promote and "NLL of network_cross_validated less that of trees" in better.reasons[0]
    assert not RULES.decide({**good, **few, "network_cross_validated": bad["network"]}, None).promote
