"""What 65,536 bp take on many GPUs, benchmarks/scale_plan.py, and docs/scale.md, which quotes it."""

import csv
import json
import runpy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
SCRIPT = runpy.run_path(str(ROOT / "benchmarks" / "scale_plan.py"))
PAGE = (ROOT / "docs" / "scale.md").read_text()


def plan() -> Any:
    options = SCRIPT["options_of"]([])
    return SCRIPT["plan_of"](json.loads(options.checks.read_text()), options)


def test_the_page_has_the_table_that_the_command_prints() -> None:
    assert SCRIPT["table"](plan(), 1.0) in PAGE


def test_hours_and_bytes_by_hand() -> None:
    """2.4176 s a step and 2.3040 s a pass, of the card's own file."""
    found = plan()
    assert found.training_hours(1) == pytest.approx(18_158 * 5 * 2.41764 / 3600, rel=1e-4)
    assert found.training_hours(64) == pytest.approx(284 * 5 * 2.41764 / 3600, rel=1e-4)
    assert found.window_s == pytest.approx(17 * 2.30404, rel=1e-4)
    assert (found.frozen_bytes, found.part_bytes) == (134_217_728, 1_310_720)


def test_parts_without_failures_end_when_the_last_round_of_gpus_does() -> None:
    sure = replace(plan(), mtbf_h=1e12, explained=16 * 100)
    for gpus, rounds in ((1, 100), (8, 13), (64, 2)):
        assert sure.attribution_hours(gpus) == pytest.approx(rounds * 16 * sure.window_s / 3600)


def test_failures_cost_the_part_they_strike_and_the_restart() -> None:
    """On average half a part and the restart each, of so many failures as the hours hold."""
    often = replace(plan(), mtbf_h=5.0, restart_s=3600.0, explained=160_000)
    part_h, ideal = 16 * often.window_s / 3600, 10_000 * 16 * often.window_s / 3600
    assert often.attribution_hours(1) == pytest.approx(ideal * (1 + (1 + part_h / 2) / 5.0), rel=0.05)


def test_the_page_has_the_measured_peaks_and_they_are_flat() -> None:
    """A row a stage: the peak of each number of windows, and the most over the fewest."""
    rows = list(csv.DictReader((ROOT / "benchmarks" / "dna_memory.csv").open()))
    for stage in {row["stage"] for row in rows}:
        peaks = {int(row["windows"]): float(row["peak_mib"]) for row in rows if row["stage"] == stage}
        few, many = peaks[1_000], peaks[10_000]
        assert many / few < 1.2 and f" | {few:.0f} | {many:.0f} | {many / few:.2f} |" in PAGE, stage
