"""Writes the tables of README.md and docs/results.md from what a default run has left under reports/.

python docs/default_tables.py [--run FOLDER]

The text around the tables is written by hand; `git diff` shows which numbers of it to look at again.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

ROOT = Path(__file__).parents[1]
README, RESULTS = Path("README.md"), Path("docs/results.md")
SIGNALS = {
    "ensemble": "ensemble of the seeds",
    "network": "network, best seed",
    "constant_gaussian": "constant Gaussian",
    "contact_filter": "contact indicator x causal filter (ridge)",
    "boosted_trees": "boosted trees on windowed features",
}
WINDOWS = {
    "ceiling": "ceiling, given the true sites",
    "network": "network",
    "motif_arrangement": "motif scan told strands and places",
    "cnn": "CNN",
    "motif_scan": "motif scan",
    "kmer_products": "k-mers, with products of enhancer and promoter",
}
MORE_WINDOWS = {
    **WINDOWS,
    "kmer_logistic": "k-mers, additive",
    "distance": "distance only",
    "element_propensity": "element propensity",
}
OF_FRAMES = {
    "integrated_gradients": "integrated gradients",
    "gradient_shap": "gradient SHAP",
    "saliency": "saliency",
    "noise_tunnel(saliency)": "saliency of noisy inputs (SmoothGrad)",
    "occlusion": "occlusion",
    "feature_ablation": "feature ablation",
    "guided_backprop": "guided backprop",
    "input_x_gradient": "input x gradient",
    "random": "random control",
}
OF_BASES = {
    "mutagenesis": "mutagenesis",
    "region_integrated_gradients": "integrated gradients, one element at a time",
    "region_shuffled_integrated_gradients": "the same from dinucleotide shuffles",
    "shuffled_integrated_gradients": "integrated gradients from dinucleotide shuffles",
    "saliency": "saliency",
    "gradient_shap": "gradient SHAP",
    "integrated_gradients": "integrated gradients",
    "lrp": "LRP",
}


# Columns of tables: what is added to a model's name, and the metric.
Columns = Sequence[tuple[str, str]]
BRIEF = [("", "nll"), ("_recalibrated", "nll"), ("", "crps"), ("", "coverage_90")]
FULL = [("", "nll"), ("", "crps"), ("", "r2"), ("_recalibrated", "nll"), ("_recalibrated", "crps")]
RANKED = [("", "auroc"), ("", "auprc")]
EXPLAINED = [("", "lag_correlation"), ("", "contact_auroc"), ("", "infidelity")]


class Table(NamedTuple):
    """The rows below the line that starts with `head`, in the section `heading` of a page."""

    page: Path
    heading: str
    head: str
    rows: list[list[str]]


def tables(run: Path) -> list[Table]:
    """Of the default run in that folder."""
    reports = run / "reports"
    tracks, dna = (_keyed(reports / branch / "metrics.csv", ["model", "metric"]) for branch in ("tracks", "dna"))
    frames = _keyed(reports / "tracks/faithfulness.csv", ["output", "method", "metric"]).loc["mean"]
    bases = _keyed(reports / "dna/faithfulness.csv", ["control", "method", "metric"])
    signals, windows = "| model | NLL (nats) |", "| model | AUROC |"
    short, default, of_dna = "What it finds", "What it finds on the default set", "What it finds in DNA"
    return [
        Table(README, short, signals, _rows(tracks, SIGNALS, BRIEF)),
        Table(README, short, windows, _rows(dna, WINDOWS, RANKED)),
        Table(RESULTS, default, signals, _rows(tracks, SIGNALS, FULL)),
        Table(RESULTS, default, "| method | correlation of its lag profile", _rows(frames, OF_FRAMES, EXPLAINED)),
        Table(RESULTS, of_dna, windows, _rows(dna, MORE_WINDOWS, RANKED)),
        Table(RESULTS, of_dna, "| planted |", _recovery(reports / "dna/motifs/recovery.csv")),
        Table(RESULTS, of_dna, "| method | AUROC for planted bases", _attribution(bases)),
    ]


def _rows(found: pd.DataFrame, labels: Mapping[str, str], columns: Columns) -> list[list[str]]:
    """A row for each of `labels`, by the model's or method's name in `found`."""
    return [
        [label, *(_interval(found.loc[(f"{name}{ending}", metric)]) for ending, metric in columns)]
        for name, label in labels.items()
    ]


def _keyed(path: Path, keys: list[str]) -> pd.DataFrame:
    return pd.read_csv(path).set_index(keys).sort_index()


def _interval(row: pd.Series, digits: int = 3) -> str:
    estimate, low, high = (f"{row[name]:.{digits}f}" for name in ("estimate", "low", "high"))
    return f"{estimate} [{low}, {high}]"


def _recovery(path: Path) -> list[list[str]]:
    """Of the planted factors; a decoy has no site in an element."""
    found = pd.read_csv(path)
    shares = ["hit_precision", "hit_recall", "precision", "recall"]
    return [
        [row["TF"].upper(), f"{row['tomtom_q']:.0e}", f"{row['rank']:.0f}", *(f"{row[name]:.2f}" for name in shares)]
        for _, row in found[found["n_sites"] > 0].iterrows()
    ]


def _attribution(bases: pd.DataFrame) -> list[list[str]]:
    """By how well a method finds planted bases, the best first."""
    order = sorted(OF_BASES, key=lambda method: -bases.loc[(False, method, "planted_auroc"), "estimate"])
    rows = []
    for method in order:
        permuted = bases.loc[(True, method, "planted_auroc"), "estimate"]
        others = [bases.loc[(False, method, name)] for name in ("deletion_gain", "mutation_correlation")]
        planted = f"{_interval(bases.loc[(False, method, 'planted_auroc')])} ({permuted:.3f})"
        effects = "1 (by definition)" if method == "mutagenesis" else _interval(others[1], 2)
        rows.append([OF_BASES[method], planted, _interval(others[0], 2), effects])
    return rows


def rewritten(page: str, heading: str, head: str, rows: Sequence[Sequence[str]]) -> str:
    """The page with the rows of one table put in the place of those that it has.

    Raises ValueError where the page has no such table.
    """
    lines = page.split("\n")
    try:
        section = lines.index(f"## {heading}")
        first = next(n for n in range(section, len(lines)) if lines[n].startswith(head)) + 2
    except (ValueError, StopIteration):
        raise ValueError(f"no table {head!r} below {heading!r}") from None
    last = next((n for n in range(first, len(lines)) if not lines[n].startswith("|")), len(lines))
    return "\n".join([*lines[:first], *(f"| {' | '.join(row)} |" for row in rows), *lines[last:]])


def pages(run: Path, root: Path = ROOT) -> Mapping[Path, str]:
    """README.md and docs/results.md of `root` with the tables of a run."""
    texts = {page: (root / page).read_text() for page in (README, RESULTS)}
    for table in tables(run):
        texts[table.page] = rewritten(texts[table.page], table.heading, table.head, table.rows)
    return texts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, default=ROOT, help="folder in which `make run` has ended")
    for page, text in pages(parser.parse_args().run).items():
        (ROOT / page).write_text(text)


if __name__ == "__main__":
    main()
