"""What README claims of the default run, held against that run's tables where this checkout has made them."""

import re
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
INTERVAL = r"(-?\d+\.\d+) \[(-?\d+\.\d+), (-?\d+\.\d+)\]"


def table(path: str) -> pd.DataFrame:
    if not (ROOT / path).is_file():
        pytest.skip(f"no {path}: `make run` makes it")
    return pd.read_csv(ROOT / path)


def claimed(heading: str, row: str) -> list[tuple[str, ...]]:
    """Estimate and ends of each interval in a row of the table below a heading."""
    (line,) = re.findall(rf"^\| {row} \|(.*)\|$", README.split(f"\n## {heading}\n")[1].split("\n## ")[0], re.M)[:1]
    return re.findall(INTERVAL, line)


@pytest.mark.parametrize(
    ("heading", "reports", "row", "model", "metrics"),
    [
        ("What it finds on the default set", "reports/tracks", "network", "network", ("nll", "crps", "r2")),
        (
            "What it finds on the default set",
            "reports/tracks",
            "constant Gaussian",
            "constant_gaussian",
            ("nll", "crps"),
        ),
        ("What it finds in DNA", "reports/dna", "network", "network", ("auroc", "auprc")),
        ("What it finds in DNA", "reports/dna", "CNN", "cnn", ("auroc", "auprc")),
    ],
)
def test_the_tables_of_the_readme_are_those_of_the_run(
    heading: str, reports: str, row: str, model: str, metrics: tuple[str, ...]
) -> None:
    found = table(f"{reports}/metrics.csv").set_index(["model", "metric"])
    for metric, numbers in zip(metrics, claimed(heading, row), strict=False):
        expected = found.loc[(model, metric), ["estimate", "low", "high"]].tolist()
        assert list(numbers) == [f"{value:.3f}" for value in expected], (model, metric)


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
