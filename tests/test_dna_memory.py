"""The measurement of peak memory, benchmarks/dna_memory.py, in small sizes."""

import csv
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "dna_memory.py"


@pytest.mark.slow
def test_peaks_are_flat_and_rows_that_are_there_are_not_measured_again(tmp_path: Path) -> None:
    """48 more windows of 65,536 bp would be 24 MiB as tokens and twice that as states, of some 300."""
    table = tmp_path / "memory.csv"
    command = [sys.executable, SCRIPT, "--windows", "16", "64", "--length", "65536", "--table", table]
    first = subprocess.run(command, check=True, capture_output=True, text=True, timeout=1800).stdout
    rows = list(csv.DictReader(table.open()))
    stages = ["import", "check", "fine_tune", "attribution", "short_attribution"]
    assert [(row["stage"], row["windows"]) for row in rows] == [(one, n) for n in ("16", "64") for one in stages]
    for few, many in zip(rows[:5], rows[5:], strict=True):
        assert float(few["peak_mib"]) > 50 and float(many["peak_mib"]) < 1.2 * float(few["peak_mib"]), few["stage"]
    again = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    assert again.splitlines() == first.splitlines()[-5:] and all("(flat)" in line for line in again.splitlines())
