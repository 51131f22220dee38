"""The first screen of the DNA report: which motifs does the model rely on, and how sure is that."""

from contactlens.dna.motifs.tomtom import called_matches
from contactlens.dna.report.findings import auroc_finding, best_baseline, explanation_finding, motif_finding
from contactlens.dna.report.inputs import DnaReportInputs
from contactlens.reporting.blocks import FigureBlock, Finding, Headline
from contactlens.reporting.tables import promotion_sentence

FIGURES = ("motifs", "comparison")  # in the order of preference
QUESTION = "Which motifs does the model rely on, and how sure is that?"


def motif_answer(inputs: DnaReportInputs) -> str:
    """The factors whose motifs raise the logit, most seqlets first, or that there are none."""
    matches = inputs.table("motifs/tomtom")
    if matches is None:
        return "None was found."
    called = called_matches(matches, inputs.table("motifs/tomtom_random"), inputs.max_q)
    names = list(dict.fromkeys(called.loc[called["pattern"].str.startswith("pos_"), "name"].astype(str)))
    if not names:
        return "None that the database knows."
    return f"{', '.join(names[:-1])} and {names[-1]}." if len(names) > 1 else f"{names[0]}."


def _model(inputs: DnaReportInputs) -> str | None:
    """How well the model does that relies on them: motifs of a model that predicts nothing say nothing."""
    metrics = inputs.table("metrics")
    found = None if metrics is None else auroc_finding(metrics)
    if metrics is None or found is None:
        return None
    beaten = {"good": "better than", "bad": "worse than", "neutral": "not told apart from"}[found.verdict]
    against = f", {beaten} the best simpler model" if best_baseline(metrics) else ""
    return f"The model that relies on them tells the labels apart with AUROC {found.answer}{against}."


def _explained(found: Finding | None) -> str | None:
    return None if found is None else f"{found.question} {found.answer}: {found.detail}"


def dna_headline(inputs: DnaReportInputs, figure: FigureBlock | None) -> Headline | None:
    """None where no motif was looked for."""
    summary, faithfulness = inputs.json("motifs/summary"), inputs.table("faithfulness")
    if summary is None:
        return None
    matches, control, recovery = (inputs.table(f"motifs/{name}") for name in ("tomtom", "tomtom_random", "recovery"))
    motifs = motif_finding(summary, matches, control, recovery, inputs.max_q)
    planted = f"{motifs.question} {motifs.answer}." if recovery is not None else None
    explained = None if faithfulness is None else explanation_finding(faithfulness, inputs.method)
    said = [motifs.detail, planted, _explained(explained), _model(inputs)]
    promotion = promotion_sentence(inputs.promotion_reasons)
    return Headline(QUESTION, motif_answer(inputs), [one for one in said if one], promotion, figure, motifs.verdict)
