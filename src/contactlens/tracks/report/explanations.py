"""The part of the tracks report that explains: which moments drive the signal, and whether to believe it."""

import numpy as np
import pandas as pd

from contactlens.reporting.blocks import Block, TableBlock
from contactlens.reporting.figure_style import OUTPUT_NAMES, plain
from contactlens.reporting.tables import with_interval
from contactlens.tracks.report import figures
from contactlens.tracks.report.captions import caption
from contactlens.tracks.report.figures.faithfulness import metric_label
from contactlens.tracks.report.inputs import ReportInputs, input_shown, most_contact, track_attribution

# Longest lag of the lag map; beyond it the attribution of a finite response is nothing but white.
MAX_LAG_MIN = 20.0


def _track_rule(inputs: ReportInputs) -> str:
    return "the explained test track whose gate is open most" if inputs.gated else "one explained test track"


def _explained(arrays: dict[str, np.ndarray]) -> dict[str, str]:
    """Names of the outputs that were explained, the one that predicts the target first."""
    return {output: name for output, name in OUTPUT_NAMES.items() if f"ig_{output}" in arrays}


def _matrix_blocks(inputs: ReportInputs) -> list[Block]:
    arrays, predictions = inputs.attribution(), inputs.predictions()
    outputs = _explained(arrays)
    if not outputs or predictions is None:
        return []
    chosen = most_contact(predictions, [str(name) for name in arrays["track_ids"]])
    column, shown = input_shown(arrays, inputs.driver, inputs.signal_unit)
    blocks: list[Block] = []
    for output, name in outputs.items():
        track = track_attribution(arrays, output, chosen, predictions, column)
        lags = figures.lag_frame(track, MAX_LAG_MIN)
        matrix_drawn = figures.matrix_figure(track, shown, inputs.signal_unit)
        sheared = figures.lag_map_figure(lags, track, shown, inputs.signal_unit)
        matrix = figures.matrix_frame(track)
        text = caption("matrix", output=name, rule=_track_rule(inputs))
        blocks.append(inputs.figure(f"matrix_{output}", matrix_drawn, matrix, text))
        blocks.append(inputs.figure(f"lag_map_{output}", sheared, lags, caption("lag_map", output=name)))
    return blocks


def _frame_blocks(inputs: ReportInputs) -> list[Block]:
    """One predicted frame: attributions per input channel and, of a model with attention, what it looks at."""
    arrays = inputs.attribution()
    outputs = _explained(arrays)
    if not outputs:
        return []
    by_output = {output: arrays[f"channel_{output}"] for output in outputs}
    first, first_name = next(iter(outputs.items()))
    minutes = np.arange(by_output[first].shape[1]) * float(arrays["frame_interval_s"]) / 60
    minute = float(minutes[int(arrays["channel_frame"])])
    frame = figures.feature_frame(by_output, [str(name) for name in arrays["channels"]], minutes)
    figure = figures.feature_figure(frame, minute, inputs.signal_unit)
    where = {"track": str(arrays["channel_track"]), "minute": minute}
    text = caption("channels", output=first_name, rule=_track_rule(inputs), **where)
    blocks: list[Block] = [inputs.figure("channels", figure, frame, text)]
    if "attention" in arrays:
        gradients = by_output[first].sum(axis=0)
        frame_attention = figures.attention_frame(arrays["attention"], arrays["attention_rollout"], gradients, minutes)
        figure = figures.attention_figure(frame_attention, minute, first, inputs.signal_unit)
        blocks.append(inputs.figure("attention", figure, frame_attention, caption("attention", **where)))
    return blocks


def explanation_section(inputs: ReportInputs) -> list[Block]:
    blocks = [*_matrix_blocks(inputs), *_frame_blocks(inputs)]
    profile = inputs.table("lag_profile")
    if profile is not None:
        text = caption("lag_profile" if inputs.gated else "lag_profile_ungated")
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


def refused_table(methods: pd.DataFrame) -> pd.DataFrame:
    """The methods that the model does not allow, each with its reason and the outputs that it holds for."""
    refused = methods[~methods["used"]]
    table = refused.assign(method=refused["method"].map(plain), output=refused["output"].map(OUTPUT_NAMES))
    joined = table.groupby(["method", "reason"], sort=False)["output"].agg(", ".join).reset_index()
    return joined[["method", "output", "reason"]]


def faithfulness_section(inputs: ReportInputs) -> list[Block]:
    draw = {"deletion_curve": figures.deletion_figure, "insertion_curve": figures.insertion_figure}
    curves = {name: inputs.table(name) for name in draw}
    scores, methods = inputs.table("faithfulness"), inputs.table("attribution_methods")
    blocks: list[Block] = [
        inputs.figure(name, draw[name](table), table, caption(name))
        for name, table in curves.items()
        if table is not None
    ]
    if scores is not None:
        figure = figures.faithfulness_figure(scores)
        blocks.append(inputs.figure("faithfulness", figure, scores, caption("faithfulness")))
        blocks += [
            TableBlock(faithfulness_table(scores, output), caption("faithfulness_table", output=name))
            for output, name in OUTPUT_NAMES.items()
            if output in set(scores["output"])
        ]
    if methods is not None and not methods["used"].all():
        blocks.append(TableBlock(refused_table(methods), caption("refused")))
    return blocks
