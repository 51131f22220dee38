"""The DNA report: which figures and tables answer which question."""

from collections.abc import Callable, Iterable, Mapping

import pandas as pd

from contactlens.dna.data.names import NETWORK, RECALIBRATED
from contactlens.dna.report.captions import caption
from contactlens.dna.report.data import sweep_section, training_section, window_section
from contactlens.dna.report.explanations import (
    attribution_section,
    faithfulness_section,
    helix_section,
    motif_section,
)
from contactlens.dna.report.figures import evaluation
from contactlens.dna.report.figures.evaluation import model_name
from contactlens.dna.report.findings import (
    auroc_finding,
    calibration_finding,
    conservation_finding,
    explanation_finding,
    motif_finding,
)
from contactlens.dna.report.headline import FIGURES, dna_headline
from contactlens.dna.report.inputs import DnaReportInputs
from contactlens.reporting.blocks import Block, Finding, Report, Section, TableBlock, figure_first
from contactlens.reporting.tables import promotion_finding, promotion_table, with_interval

DIFFERENCE = "_minus_"
ACCURACY = ["auroc", "auprc", "accuracy", "balanced_accuracy", "f1"]
CALIBRATION = ["nll", "brier", "ece"]
WORDS = {
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "nll": "NLL (nats per window)",
    "brier": "Brier score",
    "ece": "ECE",
    "f1": "F1",
}


def _words(metric: str) -> str:
    return WORDS.get(metric, metric.replace("_", " "))


def metric_table(metrics: pd.DataFrame, models: Iterable[str], chosen: Iterable[str]) -> pd.DataFrame:
    """One row a model, one column a metric, each with its interval."""
    models = [model for model in models if model in set(metrics["model"])]
    chosen = [name for name in chosen if name in set(metrics["metric"])]
    cells = metrics.assign(cell=with_interval(metrics)).set_index(["model", "metric"])["cell"]
    table = cells.unstack("metric", sort=False).loc[models, chosen]  # noqa: PD010
    return table.rename(index=model_name, columns=_words).reset_index().rename_axis(columns=None)


def difference_table(metrics: pd.DataFrame) -> pd.DataFrame:
    """network, baseline, and a column a score: the network's less the baseline's, as they are and recalibrated."""
    rows = metrics[metrics["metric"].str.contains(DIFFERENCE, regex=False)]
    parts = rows["metric"].str.partition(DIFFERENCE)
    cells = pd.DataFrame({"network": rows["model"].map(model_name), "baseline": parts[2].map(model_name)})
    cells = cells.assign(score=parts[0].map(_words), difference=with_interval(rows))
    table = cells.set_index(["network", "baseline", "score"])["difference"].unstack("score", sort=False)  # noqa: PD010
    return table.reset_index().rename_axis(columns=None)


def discrimination_section(inputs: DnaReportInputs) -> list[Block]:
    metrics, roc, pr = (inputs.table(name) for name in ("metrics", "roc", "pr"))
    predictions = inputs.predictions()
    if metrics is None:
        return []
    models = [str(model) for model in dict.fromkeys(metrics["model"]) if not str(model).endswith(RECALIBRATED)]
    figure = evaluation.comparison_figure(metrics)
    blocks: list[Block] = [inputs.figure("comparison", figure, metrics, caption("comparison"))]
    if roc is not None and pr is not None:
        figure = evaluation.curves_figure(roc, pr, metrics)
        frame = pd.concat({"roc": roc, "pr": pr}, names=["curve", None]).reset_index("curve")
        blocks.append(inputs.figure("curves", figure, frame, caption("curves")))
    blocks.append(TableBlock(metric_table(metrics, models, ACCURACY), caption("accuracy")))
    blocks.append(TableBlock(difference_table(metrics), caption("differences")))
    if predictions is not None:
        figure = evaluation.score_figure(predictions, models)
        blocks.append(inputs.figure("scores", figure, predictions, caption("scores")))
    return blocks


