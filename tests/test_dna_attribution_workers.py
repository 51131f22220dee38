"""The measurement of workers and kills, benchmarks/dna_attribution_workers.py, on a few windows."""

import csv
import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "dna_attribution_workers.py"


@pytest.mark.slow
def test_workers_and_a_run_that_was_struck_twice_give_the_bytes_of_one_process(tmp_path: Path) -> None:
    """Of twelve parts; the script itself compares every file, and fails where one differs."""
    table = tmp_path / "workers.csv"
    command = [sys.executable, SCRIPT, "--windows", "192", "--table", table]
    said = subprocess.run(command, check=True, capture_output=True, text=True, timeout=1200).stdout
    at = [int(parts) for parts in re.findall(r"killed at (\d+) of 12 parts", said)]
    assert len(at) == 2 and 4 <= at[0] < 12 and at[1] >= 8
    assert said.splitlines()[-1].endswith("all files have the same bytes")
    rows = list(csv.DictReader(table.open()))
    ways = [("one process", "1"), ("workers", "2"), ("continued", "2")]
    assert [(row["way"], row["processes"]) for row in rows] == ways
