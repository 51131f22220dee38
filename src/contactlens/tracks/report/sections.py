"""The tracks report: which figures and tables answer which question."""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from contactlens.reporting.blocks import (
    Block,
    FigureBlock,
    Finding,
    HtmlBlock,
    Report,
    Section,
    TableBlock,
    figure_first,
)
from contactlens.reporting.figure_style import plain
from contactlens.reporting.tables import promotion_finding, promotion_table
from contactlens.reporting.trials import trial_blocks
from contactlens.tracks.data.track_set import SIGNAL_COLUMN
from contactlens.tracks.evaluation.baselines import without_hidden_inputs
from contactlens.tracks.report import figures
from contactlens.tracks.report.captions import caption
from contactlens.tracks.report.contact_radius import (
    measured_radius,
    measured_radius_finding,
    measured_radius_section,
)
from contactlens.tracks.report.cross_validation import cross_validation_section
from contactlens.tracks.report.explanations import explanation_section, faithfulness_section
from contactlens.tracks.report.figures.sweep import trials_of
from contactlens.tracks.report.findings import (
    ceiling_finding,
    coverage_finding,
    dwell_finding,
    epistemic_finding,
    explanation_finding,
    gate_finding,
    loading_finding,
    nll_finding,
    state_finding,
)
from contactlens.tracks.report.headline import FIGURES, tracks_headline
from contactlens.tracks.report.inputs import ReportInputs
from contactlens.tracks.report.metrics import DIFFERENCE, difference_blocks, metric_table, resampled
from contactlens.tracks.report.motifs import motif_section
from contactlens.tracks.report.states import (
    length_section,
    state_calibration_section,
    state_comparison_section,
    state_example_section,
)
from contactlens.tracks.report.track_explorer import track_explorer_html

ACCURACY = ["nll", "crps", "mae", "r2"]
EXPLORER_HEIGHT_PX = 470


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
    predictions = inputs.predictions()
    if predictions is None or inputs.table("seeds") is None:
        return []
    examples = figures.example_frames(predictions, figures.choose_examples(predictions))
    figure = figures.examples_figure(
        examples, inputs.driver, inputs.signal_unit, inputs.radius, inputs.true_radius, inputs.promoter_state
    )
    page = track_explorer_html(predictions, inputs.driver, inputs.signal_unit, inputs.true_radius)
    return [
        inputs.figure("examples", figure, examples, caption("examples")),
        HtmlBlock(page, caption("track_explorer"), EXPLORER_HEIGHT_PX),
    ]


def overview_section(inputs: ReportInputs) -> list[Block]:
    predictions, seeds = inputs.predictions(), inputs.table("seeds")
    profile, reliability = inputs.table("lag_profile"), inputs.table("reliability")
    if not inputs.gated or predictions is None or seeds is None or profile is None or reliability is None:
        return []
    example = figures.example_frames(predictions, figures.choose_examples(predictions, [50]))
    view = figures.Overview(
        example=example,
        gate=figures.gate_frame(seeds, predictions[inputs.driver.gate_column].to_numpy()),
        seeds=seeds,
        profile=profile,
        reliability=reliability,
        radius=inputs.radius,
        true_radius=inputs.true_radius,
        promoter_state=inputs.promoter_state,
    )
    figure = figures.overview_figure(view, inputs.driver, inputs.signal_unit)
    return [inputs.figure("overview", figure, example, caption("overview"))]


def gate_section(inputs: ReportInputs) -> list[Block]:
    predictions, seeds, trials = inputs.predictions(), inputs.table("seeds"), inputs.table("trials")
    blocks: list[Block] = []
    if not inputs.gated:
        return blocks
    if predictions is not None and seeds is not None:
        frame = figures.gate_frame(seeds, predictions[inputs.driver.gate_column].to_numpy())
        figure = figures.gate_figure(frame, seeds, inputs.driver, inputs.true_radius)
        blocks.append(inputs.figure("gate", figure, frame, caption("gate", driver=inputs.driver.name)))
    if trials is not None:
        measured = measured_radius(inputs)
        figure = figures.gate_midpoint_figure(trials, inputs.driver, inputs.true_radius, measured)
        epochs = int(trials.loc[trials["kind"] == "fixed", "budget"].max())
        blocks.append(inputs.figure("gate_midpoint", figure, trials, caption("gate_midpoint", epochs=epochs)))
    return blocks


def _signal_metrics(inputs: ReportInputs) -> pd.DataFrame | None:
    """Rows of `metrics.csv` that score the predicted signal."""
    metrics = inputs.table("metrics")
    return None if metrics is None else metrics[~is_loading(metrics)]


