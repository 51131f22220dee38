"""The part of the tracks report that only a model with binary latents has: when polymerases were loaded."""

import pandas as pd

from contactlens.reporting.blocks import Block, TableBlock
from contactlens.reporting.figure_style import plain
from contactlens.tracks.report import figures
from contactlens.tracks.report.captions import caption
from contactlens.tracks.report.inputs import ReportInputs
from contactlens.tracks.report.metrics import DIFFERENCE, difference_blocks


def is_loading(metrics: pd.DataFrame) -> pd.Series:
    """Whether each row of `metrics.csv` is about loading times."""
    return metrics["metric"].str.contains("_within_", regex=False)


def _example_blocks(inputs: ReportInputs) -> list[Block]:
    predictions, events = inputs.predictions(), inputs.table("loading_events")
    if predictions is None or events is None:
        return []
    chosen = str(figures.choose_examples(predictions, [50])["track_id"].iloc[0])
    track, own = (table[table["track_id"] == chosen] for table in (predictions, events))
    example = figures.LoadingExample(track, own)
    figure = figures.loading_figure(example, inputs.signal_unit)
    return [inputs.figure("loading", figure, example.frame(), caption("loading"))]


def delay_table(lags: pd.DataFrame) -> pd.DataFrame:
    """The delay that fits each model best on the validation tracks, and its F1 there."""
    best = lags.loc[lags.groupby("model", sort=False)["f1"].idxmax()]
    return best.assign(model=best["model"].map(plain)).rename(columns={"lag_s": "delay (s)", "f1": "F1 (1)"})


def loading_section(inputs: ReportInputs) -> list[Block]:
    metrics, lags = inputs.table("metrics"), inputs.table("loading_lags")
    blocks = _example_blocks(inputs)
    if metrics is not None and is_loading(metrics).any():
        frame = figures.alignment_frame(metrics)
        figure = figures.alignment_figure(frame)
        blocks.append(inputs.figure("alignment", figure, frame, caption("alignment")))
        paired = metrics[is_loading(metrics) & metrics["metric"].str.contains(DIFFERENCE, regex=False)]
        blocks += difference_blocks(paired, caption("alignment_differences"))
    if lags is not None:
        blocks.append(TableBlock(delay_table(lags), caption("delays"), {"F1 (1)": ".3f", "delay (s)": "g"}))
    return blocks
