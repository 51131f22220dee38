"""The parts of the tracks report that only a task with promoter states has."""

import pandas as pd

from contactlens.reporting.blocks import Block, TableBlock
from contactlens.tracks.evaluation.baselines import RECALIBRATED
from contactlens.tracks.report import figures
from contactlens.tracks.report.captions import caption
from contactlens.tracks.report.inputs import ReportInputs
from contactlens.tracks.report.metrics import DIFFERENCE, difference_blocks, metric_table, resampled, scaled_table

ACCURACY = ["balanced_accuracy", "auroc", "auprc", "accuracy", "f1"]
CALIBRATION = ["nll", "brier", "ece"]
MIN_S = 60.0
DWELL = {
    "mean_on_s": ("mean time on (min)", 1 / MIN_S),
    "mean_off_s": ("mean time off (min)", 1 / MIN_S),
    "k_on_per_s": ("k_on (1/min)", MIN_S),
    "k_off_per_s": ("k_off (1/min)", MIN_S),
    "switches_per_h": ("switches (1/h)", 1.0),
    "on_share": ("on (fraction of time)", 1.0),
    "length_distance_on": ("distance of lengths, on (1)", 1.0),
    "length_distance_off": ("distance of lengths, off (1)", 1.0),
}
RATES_OFF_TRUTH = {
    f"{rate}_per_s{DIFFERENCE}truth": (f"{rate} less the truth's (1/min)", MIN_S) for rate in ("k_on", "k_off")
}


def state_example_section(inputs: ReportInputs) -> list[Block]:
    predictions = inputs.predictions()
    if predictions is None:
        return []
    examples = figures.example_frames(predictions, figures.choose_examples(predictions))
    figure = figures.state_examples_figure(
        examples, inputs.driver, inputs.signal_unit, inputs.radius, inputs.true_radius, inputs.promoter_state
    )
    return [inputs.figure("examples", figure, examples, caption("state_examples"))]


def _as_they_are(metrics: pd.DataFrame) -> pd.DataFrame:
    """Without recalibration, which changes no ranking and no decoded state."""
    return metrics[~metrics["model"].str.endswith(RECALIBRATED)]


def state_comparison_section(inputs: ReportInputs) -> list[Block]:
    metrics, roc, per_track = (inputs.table(name) for name in ("metrics", "roc", "per_track"))
    blocks: list[Block] = []
    if metrics is not None:
        plain = _as_they_are(metrics)
        figure = figures.comparison_figure(plain, inputs.signal_unit, ["balanced_accuracy", "auroc"])
        blocks.append(inputs.figure("comparison", figure, plain, caption("state_comparison", over=resampled(plain))))
        text = caption("state_accuracy", over=resampled(plain))
        blocks.append(TableBlock(metric_table(plain, ACCURACY, inputs.signal_unit), text))
        compared = tuple(f"{score}{DIFFERENCE}" for score in ACCURACY)
        chosen = plain[plain["metric"].str.startswith(compared)]
        blocks += difference_blocks(chosen, caption("state_differences"))
    if roc is not None:
        blocks.append(inputs.figure("roc", figures.roc_figure(roc, metrics), roc, caption("roc")))
    if per_track is not None:
        figure = figures.track_accuracy_figure(per_track)
        blocks.append(inputs.figure("per_track", figure, per_track, caption("per_track")))
    return blocks


def length_section(inputs: ReportInputs) -> list[Block]:
    segments, dwell = inputs.table("segments"), inputs.table("dwell")
    blocks: list[Block] = []
    if segments is not None:
        blocks.append(inputs.figure("lengths", figures.lengths_figure(segments), segments, caption("lengths")))
    if dwell is not None:
        blocks.append(TableBlock(scaled_table(dwell, "quantity", DWELL), caption("dwell")))
        blocks.append(TableBlock(scaled_table(dwell, "quantity", RATES_OFF_TRUTH), caption("rates")))
    return blocks


def state_calibration_section(inputs: ReportInputs) -> list[Block]:
    reliability, metrics = inputs.table("reliability"), inputs.table("metrics")
    blocks: list[Block] = []
    if reliability is not None:
        figure = figures.state_reliability_figure(reliability)
        blocks.append(inputs.figure("reliability", figure, reliability, caption("state_reliability")))
    if metrics is not None:
        table = metric_table(metrics, CALIBRATION, inputs.signal_unit)
        blocks.append(TableBlock(table, caption("state_calibration")))
    return blocks
