"""A small system from tracks to its line in the table; the numbers are those of its evaluation."""

from pathlib import Path

import pandas as pd
import pytest

from contactlens.ops.params import Params
from contactlens.ops.systems import SystemRow, params_of
from contactlens.tracks.data.split import split_tracks
from contactlens.tracks.evaluation.systems import System, markdown_table, run_system
from contactlens.tracks.simulation.simulators import simulate_by

ROOT = Path(__file__).parents[3]
TINY = {"tracks": {"toy": {"n_tracks": 40, "n_frames": 61}, "fit": {"max_epochs": 1}, "train": {"n_seeds": 2}}}


@pytest.fixture(scope="module")
def params() -> Params:
    profile = ROOT / "profiles" / "systems_small.yaml"
    return params_of(SystemRow("toy", "unet", {"model": {"width": 4}}), ROOT / "params.yaml", [profile, TINY])


@pytest.fixture(scope="module")
def system(params: Params) -> System:
    own = params.tracks
    return System("command --width 4", own.training, own.train, own.evaluation)


def table_of(system: System, params: Params) -> pd.DataFrame:
    own = params.tracks
    tracks = simulate_by(own.resolved_task.simulator, own.simulate, own.toy, params.seed)
    return run_system(system, tracks, split_tracks(tracks, own.split, params.seed), params.seed)


def test_the_same_seed_gives_the_same_table_and_its_line_shows_it(system: System, params: Params) -> None:
    table = table_of(system, params)
    pd.testing.assert_frame_equal(table, table_of(system, params))
    assert set(table["row"]) > {"network", "network_recalibrated", "constant_gaussian"}
    assert set(table["command"]) == {"command --width 4"}
    nll = table[(table["row"] == "network") & (table["metric"] == "nll")].iloc[0]
    assert nll["low"] <= nll["estimate"] <= nll["high"]
    _, _, line = markdown_table([system], table).splitlines()
    assert line.startswith("| `command --width 4` |")
    assert f"NLL {nll['estimate']:.3f} [{nll['low']:.3f}, {nll['high']:.3f}]; CRPS " in line
    assert "constant gaussian NLL " in line
    assert "recalibrated" not in line
