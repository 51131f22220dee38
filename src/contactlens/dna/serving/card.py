"""The card of a classifier of windows: what it was trained on, how well it does, and where it must not be used."""

from collections.abc import Mapping, Sequence

from contactlens.dna.data.window_set import WindowSet
from contactlens.reporting.card import Card, metric_rows

CARD = "model_card.md"
WHAT = {"pair": "an enhancer acts on the promoter in its window", "region": "a window is a peak"}


def model_card(
    name: str,
    windows: WindowSet,
    splits: Mapping[str, Sequence[str]],
    evaluated: str,
    metrics: Mapping[str, Mapping[str, float | None]],
    origin: str,
) -> str:
    """Markdown.

    splits: window ids of each split; evaluated: the form that is served, of which `metrics` are; origin: the sentence
    that tells code and data
    """
    table = windows.windows.set_index("window_id")
    length = int((table["win_end"] - table["win_start"]).iloc[0])
    card = Card(f"{name}: windows of task {windows.task}")
    card.section(
        "What it does",
        f"Gives the probability that {WHAT[windows.task]}. What was evaluated is `{evaluated}`; `logit` is before"
        " recalibration, `probability` after it.",
    )
    card.section(
        "Data",
        f"`{windows.source}`: windows of {length:,} bp, split by chromosome. The test split was read once.",
        origin,
    )
    rows = []
    for split, ids in splits.items():
        own = table.loc[[one for one in ids if one in table.index]]
        rows.append([split, f"{len(own):,}", f"{own['label'].mean():.3f}", ", ".join(sorted(own["chrom"].unique()))])
    card.table(["split", "windows", "share of positives", "chromosomes"], rows)
    card.section("How well it does", "On the test split, with intervals:")
    card.table(["metric", "estimate", "interval"], metric_rows(metrics))
    card.section(
        "Limits",
        f"- Windows of another length than {length:,} bp are refused.",
        "- A probability holds for the share of positives of the training set; with another share it is off.",
        "- Positives and negatives may differ in distance or composition: see the baselines of the report.",
        "- One classifier: how unsure it is of itself (epistemic) is not known.",
    )
    return card.text()
