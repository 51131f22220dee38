"""The first screen of the tracks report says what the verdict says, with its doubts, and no more."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import report_samples as samples

from contactlens.base.files import write_json
from contactlens.reporting.tables import promotion_sentence
from contactlens.tracks.report.headline import radius_answer, tracks_headline
from contactlens.tracks.report.inputs import ReportInputs

RADIUS: dict[str, Any] = {
    "verdict": "radius",
    "unit": "nm",
    "level": 0.95,
    "estimate": 97.11,
    "low": 89.7,
    "high": 104.06,
    "bound": 104.06,
    "smooth_half": 46.96,
    "sentence": "The contact radius is 97.1 nm (95 % interval 89.7 to 104 nm). A smooth law fits too.",
    "remarks": ["Two halves differ by 3.1 standard errors."],
}
ANSWERS = {
    "radius": "Yes: 97.1 nm, 95 % interval 89.7 to 104 nm.",
    "upper bound": "If there is one, it is at most 104 nm.",
    "smooth": "No sharp one: a smooth fall-off, half of it by 47 nm.",
    "nothing": "These data can't tell.",
    "not told": "These data can't tell.",
    "not shared": "Not one for all groups: they do not share a radius and rate.",
    "model fails": "Not to be had: the model of the measurement fails.",
}


def inputs_of(folder: Path, verdict: dict[str, Any]) -> ReportInputs:
    reports = samples.write_reports(folder / "tracks")
    (reports / "radius").mkdir()
    write_json(reports / "radius" / "verdict.json", verdict)
    quantities = pd.DataFrame([("coverage of the 95 % interval", 0.9375, 0.022)])
    quantities.columns = ["quantity", "value", "standard_error"]
    quantities.to_csv(reports / "radius" / "calibration.csv", index=False)
    return ReportInputs(reports, folder / "figures", samples.DISTANCE, "a.u.", 100.0, None, samples.REASONS)


@pytest.mark.parametrize(("kind", "answer"), ANSWERS.items())
def test_each_verdict_has_its_answer(kind: str, answer: str) -> None:
    assert radius_answer({**RADIUS, "verdict": kind}) == answer


def test_a_radius_comes_with_what_speaks_against_it_and_how_often_its_interval_is_right(tmp_path: Path) -> None:
    headline = tracks_headline(inputs_of(tmp_path, RADIUS), None)
    assert headline is not None and headline.verdict == "good"
    assert headline.sentences[:2] == ["A smooth law fits too.", RADIUS["remarks"][0]]
    assert "held the true radius in 93.8 % (standard error 2.2 %)" in headline.sentences[2]
    assert headline.sentences[3] == "These tracks are simulated; the true radius is 100 nm."
    assert headline.promotion == promotion_sentence(samples.REASONS)


def test_a_failed_model_gives_its_reason_and_no_number(tmp_path: Path) -> None:
    failed = {
        **RADIUS,
        "verdict": "model fails",
        "sentence": "The model does not describe these data: motion (p 0.01).",
    }
    headline = tracks_headline(inputs_of(tmp_path, failed), None)
    assert headline is not None and headline.verdict == "bad"
    assert headline.sentences[0] == failed["sentence"] and "97" not in headline.answer


def test_without_a_measurement_the_gate_is_called_no_length(tmp_path: Path) -> None:
    reports = samples.write_reports(tmp_path / "tracks")
    headline = tracks_headline(ReportInputs(reports, tmp_path / "f", samples.DISTANCE, "a.u."), None)
    assert headline is not None and headline.answer == "Not measured." and headline.promotion == ""
    assert any("no measured length" in said for said in headline.sentences)


def test_promotion_in_a_line() -> None:
    assert promotion_sentence([]) == ""
    assert promotion_sentence(["passed: a", "failed: b, 2, is above 1"]) == (
        "Not promoted: it fails 1 of 2 rules: b, 2, is above 1."
    )
    assert promotion_sentence(["passed: a"]).startswith("Promoted, unless the champion in use is better")
