"""Decoders beside published states: a made-up file whose states are known, and the shared one."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score
from typer.testing import CliRunner

from contactlens.base.errors import InputError
from contactlens.cli.main import app
from contactlens.tracks.data.dataset import batch_of
from contactlens.tracks.evaluation.baselines.compound_hmm import CompoundHmm
from contactlens.tracks.evaluation.baselines.memory_kernel import memory_kernel
from contactlens.tracks.evaluation.config import CompoundHmmConfig
from contactlens.tracks.evaluation.published_check import (
    detection_limit,
    fill_undetected,
    matched_config,
    simulate_undetected,
)
from contactlens.tracks.simulation.simulate import SimulationConfig
from reference_files import WHOLE

ROOT = Path(__file__).parents[3]
STATES = WHOLE / "data" / "knirps_cphmm_states.csv.gz"
DECODERS = ["ms2", "ms2_slope", "compound_hmm", "network"]
SMALL = (
    "tracks.simulate.ms2_ramp_s=20",
    "tracks.simulate.ms2_dwell_s=60",
    "tracks.state_baselines.compound_hmm.restarts=1",
    "tracks.state_baselines.compound_hmm.max_iterations=8",
    "tracks.model.width=8",
    "tracks.fit.max_epochs=6",
    "tracks.fit.threads=1",
    "tracks.evaluate_states.bootstrap_replicates=200",
)
TRUE = SimulationConfig(
    n_tracks=40,
    n_frames=40,
    n_groups=4,
    frame_interval_s=20.0,
    substeps_per_frame=1,
    contact_radius_nm=1e9,
    beads=2,
    loci=(0, 1),
    k_on_per_s=0.008,
    k_off_per_s=0.012,
    loading_rate_per_s=4.0,
    ms2_noise=20.0,
    ms2_ramp_s=20.0,
    ms2_dwell_s=60.0,
)


@pytest.fixture(scope="module")
def known() -> pd.DataFrame:
    """Traces in the format of the shared file; their published states are the true ones, made a little unsure."""
    tracks = simulate_undetected(TRUE, 10.0, seed=5)
    state = batch_of(tracks).state
    assert state is not None
    frames = tracks.frames
    columns = {"fragment": frames["track_id"], "embryo": frames["group"], "time_s": frames["time_s"]}
    p_on = np.random.default_rng(0).uniform(0.1, 0.3, len(frames)) + 0.6 * state.numpy().ravel()
    return pd.DataFrame({**columns, "knirps_au": 2.0, "ms2_au": frames["ms2"], "p_on": p_on})


def decode(table: pd.DataFrame, folder: Path, name: str, *arguments: str) -> bytes:
    """The bytes of agreement.csv that the command writes for a table; raises what the command raises."""
    file = folder / "states.csv"
    table.to_csv(file, index=False)
    return run(file, folder / name, *arguments)


def run(file: Path, out: Path, *arguments: str) -> bytes:
    result = CliRunner().invoke(app, ["tracks", "published-states", str(file), "--out", str(out), *arguments])
    if result.exception is not None:
        raise result.exception
    return (out / "agreement.csv").read_bytes()


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.chdir(ROOT)
    return ["--tracks", "120", *(part for setting in SMALL for part in ("--set", setting))]


def test_decoders_are_compared_by_embryo_and_overall(known: pd.DataFrame, tmp_path: Path, small: list[str]):
    content = decode(known, tmp_path, "first", *small)
    table = pd.read_csv(tmp_path / "first" / "agreement.csv")
    embryos = sorted(known["embryo"].unique())
    assert list(table["decoder"].unique()) == DECODERS
    assert set(table["embryo"]) == {*embryos, "mean"}
    rows = table.set_index(["decoder", "metric", "embryo"])["estimate"].sort_index()
    for name, own in known.groupby("embryo"):
        assert rows["ms2", "auroc", name] == pytest.approx(roc_auc_score(own["p_on"] >= 0.5, own["ms2_au"]))
        assert rows["ms2", "spearman", name] == pytest.approx(stats.spearmanr(own["p_on"], own["ms2_au"])[0])
    mean = table[table["embryo"] == "mean"].set_index(["decoder", "metric"])
    for key, row in mean.iterrows():
        assert row["estimate"] == pytest.approx(rows.loc[key].loc[embryos].mean())
        assert row["low"] <= row["estimate"] <= row["high"]
        assert (row["fragments"], row["frames"]) == (40, 1600)
    auroc = mean["estimate"].xs("auroc", level="metric")
    assert auroc["network"] > auroc["ms2"] + 0.05 and auroc["compound_hmm"] > auroc["ms2"] + 0.05
    assert decode(known, tmp_path, "second", *small) == content


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.drop(columns="p_on"), "no column 'p_on'"),
        (lambda table: table.assign(ms2_au=0.0), "states.csv: no frame has a signal above 0"),
        (lambda table: table.assign(p_on=0.1), "states.csv: no embryo has published states both on and off"),
        (lambda table: table.assign(time_s=table["time_s"] / 20), r"a memory of 61 frames makes 2\^61 compound states"),
    ],
)
def test_a_wrong_file_is_refused_and_nothing_written(
    known: pd.DataFrame,
    tmp_path: Path,
    small: list[str],
    change: Callable[[pd.DataFrame], pd.DataFrame],
    message: str,
):
    with pytest.raises(InputError, match=message):
        decode(change(known), tmp_path, "out", *small)
    assert [path.name for path in tmp_path.iterdir()] == ["states.csv"]


@pytest.mark.slow
@pytest.mark.skipif(not STATES.is_file(), reason="it needs all published states, in ../shared/data")
def test_the_network_is_nearer_to_the_published_states_than_ms2_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(ROOT)
    run(STATES, tmp_path / "out", "--set", "tracks.fit.threads=1")
    table = pd.read_csv(tmp_path / "out" / "agreement.csv").query("metric == 'auroc'").set_index(["decoder", "embryo"])
    network, ms2 = (table.loc[name] for name in ("network", "ms2"))
    assert len(network) == 10
    assert (network["estimate"] > ms2["estimate"]).all()
    assert network.loc["mean", "low"] > ms2.loc["mean", "high"]


# Many weak polymerases: their noise, which the HMM takes for independent between frames, is small.
MATCHED = SimulationConfig(
    n_tracks=120,
    n_frames=80,
    frame_interval_s=20.0,
    substeps_per_frame=1,
    contact_radius_nm=1e9,
    beads=2,
    loci=(0, 1),
    k_on_per_s=0.008,
    k_off_per_s=0.012,
    loading_rate_per_s=4.0,
    polymerase_signal=1.0,
    ms2_noise=20.0,
    ms2_ramp_s=20.0,
    ms2_dwell_s=80.0,
)


def test_matched_traces_have_the_parameters_of_the_traces_they_match():
    batch = batch_of(simulate_undetected(MATCHED, 10.0, seed=0))
    signal, observed = batch.signal.numpy().astype(float), batch.observed.numpy()
    assert (signal == 0).mean() > 0.1 and signal[signal > 0].min() >= 10
    limit = detection_limit(signal, observed)
    assert 10 <= limit < 15
    kernel = memory_kernel(MATCHED.ms2_ramp_s, MATCHED.ms2_dwell_s, MATCHED.frame_interval_s)
    hmm = CompoundHmm.fit(fill_undetected(signal, limit, 1), observed, kernel, CompoundHmmConfig(1, 20, 1e-4, 120), 0)
    matched = matched_config(hmm, MATCHED.ms2_ramp_s, MATCHED.ms2_dwell_s, MATCHED.n_tracks, MATCHED.n_frames)
    for name in ("k_on_per_s", "k_off_per_s"):
        assert getattr(matched, name) == pytest.approx(getattr(MATCHED, name), rel=0.2), name
    level = matched.loading_rate_per_s * matched.polymerase_signal
    assert level == pytest.approx(MATCHED.loading_rate_per_s * MATCHED.polymerase_signal, rel=0.1)
    again = batch_of(simulate_undetected(matched, limit, seed=2)).signal.numpy()
    assert again.mean() == pytest.approx(signal.mean(), rel=0.1)
    assert again.std() == pytest.approx(signal.std(), rel=0.1)


def test_only_what_was_not_detected_is_filled():
    signal = np.array([[0.0, 30.0], [5.0, 0.0]])
    filled = fill_undetected(signal, 10.0, seed=0)
    assert filled[0, 1] == 30
    assert (filled.ravel()[[0, 2, 3]] != signal.ravel()[[0, 2, 3]]).all()
    many = fill_undetected(np.zeros((100, 100)), 10.0, seed=0)
    assert many.std() == pytest.approx(10, rel=0.05) and abs(many.mean()) < 0.5
