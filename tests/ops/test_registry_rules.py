"""Promotion is a pure function of numbers: each rule alone can stop it, and says why."""

import math
from typing import Any

import pytest

from contactlens.ops.registry_rules import PromotionRules, decide

RULES = PromotionRules("tracks", "network", ("trees", "constant"), max_coverage_error_90=0.02, max_mace=0.02)


def metrics(nll: float | None = 1.0, coverage: float = 0.89, mace: float = 0.01, trees: float = 1.1) -> Any:
    row = {"nll": nll, "coverage_90": coverage, "mace": mace}
    return {
        "network": {name: {"estimate": value, "low": value, "high": value} for name, value in row.items()},
        "trees": {"nll": {"estimate": trees}},
        "constant": {"nll": {"estimate": 1.4}},
    }


@pytest.mark.parametrize("champion", [None, 1.01])
def test_a_model_that_meets_every_rule_is_promoted(champion: float | None) -> None:
    decision = decide(metrics(), RULES, champion)
    assert decision.promote
    assert len(decision.reasons) == 4 + (champion is not None)
    assert all(reason.startswith("passed: ") for reason in decision.reasons)


@pytest.mark.parametrize(
    ("values", "champion", "reason"),
    [
        ({"trees": 1.0}, None, "failed: NLL of network, 1, is not below that of trees, 1"),
        ({"trees": math.nan}, None, "failed: NLL of network, 1, is not below that of trees, nan"),
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
        ({}, math.nan, "failed: the present champion can't be scored on these data; use another model name"),
    ],
)
def test_each_rule_alone_stops_it(values: dict[str, float], champion: float | None, reason: str) -> None:
    decision = decide(metrics(**values), RULES, champion)
    assert not decision.promote
    assert [text for text in decision.reasons if text.startswith("failed")] == [reason]


def test_a_missing_number_is_never_a_pass() -> None:
    decision = decide(metrics(nll=None), RULES, 1.2)
    assert [reason.split(":")[0] for reason in decision.reasons] == ["failed"] * 3 + ["passed"] * 2
    assert not decide({}, RULES, None).promote
