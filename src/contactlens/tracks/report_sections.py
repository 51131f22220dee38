"""The tracks report: which figures and tables answer which question."""

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from contactlens.figure_style import plain, with_unit
from contactlens.report_blocks import Block, Finding, Report, Section, TableBlock
from contactlens.report_tables import promotion_finding, promotion_table, with_interval
from contactlens.tracks import figures
from contactlens.tracks.figures.comparison import metric_name, metric_unit
from contactlens.tracks.report_captions import caption
from contactlens.tracks.report_explanations import explanation_section, faithfulness_section
from contactlens.tracks.report_findings import (
    coverage_finding,
    explanation_finding,
    nll_finding,
    radius_finding,
)
from contactlens.tracks.report_inputs import ReportInputs

ACCURACY = ["nll", "crps", "mae", "r2"]
BEST_TRIALS = 5
DIFFERENCE = "_minus_"


def metric_table(metrics: pd.DataFrame, chosen: Iterable[str], signal_unit: str) -> pd.DataFrame:
    """One row a model, one column a metric, each with its interval; models in the order of the file."""
    chosen = [name for name in chosen if name in set(metrics["metric"])]
    cells = metrics.assign(cell=with_interval(metrics)).set_index(["model", "metric"])["cell"]
    table = cells.unstack("metric", sort=False)[chosen].rename(index=plain)  # noqa: PD010
    table.columns = pd.Index([with_unit(metric_name(name), metric_unit(name, signal_unit)) for name in chosen])
    return table.reset_index()


def _power_law(msd: pd.DataFrame) -> float | None:
    """Exponent of the fitted column, None where nothing was fitted."""
    if "fitted_nm2" not in msd:
        return None
    return float(np.polyfit(np.log(msd["lag_s"]), np.log(msd["fitted_nm2"]), 1)[0])


def motion_section(inputs: ReportInputs) -> list[Block]:
    msd = inputs.table("msd")
    if msd is None:
        return []
    return [inputs.figure("msd", figures.msd_figure(msd, _power_law(msd)), msd, caption("msd"))]


def example_section(inputs: ReportInputs) -> list[Block]:
    predictions, seeds = inputs.predictions(), inputs.table("seeds")
    if predictions is None or seeds is None:
        return []
    examples = figures.example_frames(predictions, figures.choose_examples(predictions))
    radius = float(seeds["radius"].iloc[int(seeds["validation_nll"].argmin())])
    figure = figures.examples_figure(
        examples, inputs.driver, inputs.signal_unit, radius, inputs.true_radius, inputs.promoter_state
    )
    return [inputs.figure("examples", figure, examples, caption("examples"))]


def overview_section(inputs: ReportInputs) -> list[Block]:
    predictions, seeds = inputs.predictions(), inputs.table("seeds")
    profile, reliability = inputs.table("lag_profile"), inputs.table("reliability")
    if predictions is None or seeds is None or profile is None or reliability is None:
        return []
    example = figures.example_frames(predictions, figures.choose_examples(predictions, [50]))
    view = figures.Overview(
        example=example,
        gate=figures.gate_frame(seeds, predictions[inputs.driver.gate_column].to_numpy()),
        seeds=seeds,
        profile=profile,
        reliability=reliability,
        radius=float(seeds["radius"].iloc[int(seeds["validation_nll"].argmin())]),
        true_radius=inputs.true_radius,
        promoter_state=inputs.promoter_state,
    )
    figure = figures.overview_figure(view, inputs.driver, inputs.signal_unit)
    return [inputs.figure("overview", figure, example, caption("overview"))]


def training_section(inputs: ReportInputs) -> list[Block]:
    history, seeds = inputs.table("history"), inputs.table("seeds")
    blocks: list[Block] = []
    if history is not None:
        figure = figures.training_figure(history, inputs.driver, inputs.signal_unit, inputs.true_radius)
        blocks.append(inputs.figure("training", figure, history, caption("training")))
    if seeds is not None:
        formats = {"validation_nll": ".4f", "radius": ".4g", "gate_alpha": ".3g"}
        blocks.append(TableBlock(seeds, caption("seeds", unit=inputs.driver.unit), formats))
    return blocks


def gate_section(inputs: ReportInputs) -> list[Block]:
    predictions, seeds, trials = inputs.predictions(), inputs.table("seeds"), inputs.table("trials")
    blocks: list[Block] = []
    if predictions is not None and seeds is not None:
        frame = figures.gate_frame(seeds, predictions[inputs.driver.gate_column].to_numpy())
        figure = figures.gate_figure(frame, seeds, inputs.driver, inputs.true_radius)
        blocks.append(inputs.figure("gate", figure, frame, caption("gate", driver=inputs.driver.name)))
    if trials is not None:
        figure = figures.radius_figure(trials, inputs.driver, inputs.true_radius)
        blocks.append(inputs.figure("radius", figure, trials, caption("radius")))
    return blocks


def comparison_section(inputs: ReportInputs) -> list[Block]:
    metrics = inputs.table("metrics")
    if metrics is None:
        return []
    figure = figures.comparison_figure(metrics, inputs.signal_unit)
    return [
        inputs.figure("comparison", figure, metrics, caption("comparison")),
        TableBlock(metric_table(metrics, ACCURACY, inputs.signal_unit), caption("accuracy")),
        *difference_blocks(metrics),
    ]


