"""The measured contact radius in the report: the verdict, its figures and the tables that it rests on."""

import pandas as pd

from contactlens.base.files import read_json
from contactlens.base.parquet_file import read_parquet
from contactlens.reporting.blocks import Block, Finding, TableBlock, TextBlock, Verdict
from contactlens.reporting.files import read_csv
from contactlens.tracks.report.captions import caption
from contactlens.tracks.report.figures import contact_radius as draw
from contactlens.tracks.report.figures.sweep import MeasuredRadius
from contactlens.tracks.report.inputs import ReportInputs

FOLDER = "radius"
COLOUR: dict[str, Verdict] = {
    "radius": "good",
    "upper bound": "neutral",
    "smooth": "good",
    "nothing": "neutral",
    "not told": "neutral",
    "not shared": "neutral",
}


def _table(inputs: ReportInputs, name: str) -> pd.DataFrame:
    return read_csv(inputs.reports / FOLDER / f"{name}.csv")


def measured_radius_section(inputs: ReportInputs) -> list[Block]:
    """Verdict, figures and tables; none where the radius was not measured."""
    folder = inputs.reports / FOLDER
    if not (folder / "verdict.json").is_file():
        return []
    verdict = read_json(folder / "verdict.json")
    used = f"{verdict['tracks_used']} of {verdict['tracks_in_all']} tracks."
    noise = f"Localisation noise: {verdict['localisation_noise']}."
    said = TextBlock(" ".join([verdict["sentence"], *verdict["remarks"], used, noise]))
    if (folder / "groups.csv").is_file():
        return [said, *_of_groups(inputs), *_tables(inputs)]
    hazard, onsets, coupling, halves = (_table(inputs, name) for name in ("hazard", "onsets", "coupling", "halves"))
    true, found = inputs.true_radius, measured_radius(inputs)
    interval = None if found is None else (found.low, found.high)
    return [
        said,
        inputs.figure(
            "measured_hazard",
            draw.hazard_figure(hazard, inputs.driver, true, interval),
            hazard,
            caption("measured_hazard"),
        ),
        _ridge(inputs),
        inputs.figure("measured_onsets", draw.onset_figure(onsets, inputs.driver), onsets, caption("measured_onsets")),
        inputs.figure(
            "measured_coupling",
            draw.coupling_figure(coupling, inputs.signal_unit),
            coupling,
            caption("measured_coupling"),
        ),
        inputs.figure(
            "measured_halves", draw.halves_figure(halves, inputs.driver, true), halves, caption("measured_halves")
        ),
        *_tables(inputs),
    ]


def _of_groups(inputs: ReportInputs) -> list[Block]:
    """Each group alone and all together; and the draws, of which there are none where they do not share the radius."""
    table = TableBlock(_table(inputs, "groups"), caption("measured_groups"), GROUP_FORMATS)
    return [table, _ridge(inputs)] if (inputs.reports / FOLDER / "posterior.parquet").is_file() else [table]


def _ridge(inputs: ReportInputs) -> Block:
    posterior = read_parquet(inputs.reports / FOLDER / "posterior.parquet").to_pandas()
    figure = draw.ridge_figure(posterior, inputs.driver, inputs.true_radius)
    return inputs.figure("measured_ridge", figure, posterior, caption("measured_ridge"))


def _tables(inputs: ReportInputs) -> list[Block]:
    return [
        TableBlock(_table(inputs, "laws"), caption("measured_laws"), dict.fromkeys(LAW_COLUMNS, ".1f")),
        TableBlock(_table(inputs, "checks"), caption("measured_checks"), {"value": ".2f", "p": ".3f"}),
        TableBlock(
            _table(inputs, "calibration"), caption("measured_calibration"), {"value": ".3f", "standard_error": ".3f"}
        ),
    ]


GROUP_FORMATS = {
    **dict.fromkeys(("median_distance", "bursts", "estimate", "low", "high"), ".0f"),
    **{"tracks": ".0f", "k_on_per_min": ".2g", "share_in_contact": ".3f"},
}
LAW_COLUMNS = ("log_likelihood", "difference", "low", "high", "held_out", "held_out_low", "held_out_high")


def measured_radius(inputs: ReportInputs) -> MeasuredRadius | None:
    """Estimate and interval where the verdict gives a radius or a bound of it."""
    path = inputs.reports / FOLDER / "verdict.json"
    if not path.is_file():
        return None
    verdict = read_json(path)
    if verdict["verdict"] == "radius":
        return MeasuredRadius(verdict["estimate"], verdict["low"], verdict["high"])
    return MeasuredRadius(verdict["bound"], 0.0, verdict["bound"]) if verdict["verdict"] == "upper bound" else None


def measured_radius_finding(inputs: ReportInputs) -> Finding | None:
    """The verdict as the first line of the summary."""
    path = inputs.reports / FOLDER / "verdict.json"
    if not path.is_file():
        return None
    verdict = read_json(path)
    unit = verdict["unit"]
    answers = {
        "radius": f"{verdict['estimate']:.3g} {unit}" if verdict["estimate"] else "-",
        "upper bound": f"at most {verdict['high']:.3g} {unit}" if verdict["high"] else "-",
        "smooth": f"smooth, half at {verdict['smooth_half']:.3g} {unit}",
    }
    detail = " ".join([verdict["sentence"], *verdict["remarks"]])
    if inputs.true_radius is not None:
        detail += f" The truth is {inputs.true_radius:.4g} {unit}."
    answer = answers.get(verdict["verdict"], str(verdict["verdict"]))
    question = f"Below which {inputs.driver.name} does the promoter switch on?"
    return Finding(question, answer, detail, COLOUR.get(verdict["verdict"], "bad"))
