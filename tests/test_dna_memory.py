"""The measurement of peak memory, benchmarks/dna_memory.py, in small sizes."""

import csv
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "dna_memory.py"


@pytest.mark.slow
def test_peaks_are_flat_and_rows_that_are_there_are_not_measured_again(tmp_path: Path) -> None:
    """48 more windows of 65,536 bp would be 24 MiB as tokens and twice that as states, of some 300. Attribution by
    integrated gradients is left out: it goes by the same parts as the short one, at some ten times its time."""
    table = tmp_path / "memory.csv"
    stages = ["import", "check", "fine_tune", "short_attribution"]
    command = [sys.executable, SCRIPT, "--windows", "16", "64", "--stages", *stages, "--table", table]
    first = subprocess.run(command, check=True, capture_output=True, text=True, timeout=1800).stdout
    rows = list(csv.DictReader(table.open()))
    assert [(row["stage"], row["windows"]) for row in rows] == [(one, n) for n in ("16", "64") for one in stages]
    for few, many in zip(rows[:4], rows[4:], strict=True):
        assert float(few["peak_mib"]) > 50 and float(many["peak_mib"]) < 1.2 * float(few["peak_mib"]), few["stage"]
    again = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    assert again.splitlines() == first.splitlines()[-4:] and all("(flat)" in line for line in again.splitlines())
