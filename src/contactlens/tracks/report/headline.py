"""The first screen of the tracks report: is there a contact radius, how large is it, how sure is that."""

from collections.abc import Mapping
from typing import Any

from contactlens.base.files import read_json
from contactlens.reporting.blocks import FigureBlock, Headline
from contactlens.reporting.files import read_csv
from contactlens.reporting.tables import promotion_sentence
from contactlens.tracks.report.contact_radius import COLOUR, FOLDER
from contactlens.tracks.report.findings import gate_finding
from contactlens.tracks.report.inputs import ReportInputs

FIGURES = ("measured_hazard", "overview")  # in the order of preference


def radius_answer(verdict: Mapping[str, Any]) -> str:
    """The verdict of the measurement in a line: yes with the interval, at most, no sharp one, or not to be told."""
    unit, kind = verdict["unit"], verdict["verdict"]
    if kind == "radius":
        interval = f"{verdict['low']:.3g} to {verdict['high']:.3g} {unit}"
        return f"Yes: {verdict['estimate']:.3g} {unit}, {100 * verdict['level']:g} % interval {interval}."
    if kind == "upper bound":
        return f"If there is one, it is at most {verdict['bound']:.3g} {unit}."
    if kind == "smooth":
        return f"No sharp one: a smooth fall-off, half of it by {verdict['smooth_half']:.3g} {unit}."
    if kind == "not shared":
        return "Not one for all groups: they do not share a radius and rate."
    return (
        "These data can't tell."
        if kind in ("nothing", "not told")
        else "Not to be had: the model of the measurement fails."
    )


def _qualified(verdict: Mapping[str, Any]) -> str:
    """What the verdict's sentence adds to the answer: of a radius, whether a smooth law does as well."""
    sentence = str(verdict["sentence"])
    return sentence.partition(". ")[2] if verdict["verdict"] == "radius" else sentence


def _how_sure(inputs: ReportInputs, level: float) -> str | None:
    """How often the interval holds the truth of experiments simulated in the same design."""
    path = inputs.reports / FOLDER / "calibration.csv"
    if not path.is_file():
        return None
    rows = read_csv(path).set_index("quantity")
    name = f"coverage of the {100 * level:g} % interval"
    if name not in rows.index:
        return None
    share, error = (float(rows[column][name]) for column in ("value", "standard_error"))
    return (
        f"In experiments simulated with the same tracks and frames, the {100 * level:g} % interval held the true "
        f"radius in {100 * share:.1f} % (standard error {100 * error:.1f} %)."
    )


def tracks_headline(inputs: ReportInputs, figure: FigureBlock | None) -> Headline | None:
    """From the measured radius; where it was not measured, from the gate, which is said to be no length; None of
    tracks that nothing was trained on or measured from."""
    promotion = promotion_sentence(inputs.promotion_reasons)
    question = f"Is there a contact radius in {inputs.driver.name}, how large is it, and how sure is that?"
    path = inputs.reports / FOLDER / "verdict.json"
    if path.is_file():
        verdict = read_json(path)
        truth = inputs.true_radius
        said = [
            _qualified(verdict),
            *verdict["remarks"],
            _how_sure(inputs, verdict["level"]),
            None if truth is None else f"These tracks are simulated; the true radius is {truth:.4g} {verdict['unit']}.",
        ]
        sentences = [sentence for sentence in said if sentence]
        colour = COLOUR.get(verdict["verdict"], "bad")
        return Headline(question, radius_answer(verdict), sentences, promotion, figure, colour)
    seeds = inputs.table("seeds")
    if seeds is None or not inputs.gated:
        return None
    gate = gate_finding(seeds, inputs.driver, inputs.decodes_states and inputs.sees_signal)
    said = [
        "It was not measured (the stage tracks_radius did not run).",
        f"{gate.question} {gate.answer}.",
        gate.detail,
    ]
    return Headline(question, "Not measured.", said, promotion, figure)
