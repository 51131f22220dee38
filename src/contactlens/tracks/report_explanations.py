"""The part of the tracks report that explains: which moments drive the signal, and whether to believe it."""

import numpy as np
import pandas as pd

from contactlens.figure_style import OUTPUT_NAMES, plain
from contactlens.report_blocks import Block, TableBlock
from contactlens.report_tables import with_interval
from contactlens.tracks import figures
from contactlens.tracks.figures.faithfulness import metric_label
from contactlens.tracks.report_captions import caption
from contactlens.tracks.report_inputs import ReportInputs, most_contact, track_attribution

# Longest lag of the lag map; beyond it the attribution of a finite response is nothing but white.
MAX_LAG_MIN = 20.0


def _matrix_blocks(inputs: ReportInputs) -> list[Block]:
    arrays, predictions = inputs.attribution(), inputs.predictions()
    if "ig_mean" not in arrays or predictions is None:
        return []
    chosen = most_contact(predictions, [str(name) for name in arrays["track_ids"]])
    blocks: list[Block] = []
    for output, name in OUTPUT_NAMES.items():
        track = track_attribution(arrays, output, chosen, predictions, inputs.driver)
        lags = figures.lag_frame(track, MAX_LAG_MIN)
        whole = figures.matrix_figure(track, inputs.driver, inputs.signal_unit)
        sheared = figures.lag_map_figure(lags, track, inputs.driver, inputs.signal_unit)
        matrix = figures.matrix_frame(track)
        blocks.append(inputs.figure(f"matrix_{output}", whole, matrix, caption("matrix", output=name)))
        blocks.append(inputs.figure(f"lag_map_{output}", sheared, lags, caption("lag_map", output=name)))
    return blocks


def _channel_blocks(inputs: ReportInputs) -> list[Block]:
    arrays = inputs.attribution()
    if "channel_mean" not in arrays:
        return []
    by_output = {output: arrays[f"channel_{output}"] for output in OUTPUT_NAMES}
    minutes = np.arange(by_output["mean"].shape[1]) * float(arrays["frame_interval_s"]) / 60
    minute = float(minutes[int(arrays["channel_frame"])])
    frame = figures.feature_frame(by_output, [str(name) for name in arrays["channels"]], minutes)
    figure = figures.feature_figure(frame, minute, inputs.signal_unit)
    text = caption("channels", track=str(arrays["channel_track"]), minute=minute)
    return [inputs.figure("channels", figure, frame, text)]


def explanation_section(inputs: ReportInputs) -> list[Block]:
    blocks = [*_matrix_blocks(inputs), *_channel_blocks(inputs)]
    profile = inputs.table("lag_profile")
    if profile is not None:
        text = caption("lag_profile")
        if "true_kernel" in set(profile["method"]):
            text += " " + caption("true_kernel")
        blocks.append(inputs.figure("lag_profile", figures.lag_figure(profile), profile, text))
    return blocks


def faithfulness_table(scores: pd.DataFrame, output: str) -> pd.DataFrame:
    """One row a metric, one column a method, each with its interval, for one output."""
    rows = scores[scores["output"] == output]
    cells = rows.assign(cell=with_interval(rows)).set_index(["metric", "method"])["cell"]
    table = cells.unstack("method", sort=False)  # noqa: PD010
    return table.rename(index=metric_label, columns=plain).reset_index().rename_axis(columns=None)


def faithfulness_section(inputs: ReportInputs) -> list[Block]:
    curves, scores = inputs.table("deletion_curve"), inputs.table("faithfulness")
    blocks: list[Block] = []
    if curves is not None:
        figure = figures.deletion_figure(curves)
        blocks.append(inputs.figure("deletion_curve", figure, curves, caption("deletion_curve")))
    if scores is not None:
        figure = figures.faithfulness_figure(scores)
        blocks.append(inputs.figure("faithfulness", figure, scores, caption("faithfulness")))
        blocks += [
            TableBlock(faithfulness_table(scores, output), caption("faithfulness_table", output=name))
            for output, name in OUTPUT_NAMES.items()
        ]
    return blocks
