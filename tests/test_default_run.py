"""What README and docs/results.md claim of the default run, held against that run's tables where this checkout has made
them."""

import re
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parents[1]
RESULTS, README = ROOT / "docs" / "results.md", ROOT / "README.md"
RUNS = ("reports/tracks/metrics.csv", "reports/dna/metrics.csv")
INTERVAL = r"(-?\d+\.\d+) \[(-?\d+\.\d+), (-?\d+\.\d+)\]"
TRACKS, DNA, SHORT = "What it finds on the default set", "What it finds in DNA", "What it finds"
SIGNALS = {
    "ensemble of the seeds": "ensemble",
    "network, best seed": "network",
    "constant Gaussian": "constant_gaussian",
    "contact indicator x causal filter \\(ridge\\)": "contact_filter",
    "boosted trees on windowed features": "boosted_trees",
}
WINDOWS = {
    "network": "network",
    "motif scan": "motif_scan",
    "k-mers, with products of enhancer and promoter": "kmer_products",
    "CNN": "cnn",
}

if not any((ROOT / path).is_file() for path in RUNS):
    pytest.skip("no table of a default run: `make run` makes them", allow_module_level=True)


def table(path: str) -> pd.DataFrame:
    if not (ROOT / path).is_file():
        pytest.skip(f"no {path}: `make run` makes it")
    return pd.read_csv(ROOT / path)


def claimed(page: Path, heading: str, row: str) -> list[tuple[str, ...]]:
    """Estimate and ends of each interval in a row of the tables below a heading."""
    section = page.read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    (line,) = re.findall(rf"^\| {row} \|(.*)\|$", section, re.M)[:1]
    return re.findall(INTERVAL, line)


def measured(found: pd.DataFrame, columns: list[tuple[str, str]]) -> list[tuple[str, ...]]:
    """Estimate and ends of each (model, metric), as the pages write them."""
    rows = found.set_index(["model", "metric"])
    return [tuple(f"{value:.3f}" for value in rows.loc[key, ["estimate", "low", "high"]]) for key in columns]


@pytest.mark.parametrize("row", SIGNALS)
def test_the_tables_of_tracks_are_those_of_the_run(row: str) -> None:
    found, model = table("reports/tracks/metrics.csv"), SIGNALS[row]
    own = [(model, metric) for metric in ("nll", "crps", "r2")]
    recalibrated = [(f"{model}_recalibrated", metric) for metric in ("nll", "crps")]
    assert claimed(RESULTS, TRACKS, row) == measured(found, own + recalibrated)
    short = [(model, "nll"), (f"{model}_recalibrated", "nll"), (model, "crps"), (model, "coverage_90")]
    assert claimed(README, SHORT, row) == measured(found, short)


@pytest.mark.parametrize("row", WINDOWS)
def test_the_tables_of_windows_are_those_of_the_run(row: str) -> None:
    found, model = table("reports/dna/metrics.csv"), WINDOWS[row]
    expected = measured(found, [(model, "auroc"), (model, "auprc")])
    assert claimed(RESULTS, DNA, row) == expected
    assert claimed(README, SHORT, row) == expected


def test_windows_are_told_apart_better_than_by_any_baseline_that_is_not_given_the_motifs() -> None:
    found = table("reports/dna/metrics.csv").set_index(["model", "metric"])
    assert found.loc[("network", "auroc"), "low"] > 0.9
    leads = {name for _, name in found.loc[["network"]].index if name.startswith("auroc_minus_")}
    given = {"auroc_minus_motif_scan"}
    assert len(leads) == 6 and all(found.loc[("network", name), "low"] > 0 for name in leads - given)
    assert found.loc[("motif_scan", "auroc"), "low"] > 0.97  # README says that it is level with the network


def test_every_planted_factor_is_found_and_no_decoy() -> None:
    found = table("reports/dna/motifs/recovery.csv")
    planted = found["n_sites"] > 0  # decoys lie in the background alone
    assert planted.sum() == 4 and (found.loc[planted, "tomtom_q"] < 0.05).all()
    assert not planted.all() and found.loc[~planted, "tomtom_q"].isna().all()