def comparison_section(inputs: ReportInputs) -> list[Block]:
    metrics = _signal_metrics(inputs)
    if metrics is None:
        return []
    figure = figures.comparison_figure(metrics, inputs.signal_unit)
    return [
        inputs.figure("comparison", figure, metrics, caption("comparison", over=resampled(metrics))),
        TableBlock(metric_table(metrics, ACCURACY, inputs.signal_unit), caption("accuracy", over=resampled(metrics))),
        *difference_blocks(_served_or_ensemble(metrics, inputs.served), caption("differences")),
    ]


def _served_or_ensemble(metrics: pd.DataFrame, served: str) -> pd.DataFrame:
    """Rows of what is served, and what the ensemble gains over one network."""
    gain = metrics["metric"].str.contains(f"{DIFFERENCE}network", regex=False)
    return metrics[(metrics["model"] == served) | gain]


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
    blocks += _spread_parts(inputs)
    metrics = _signal_metrics(inputs)
    if metrics is not None:
        names = dict.fromkeys(metrics["metric"])
        chosen = [name for name in names if name not in ACCURACY and DIFFERENCE not in name]
        text = caption("calibration", over=resampled(metrics))
        blocks.append(TableBlock(metric_table(metrics, chosen, inputs.signal_unit), text))
    return blocks


def _spread_parts(inputs: ReportInputs) -> list[Block]:
    """Aleatoric and epistemic spread of the example tracks; nothing of one network."""
    predictions = inputs.predictions()
    if predictions is None or "epistemic" not in predictions:
        return []
    examples = figures.example_frames(predictions, figures.choose_examples(predictions))
    figure = figures.spread_parts_figure(examples, inputs.driver, inputs.signal_unit)
    return [inputs.figure("spread_parts", figure, examples, caption("spread_parts"))]


def is_loading(metrics: pd.DataFrame) -> pd.Series:
    """Whether each row of `metrics.csv` is about loading times."""
    return metrics["metric"].str.contains("_within_", regex=False)


def _loading_example(inputs: ReportInputs) -> list[Block]:
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
    blocks = _loading_example(inputs)
    if metrics is not None and is_loading(metrics).any():
        frame = figures.alignment_frame(metrics)
        figure = figures.alignment_figure(frame)
        blocks.append(inputs.figure("alignment", figure, frame, caption("alignment")))
        paired = metrics[is_loading(metrics) & metrics["metric"].str.contains(DIFFERENCE, regex=False)]
        blocks += difference_blocks(paired, caption("alignment_differences"))
    if lags is not None:
        blocks.append(TableBlock(delay_table(lags), caption("delays"), {"F1 (1)": ".3f", "delay (s)": "g"}))
    return blocks


def training_section(inputs: ReportInputs) -> list[Block]:
    history, seeds = inputs.table("history"), inputs.table("seeds")
    blocks: list[Block] = []
    if history is not None:
        figure = figures.training_figure(
            history, inputs.driver, inputs.signal_unit, inputs.true_radius, inputs.decodes_states
        )
        text = caption("training") + (" " + caption("training_radius") if inputs.gated else "")
        blocks.append(inputs.figure("training", figure, history, text))
    if seeds is not None:
        formats = {"validation_nll": ".4f", "gate_midpoint": ".4g", "gate_alpha": ".3g"}
        blocks.append(TableBlock(seeds, caption("seeds", unit=inputs.driver.unit), formats))
    return blocks


def sweep_section(inputs: ReportInputs) -> list[Block]:
    trials = inputs.table("trials")
    if trials is None:
        return []

    def block(figure: Figure) -> FigureBlock:
        return inputs.figure("sweep", figure, trials, caption("sweep"))

    return trial_blocks(trials, trials_of(inputs.driver), block, caption)


def promotion_section(inputs: ReportInputs) -> list[Block]:
    if not inputs.promotion_reasons:
        return []
    return [TableBlock(promotion_table(inputs.promotion_reasons), caption("promotion"))]


