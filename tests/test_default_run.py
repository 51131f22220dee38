"""What README and docs/results.md claim of the default run, held against the tables that this checkout has made."""

import hashlib
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "docs"))

from default_tables import README, RESULTS, pages, rewritten  # noqa: E402

RUNS = ("reports/tracks/metrics.csv", "reports/dna/metrics.csv")
TABLE = "| model | NLL |\n|---|---|\n| a | 1 |\n"
PAGE = f"# Title\n\n## Found\n{TABLE}| b | 2 |\n\n## Else\n{TABLE}"

has_run = pytest.mark.skipif(
    not any((ROOT / path).is_file() for path in RUNS), reason="no table of a default run: `make run` makes them"
)


def table(path: str) -> pd.DataFrame:
    if not (ROOT / path).is_file():
        pytest.skip(f"no {path}: `make run` makes it")
    return pd.read_csv(ROOT / path)


def committed_digests() -> dict[str, str]:
    """MD5 of each output of the run whose dvc.lock is committed, on which the pages were written."""
    lock = subprocess.run(["git", "show", "HEAD:dvc.lock"], cwd=ROOT, capture_output=True, text=True)
    if lock.returncode:
        pytest.skip("no repository, so it can't be told which run the pages are of")
    stages = yaml.safe_load(lock.stdout)["stages"].values()
    return {out["path"]: out["md5"] for stage in stages for out in stage.get("outs", [])}


@has_run
def test_the_tables_are_those_of_the_run() -> None:
    committed = committed_digests()
    for path in RUNS:
        table(path)
        if hashlib.md5((ROOT / path).read_bytes()).hexdigest() != committed[path]:
            pytest.skip(f"{path} is of another machine or other parameters than the pages")
    for page, text in pages(ROOT).items():
        assert (ROOT / page).read_text() == text, f"{page}: `python docs/default_tables.py` writes its tables anew"


@has_run
def test_windows_are_told_apart_better_than_by_any_model_that_is_not_told_the_grammar() -> None:
    found = table("reports/dna/metrics.csv").set_index(["model", "metric"])
    leads = {name for _, name in found.loc[["network"]].index if name.startswith("auroc_minus_")}
    told = {"auroc_minus_motif_arrangement", "auroc_minus_ceiling"}
    assert len(leads) == 8 and all(found.loc[("network", name), "low"] > 0.1 for name in leads - told)
    assert all(found.loc[("network", name), "high"] < 0 for name in told)  # README says that these are not beaten
    assert found.loc[("network", "ece"), "estimate"] < 0.05


@has_run
def test_every_planted_factor_is_found_and_no_decoy() -> None:
    found = table("reports/dna/motifs/recovery.csv")
    planted = found["n_sites"] > 0  # decoys lie in the background alone
    assert planted.sum() == 4 and (found.loc[planted, "tomtom_q"] < 0.05).all()
    assert not planted.all() and found.loc[~planted, "tomtom_q"].isna().all()


def test_the_rows_of_one_table_are_written_anew() -> None:
    written = rewritten(PAGE, "Found", "| model | NLL", [["a", "5"], ["c", "6"]])
    assert written == PAGE.replace("| a | 1 |\n| b | 2 |", "| a | 5 |\n| c | 6 |") != PAGE


@pytest.mark.parametrize(("heading", "head"), [("Nowhere", "| model |"), ("Found", "| method |")])
def test_a_table_that_is_not_there_is_an_error(heading: str, head: str) -> None:
    with pytest.raises(ValueError, match=f"no table '{head.replace('|', '.')}' below '{heading}'"):
        rewritten(PAGE, heading, head, [])


def test_the_pages_have_every_table() -> None:
    """Each head line that the script looks for stands once below its heading, in README and in the results."""
    for page, heading, head in [
        (README, "What it finds", "| model | NLL (nats) |"),
        (README, "What it finds", "| model | AUROC |"),
        (RESULTS, "What it finds on the default set", "| model | NLL (nats) |"),
        (RESULTS, "What it finds on the default set", "| method | correlation of its lag profile"),
        (RESULTS, "What it finds in DNA", "| model | AUROC |"),
        (RESULTS, "What it finds in DNA", "| planted |"),
        (RESULTS, "What it finds in DNA", "| method | AUROC for planted bases"),
    ]:
        text = (ROOT / page).read_text()
        assert rewritten(text, heading, head, []).count("\n") < text.count("\n")
