import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_every_check_for_a_gpu_runs_on_a_cpu(tmp_path: Path) -> None:
    """In small sizes; the numbers that compare two ways of computing the same are right there too."""
    out = tmp_path / "checks.json"
    command = [sys.executable, ROOT / "benchmarks/gpu_checks.py", "--small", "--device", "cpu", "--out", out]
    subprocess.run(command, check=True, capture_output=True, timeout=600)
    report = json.loads(out.read_text())
    assert {name for name, found in report.items() if isinstance(found, dict) and "failed" in found} == set()
    assert report["scan_agreement"]["agrees"]
    assert max(report["scan_agreement"]["largest_relative_error"].values()) < 1e-4
    assert report["batched_sweep"]["largest_difference_of_the_last_loss"] < 1e-4
    assert report["all_frames_attribution"]["largest_relative_difference"] < 1e-3
    assert report["tracks_training"]["fit"]["validation_nll"] > 0