def calibration_section(inputs: DnaReportInputs) -> list[Block]:
    reliability, predictions, metrics = inputs.table("reliability"), inputs.predictions(), inputs.table("metrics")
    blocks: list[Block] = []
    if reliability is not None and predictions is not None:
        figure = evaluation.reliability_figure(reliability, predictions)
        blocks.append(inputs.figure("reliability", figure, reliability, caption("reliability")))
    if metrics is not None:
        table = metric_table(metrics, [NETWORK, NETWORK + RECALIBRATED], CALIBRATION)
        blocks.append(TableBlock(table, caption("calibration")))
    return blocks


def promotion_section(inputs: DnaReportInputs) -> list[Block]:
    reasons = inputs.promotion_reasons
    return [TableBlock(promotion_table(reasons), caption("promotion"))] if reasons else []


SECTIONS: list[tuple[str, str, Callable[[DnaReportInputs], list[Block]]]] = [
    ("Windows", "What goes in, and whether anything but sequence tells the labels apart.", window_section),
    ("Discrimination", "Whether a network was needed at all.", discrimination_section),
    ("Calibration", "Whether a predicted probability is one.", calibration_section),
    ("Where the model looks", "Which bases raise or lower the logit.", attribution_section),
    ("Helix", "One window, with its enhancer and promoter, to look at.", helix_section),
    (
        "Motifs",
        "Which transcription factors' motifs the promoted model, or else the candidate, relies on.",
        motif_section,
    ),
    ("Faithfulness", "Whether these explanations say what the model does.", faithfulness_section),
    ("Training", "What was learned without labels, and whether training had converged.", training_section),
    ("Sweep", "What the search for the fine-tuning tried.", sweep_section),
    ("Promotion", "Whether this model may replace the one in use.", promotion_section),
]


def dna_sections(inputs: DnaReportInputs) -> list[Section]:
    """Draw every figure whose inputs are there; a section with nothing to show is left out."""
    found = [(title, intro, build(inputs)) for title, intro, build in SECTIONS]
    return [Section(title, intro, blocks) for title, intro, blocks in found if blocks]


def dna_findings(inputs: DnaReportInputs) -> list[Finding]:
    """The answers of the summary for which there are inputs."""
    metrics, faithfulness, conservation = (inputs.table(name) for name in ("metrics", "faithfulness", "conservation"))
    summary, reasons = inputs.json("motifs/summary"), inputs.promotion_reasons
    matches, control, recovery = (inputs.table(f"motifs/{name}") for name in ("tomtom", "tomtom_random", "recovery"))
    found = [
        auroc_finding(metrics) if metrics is not None else None,
        calibration_finding(metrics) if metrics is not None else None,
        explanation_finding(faithfulness, inputs.method) if faithfulness is not None else None,
        conservation_finding(conservation) if conservation is not None else None,
        motif_finding(summary, matches, control, recovery, inputs.max_q) if summary is not None else None,
        promotion_finding(reasons) if reasons else None,
    ]
    return [finding for finding in found if finding is not None]


def _lead(inputs: DnaReportInputs) -> str:
    windows = inputs.windows
    what = {
        "pair": "whether the enhancer and the promoter of a window interact",
        "region": "whether a window is a peak",
    }[windows.task]
    predictions = inputs.predictions()
    scored = (
        "" if predictions is None else f" Scores are of {len(predictions):,} windows on chromosomes kept for testing."
    )
    return (
        f"A network that reads DNA the same from either strand was trained to say {what}, from {windows.length:,} "
        f"bases. What follows is how well it does, which bases and motifs it relies on, and how far that can be "
        f"believed.{scored}"
    )


def dna_report(inputs: DnaReportInputs, title: str, provenance: Mapping[str, str]) -> Report:
    """The whole DNA report, its figures written to `inputs.figures`."""
    figure, sections = figure_first(dna_sections(inputs), FIGURES)
    headline = dna_headline(inputs, figure)
    said = [promotion_finding(inputs.promotion_reasons)] if headline else []
    findings = [finding for finding in dna_findings(inputs) if finding not in said]
    return Report(title, _lead(inputs), findings, sections, provenance, headline)
