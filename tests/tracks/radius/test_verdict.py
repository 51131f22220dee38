"""Each rule of the verdict with a case made for it."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from contactlens.tracks.radius.check import GroupCheck
from contactlens.tracks.radius.compare import LawRow
from contactlens.tracks.radius.config import VerdictRules
from contactlens.tracks.radius.tables import NUMBERS, evidence_content, headline_of
from contactlens.tracks.radius.verdict import Evidence, SharingTest, decide

RULES = VerdictRules()


def row(law: str, difference: float, half_width: float) -> LawRow:
    ends = difference - half_width, difference + half_width
    return LawRow(law, -1000.0 + difference, difference, *ends, difference, *ends)  # type: ignore[arg-type]


GOOD = Evidence(
    estimate=101.0,
    low=93.0,
    high=110.0,
    bound=110.0,
    resolution=55.0,
    smooth_half=55.0,
    smooth_low=50.0,
    smooth_high=60.0,
    gain_nats=300.0,
    shuffled_gain_nats=1.0,
    halves_z=0.4,
    laws=[row("none", -300, 40), row("step", 0, 0), row("gaussian", -9.0, 4.0), row("logistic", 0.2, 1.0)],
    checks=[GroupCheck("MS2 levels", 0.4, 1.0), GroupCheck("motion", 0.7, 0.8)],
    level=0.95,
    unit="nm",
    quantity="distance",
)


def test_a_radius() -> None:
    verdict = decide(GOOD, RULES)
    assert verdict.kind == "radius"
    assert verdict.sentence == (
        "The contact radius is 101 nm (95 % interval 93 to 110 nm). A smooth fall-off describes them worse."
    )


def test_a_radius_beside_a_smooth_law_as_good() -> None:
    laws = [r if r.law != "gaussian" else row("gaussian", -1.0, 4.0) for r in GOOD.laws]
    verdict = decide(replace(GOOD, laws=laws), RULES)
    assert verdict.kind == "radius" and "A smooth fall-off describes the data as well." in verdict.sentence


def test_metrics_of_a_measurement() -> None:
    p_values, errors = np.array([0.01, 0.03, 0.5, 0.9]), np.array([0.1, -0.2, 0.0, 0.3])
    calibration = SimpleNamespace(p_values=p_values, errors=errors)
    found = headline_of(GOOD, decide(GOOD, RULES), calibration, RULES)
    assert found == {
        "contact_radius": 101.0,
        "contact_radius_low": 93.0,
        "contact_radius_high": 110.0,
        "gain_over_none_nats": 300.0,
        "smooth_minus_step_nats": -9.0,
        "calibration_coverage_95": 0.75,
        "calibration_bias_log": pytest.approx(0.05),
        "checks_failed": 0.0,
    }
    nothing = replace(GOOD, gain_nats=1.0)
    assert "contact_radius" not in headline_of(nothing, decide(nothing, RULES), calibration, RULES)


def test_numbers_of_a_radius_are_left_out_where_the_verdict_gives_none() -> None:
    stated = evidence_content(GOOD, decide(GOOD, RULES))
    assert [stated[name] for name in NUMBERS] == [101.0, 93.0, 110.0, 110.0]
    for found in (
        replace(GOOD, gain_nats=1.0),
        replace(GOOD, checks=[GroupCheck("bursts", 0.001, 5.0)]),
        replace(GOOD, laws=[r if r.law != "gaussian" else row("gaussian", 12.0, 5.0) for r in GOOD.laws]),
    ):
        content = evidence_content(found, decide(found, RULES))
        assert [content[name] for name in NUMBERS] == [None] * 4
        assert content["smooth_half"] == 55.0


def test_smooth() -> None:
    laws = [r if r.law != "gaussian" else row("gaussian", 12.0, 5.0) for r in GOOD.laws]
    verdict = decide(replace(GOOD, laws=laws), RULES)
    assert verdict.kind == "smooth" and "55 nm" in verdict.sentence and "50 to 60 nm" in verdict.sentence


@pytest.mark.parametrize("low", [0.0, 20.0])
def test_an_upper_bound(low: float) -> None:
    verdict = decide(replace(GOOD, low=low, high=70.0, bound=70.0), RULES)
    assert verdict.kind == "upper bound" and "at most 70 nm" in verdict.sentence
    assert any("hide it" in remark for remark in verdict.remarks)


def test_a_radius_of_which_no_larger_one_is_excluded_is_not_told() -> None:
    verdict = decide(replace(GOOD, high=float("inf"), bound=float("inf")), RULES)
    assert verdict.kind == "not told" and "inf" not in verdict.sentence


def test_nothing() -> None:
    assert decide(replace(GOOD, gain_nats=3.0), RULES).kind == "nothing"
    assert decide(replace(GOOD, gain_nats=8.0, shuffled_gain_nats=7.0), RULES).kind == "nothing"


def test_a_model_that_fails_names_its_group() -> None:
    checks = [*GOOD.checks, GroupCheck("MS2 over the experiment", 0.01, 6.0)]
    verdict = decide(replace(GOOD, checks=checks), RULES)
    assert verdict.kind == "model fails" and "MS2 over the experiment" in verdict.sentence
    assert "101" not in verdict.sentence
    mild = [GroupCheck("MS2 levels", 0.01, 1.5)]
    assert decide(replace(GOOD, checks=mild), RULES).kind == "radius"


def test_halves_that_differ_are_said() -> None:
    verdict = decide(replace(GOOD, halves_z=5.0), RULES)
    assert any("halves" in remark for remark in verdict.remarks)


@pytest.mark.parametrize(("held_out", "compared"), [(0.0, "as well as"), (3.0, "better than"), (-3.0, "worse than")])
def test_how_well_another_law_describes_unseen_tracks_is_said_in_words(held_out: float, compared: str) -> None:
    own = replace(GOOD.laws[2], held_out=held_out, held_out_low=held_out - 1, held_out_high=held_out + 1)
    remarks = decide(replace(GOOD, laws=[GOOD.laws[0], GOOD.laws[1], own]), RULES).remarks
    assert remarks == [
        f"A gaussian law describes tracks that it was not fitted to {compared} a sharp radius"
        f" ({held_out:+.1f} nats [{held_out - 1:+.1f}, {held_out + 1:+.1f}])."
    ]


def test_groups_that_do_not_share_a_radius_get_no_joint_one() -> None:
    apart = decide(replace(GOOD, sharing=SharingTest(31.0, 0.016, 61)), RULES)
    assert apart.kind == "not shared" and "101" not in apart.sentence
    assert apart.sentence == "The groups do not share a radius and rate (p 0.016). No joint radius is given."
    together = decide(replace(GOOD, sharing=SharingTest(4.0, 0.4, 61)), RULES)
    assert together.kind == "radius" and together.sentence == decide(GOOD, RULES).sentence
    assert "gain the groups 2 nats over shared ones (p 0.4, from 61 simulated" in " ".join(together.remarks)
    dependent = decide(replace(GOOD, gain_nats=1.0, sharing=SharingTest(31.0, 0.016, 61)), RULES)
    assert dependent.kind == "nothing"
