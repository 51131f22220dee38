"""The part of the tracks report about temporal motifs: the contact histories that the model relies on."""

from pathlib import Path

import pandas as pd

from contactlens.base.files import read_json
from contactlens.reporting.blocks import Block, TableBlock, TextBlock
from contactlens.reporting.figure_style import output_unit
from contactlens.reporting.files import read_csv
from contactlens.tracks.explanation.motifs.histories import leading_pattern
from contactlens.tracks.report import figures
from contactlens.tracks.report.captions import caption
from contactlens.tracks.report.figures.faithfulness import TRUTH
from contactlens.tracks.report.figures.temporal_motifs import lag_frame
from contactlens.tracks.report.inputs import ReportInputs

MODEL, CONTROL = "network", "control"
MOST_PATTERNS = 6


def _tables(folder: Path) -> dict[str, pd.DataFrame]:
    # As text: a history such as 0011 begins with zeros.
    return {
        name: read_csv(folder / f"{name}.csv", dtype={"history": str}) for name in ("patterns", "positions", "lags")
    }


def _leading(found: dict[str, dict[str, pd.DataFrame]]) -> dict[str, str]:
    """Of each model that has one, the pattern that raises the output most in total."""
    leading = {model: leading_pattern(tables["patterns"]) for model, tables in found.items()}
    return {model: str(row["pattern"]) for model, row in leading.items() if row is not None}


def _kernel(inputs: ReportInputs) -> pd.DataFrame | None:
    profile = inputs.table("lag_profile")
    rows = None if profile is None else profile[profile["method"] == TRUTH]
    if rows is None or rows.empty:
        return None
    return rows[["lag_s", "attribution"]].rename(columns={"attribution": "response"})


def motif_section(inputs: ReportInputs) -> list[Block]:
    """Patterns of the model beside what the same search finds in a model trained on exchanged drivers.

    Both are folders of `write_temporal_motifs` in `motifs`; where no search was made, that holds the reason instead.
    """
    folder = inputs.reports / "motifs"
    folders = {name: folder / name for name in (MODEL, CONTROL)}
    found = {name: _tables(of_model) for name, of_model in folders.items() if of_model.is_dir()}
    if MODEL not in found:
        refused = folder / "summary.json"
        return [TextBlock(f"No search was made: {read_json(refused)['reason']}.")] if refused.is_file() else []
    summary = read_json(folders[MODEL] / "summary.json")
    unit = output_unit("logit" if inputs.decodes_states else "mean", inputs.signal_unit)
    frame = figures.motif_frame(found[MODEL]["patterns"], found[MODEL]["positions"], MOST_PATTERNS)
    figure = figures.motif_figure(frame, inputs.driver, unit, summary["radius"], summary["reason"])
    lags = lag_frame({name: tables["lags"] for name, tables in found.items()}, _leading(found))
    by_lag = figures.motif_lag_figure(lags, inputs.driver, unit, _kernel(inputs))
    text = caption("motifs", windows=summary["windows"], radius=summary["radius"], unit=inputs.driver.unit)
    return [
        inputs.figure("motifs", figure, frame, text),
        inputs.figure("motif_lags", by_lag, lags, caption("motif_lags")),
        TableBlock(_pattern_table(found), caption("motif_table"), PATTERN_FORMATS),
    ]


PATTERN_COLUMNS = {
    "model": "model",
    "pattern": "pattern",
    "n_seqlets": "seqlets",
    "history": "history",
    "contribution": "contribution",
    "contact_first_lag_s": "contact begins (s before)",
    "contact_last_lag_s": "contact ends (s before)",
    "within_ms2": "ends while a polymerase is still seen (fraction)",
    "within_response": "ends within the response (fraction)",
}
PATTERN_FORMATS = {"seqlets": ".0f", "contribution": ".3g"} | {
    name: ".2f" for key, name in PATTERN_COLUMNS.items() if key.startswith("within")
}


def _pattern_table(found: dict[str, dict[str, pd.DataFrame]]) -> pd.DataFrame:
    """The first patterns of every model; a model without any has one row that says so."""
    parts = [
        (tables["patterns"].head(MOST_PATTERNS) if len(tables["patterns"]) else pd.DataFrame({"pattern": ["none"]}))
        .assign(model=name)
        .reindex(columns=list(PATTERN_COLUMNS))
        for name, tables in found.items()
    ]
    return pd.concat(parts, ignore_index=True).rename(columns=PATTERN_COLUMNS)