SectionBuilder = tuple[str, str, Callable[[ReportInputs], list[Block]]]
MOTION: SectionBuilder = (
    "Motion",
    "How the two loci move against each other, whatever the signal does.",
    motion_section,
)
MEASURED: SectionBuilder = (
    "The contact radius",
    "How likely the promoter is to switch on at each distance, measured without a network.",
    measured_radius_section,
)
GATE: SectionBuilder = ("The learned threshold", "Where the gate opens, and how far that can be trusted.", gate_section)
CLOSING: list[SectionBuilder] = [
    ("Faithfulness", "Whether these explanations say what the model does.", faithfulness_section),
    ("Temporal motifs", "Which histories of contact the model relies on.", motif_section),
    ("Training", "Whether training had converged, and how much the seed matters.", training_section),
    ("Sweep", "What the hyper-parameter search tried.", sweep_section),
    ("Promotion", "Whether this model may replace the one in use.", promotion_section),
]
SECTIONS: list[SectionBuilder] = [
    MEASURED,
    MOTION,
    ("At a glance", "What was learned, and how sure it is.", overview_section),
    ("Example tracks", "What goes in, what comes out, and what was measured.", example_section),
    ("Loading of polymerases", "Whether the latent ones mark real events.", loading_section),
    GATE,
    ("Comparison with baselines", "Whether a network was needed at all.", comparison_section),
    ("Cross-validation", "Whether that holds in groups that it has not seen.", cross_validation_section),
    (
        "Calibration",
        "Whether the predicted uncertainty is the right size, frame by frame.",
        calibration_section,
    ),
    ("Which moments drive the signal", "Where each prediction comes from.", explanation_section),
    *CLOSING,
]
STATE_SECTIONS: list[SectionBuilder] = [
    MEASURED,
    MOTION,
    ("Example tracks", "What goes in, what was decoded, and what was true.", state_example_section),
    GATE,
    ("Comparison with baselines", "Whether a network was needed at all.", state_comparison_section),
    ("Times on and off", "Whether decoded states last as long as true ones.", length_section),
    ("Calibration", "Whether P(on) can be taken at its word.", state_calibration_section),
    ("Which moments decide the state", "Where each prediction comes from.", explanation_section),
    *CLOSING,
]


def tracks_sections(inputs: ReportInputs) -> list[Section]:
    """Draw every figure whose inputs are there; a section with nothing to show is left out."""
    sections = STATE_SECTIONS if inputs.decodes_states else SECTIONS
    found = [(title, intro, build(inputs)) for title, intro, build in sections]
    return [Section(title, intro, blocks) for title, intro, blocks in found if blocks]


def _prediction_findings(inputs: ReportInputs) -> list[Finding | None]:
    metrics, dwell = inputs.table("metrics"), inputs.table("dwell")
    if metrics is None:
        return []
    metrics = _fair(metrics, inputs)
    if inputs.decodes_states:
        return [state_finding(metrics), dwell_finding(dwell) if dwell is not None else None]
    loading = loading_finding(metrics)
    # What a model of latents predicts is its own input: less than a constant's NLL says nothing of it.
    coverage = coverage_finding(metrics, inputs.served)
    if loading:
        return [loading, coverage]
    predictions = inputs.predictions()
    unsure = None if predictions is None else epistemic_finding(predictions)
    distance = ceiling_finding(metrics, inputs.served, inputs.table("ceiling"))
    return [nll_finding(metrics, inputs.served), distance, coverage, unsure]


def _fair(metrics: pd.DataFrame, inputs: ReportInputs) -> pd.DataFrame:
    """Without the baselines that read what is hidden from the model, which would be no fair comparison."""
    channels = inputs.channels
    if not channels:
        return metrics
    signal = SIGNAL_COLUMN in channels
    kept = without_hidden_inputs(metrics["model"].unique(), driver=len(channels) > signal, signal=signal)
    return metrics[metrics["model"].isin(kept)]


def tracks_findings(inputs: ReportInputs) -> list[Finding]:
    """The answers of the summary for which there are inputs."""
    seeds, faithfulness, reasons = inputs.table("seeds"), inputs.table("faithfulness"), inputs.promotion_reasons
    found = [
        measured_radius_finding(inputs),
        gate_finding(seeds, inputs.driver, inputs.decodes_states and inputs.sees_signal)
        if seeds is not None and inputs.gated
        else None,
        *_prediction_findings(inputs),
        explanation_finding(faithfulness) if faithfulness is not None else None,
        promotion_finding(reasons) if reasons else None,
    ]
    return [finding for finding in found if finding is not None]


def _lead(inputs: ReportInputs) -> str:
    predictions = inputs.predictions()
    if predictions is None:
        return f"Tracks of {inputs.driver.name} without a signal: what can be said of their motion."
    target = "when the promoter is on" if inputs.decodes_states else "the signal"
    through = (
        f" through a gate that opens where the {inputs.driver.name} is below a threshold, which it had to learn"
        if inputs.gated
        else ""
    )
    return (
        f"A network was trained to predict {target}{through}. What follows is what it learned, "
        "how sure it is, and how far both can be believed. Scores are of "
        f"{predictions['track_id'].nunique()} test tracks with {len(predictions):,} frames."
    )


def tracks_report(inputs: ReportInputs, title: str, provenance: Mapping[str, str]) -> Report:
    """The whole tracks report, its figures written to `inputs.figures`."""
    figure, sections = figure_first(tracks_sections(inputs), FIGURES)
    headline = tracks_headline(inputs, figure)
    said = [measured_radius_finding(inputs), promotion_finding(inputs.promotion_reasons)] if headline else []
    findings = [finding for finding in tracks_findings(inputs) if finding not in said]
    return Report(title, _lead(inputs), findings, sections, provenance, headline)