def difference_blocks(metrics: pd.DataFrame) -> list[Block]:
    """The network's scores less each baseline's, paired by track, where they were evaluated."""
    paired = metrics[metrics["metric"].str.contains(DIFFERENCE, regex=False)]
    if paired.empty:
        return []
    named = paired["metric"].str.partition(DIFFERENCE)
    table = pd.DataFrame(
        {
            "network": paired["model"].map(plain),
            "baseline": named[2].map(plain),
            "score": named[0].map(metric_name),
            "difference": with_interval(paired),
        }
    )
    return [TableBlock(table, caption("differences"))]


def calibration_section(inputs: ReportInputs) -> list[Block]:
    draw: dict[str, Callable[[pd.DataFrame], Figure]] = {
        "reliability": figures.reliability_figure,
        "pit": figures.pit_figure,
        "ence_bins": lambda bins: figures.ence_figure(bins, inputs.signal_unit),
    }
    tables = {name: inputs.table(name) for name in draw}
    blocks: list[Block] = [
        inputs.figure(name, draw[name](table), table, caption(name))
        for name, table in tables.items()
        if table is not None
    ]
    metrics = inputs.table("metrics")
    if metrics is not None:
        names = dict.fromkeys(metrics["metric"])
        chosen = [name for name in names if name not in ACCURACY and DIFFERENCE not in name]
        blocks.append(TableBlock(metric_table(metrics, chosen, inputs.signal_unit), caption("calibration")))
    return blocks


def sweep_section(inputs: ReportInputs) -> list[Block]:
    trials = inputs.table("trials")
    if trials is None:
        return []
    best = trials.sort_values("validation_nll", kind="stable").head(BEST_TRIALS)
    formats = {str(column): ".4g" for column in best.select_dtypes("float")}
    return [
        inputs.figure("sweep", figures.sweep_figure(trials, inputs.driver), trials, caption("sweep")),
        TableBlock(best, caption("best_trials", best=len(best), all=len(trials)), formats),
    ]


def promotion_section(inputs: ReportInputs) -> list[Block]:
    if not inputs.promotion_reasons:
        return []
    return [TableBlock(promotion_table(inputs.promotion_reasons), caption("promotion"))]


SECTIONS: list[tuple[str, str, Callable[[ReportInputs], list[Block]]]] = [
    ("Motion", "How the two loci move against each other, whatever the signal does.", motion_section),
    ("At a glance", "What was learned, and how sure it is.", overview_section),
    ("Example tracks", "What goes in, what comes out, and what was measured.", example_section),
    ("The learned threshold", "Where the gate opens, and how far that can be trusted.", gate_section),
    ("Comparison with baselines", "Whether a network was needed at all.", comparison_section),
    (
        "Calibration",
        "Whether the predicted uncertainty is the right size, frame by frame.",
        calibration_section,
    ),
    ("Which moments drive the signal", "Where each prediction comes from.", explanation_section),
    ("Faithfulness", "Whether these explanations say what the model does.", faithfulness_section),
    ("Training", "Whether training had converged, and how much the seed matters.", training_section),
    ("Sweep", "What the hyper-parameter search tried.", sweep_section),
    ("Promotion", "Whether this model may replace the one in use.", promotion_section),
]


def tracks_sections(inputs: ReportInputs) -> list[Section]:
    """Draw every figure whose inputs are there; a section with nothing to show is left out."""
    found = [(title, intro, build(inputs)) for title, intro, build in SECTIONS]
    return [Section(title, intro, blocks) for title, intro, blocks in found if blocks]


def tracks_findings(inputs: ReportInputs) -> list[Finding]:
    """The answers of the summary for which there are inputs."""
    seeds, metrics = inputs.table("seeds"), inputs.table("metrics")
    faithfulness, reasons = inputs.table("faithfulness"), inputs.promotion_reasons
    found = [
        radius_finding(seeds, inputs.driver, inputs.true_radius) if seeds is not None else None,
        nll_finding(metrics) if metrics is not None else None,
        coverage_finding(metrics) if metrics is not None else None,
        explanation_finding(faithfulness) if faithfulness is not None else None,
        promotion_finding(reasons) if reasons else None,
    ]
    return [finding for finding in found if finding is not None]


def _lead(inputs: ReportInputs) -> str:
    predictions = inputs.predictions()
    if predictions is None:
        return f"Tracks of {inputs.driver.name} without a signal: what can be said of their motion."
    return (
        "A network was trained to predict the signal through a gate that opens where the "
        f"{inputs.driver.name} is below a threshold, which it had to learn. What follows is what it learned, "
        "how sure it is, and how far both can be believed. Scores are of "
        f"{predictions['track_id'].nunique()} test tracks with {len(predictions):,} frames."
    )


def tracks_report(inputs: ReportInputs, title: str, provenance: Mapping[str, str]) -> Report:
    """The whole tracks report, its figures written to `inputs.figures`."""
    return Report(title, _lead(inputs), tracks_findings(inputs), tracks_sections(inputs), provenance)
