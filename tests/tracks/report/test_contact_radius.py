"""The measured radius of several groups in the report: each alone and all together; no joint one where none holds."""

from pathlib import Path

import pandas as pd
import pytest
import report_samples as samples

from contactlens.base.files import write_json
from contactlens.reporting.blocks import FigureBlock, TableBlock, TextBlock
from contactlens.tracks.report.contact_radius import measured_radius_finding, measured_radius_section
from contactlens.tracks.report.inputs import ReportInputs

GROUPS = pd.DataFrame(
    {
        "group": ["150 nm", "400 nm", "joint"],
        "tracks": [40, 40, 80],
        "median_distance": [140.2, 370.0, None],
        "bursts": [467.0, 23.0, 490.0],
        "verdict": ["upper bound", "upper bound", "radius"],
        "estimate": [63.0, 84.1, 62.0],
        "low": [0.0, 0.0, 45.0],
        "high": [98.6, 147.6, 76.3],
        "k_on_per_min": [3.9, 4.4, 4.1],
        "share_in_contact": [0.09, 0.004, None],
    }
)


@pytest.mark.parametrize("shared", [True, False])
def test_groups_are_shown_and_the_draws_only_of_a_shared_radius(shared: bool, tmp_path: Path) -> None:
    folder = tmp_path / "tracks" / "radius"
    folder.mkdir(parents=True)
    GROUPS.to_csv(folder / "groups.csv", index=False)
    laws = ("law", "log_likelihood", "difference", "low", "high", "held_out", "held_out_low", "held_out_high")
    pd.DataFrame([("step", *[0.0] * 7)], columns=laws).to_csv(folder / "laws.csv", index=False)
    pd.DataFrame({"check": ["x"], "value": [1.0], "p": [0.3], "passed": [True]}).to_csv(
        folder / "checks.csv", index=False
    )
    quantities = {"quantity": ["bias"], "value": [0.0], "standard_error": [0.1]}
    pd.DataFrame(quantities).to_csv(folder / "calibration.csv", index=False)
    radius = pd.Series([60.0, 62.0, 70.0])
    draws = {"radius": radius, "k_on_per_min": 4.0, "radius_cubed_k_on": radius**3 * 4.0}
    verdict = {
        "verdict": "radius" if shared else "not shared",
        "sentence": "A sentence.",
        "remarks": ["A remark."],
        "unit": "nm",
        "level": 0.95,
        "smooth_half": 50.0,
        **dict.fromkeys(("estimate", "low", "high", "bound"), 62.0 if shared else None),
        "tracks_used": 80,
        "tracks_in_all": 80,
        "localisation_noise": "fitted",
    }
    write_json(folder / "verdict.json", verdict)
    if shared:
        pd.DataFrame(draws).to_parquet(folder / "posterior.parquet", index=False)
    inputs = ReportInputs(tmp_path / "tracks", tmp_path / "figures", samples.DISTANCE, "a.u.")
    blocks = measured_radius_section(inputs)
    assert isinstance(blocks[0], TextBlock) and "A sentence. A remark. 80 of 80 tracks." in blocks[0].text
    tables = [block for block in blocks if isinstance(block, TableBlock)]
    assert list(tables[0].frame["group"]) == ["150 nm", "400 nm", "joint"] and len(tables) == 4
    assert sum(isinstance(block, FigureBlock) for block in blocks) == shared
    finding = measured_radius_finding(inputs)
    assert finding is not None and finding.answer == ("62 nm" if shared else "not shared")
