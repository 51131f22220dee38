"""The measurement of workers and kills, benchmarks/dna_attribution_workers.py, on a few windows."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "dna_attribution_workers.py"


@pytest.mark.slow
def test_workers_and_runs_that_were_killed_give_the_bytes_of_one_process() -> None:
    """Of ten parts; the script itself compares every file, and fails where one differs."""
    command = [sys.executable, SCRIPT, "--windows", "160", "--length", "200"]
    said = subprocess.run(command, check=True, capture_output=True, text=True, timeout=1200).stdout.splitlines()
    starts = ["one process", "workers", "killed twice", "killed twice", "killed twice"]
    assert [line[:22].strip() for line in said[:-1]] == starts
    at = [int(match[1]) for line in said if (match := re.search(r"killed at (\d+) parts", line))]
    assert len(at) == 2 and 3 <= at[0] <= at[1] < 10 and at[1] >= 6
    assert said[-1].endswith("all files have the same bytes")
