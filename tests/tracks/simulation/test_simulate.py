import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from contactlens.base.errors import InputError
from contactlens.tracks.data.track_set import VECTOR_COLUMNS, TrackSet
from contactlens.tracks.simulation.config import SimulationConfig
from contactlens.tracks.simulation.experiment import CHUNK
from contactlens.tracks.simulation.ms2 import polymerase_response, signal_of
from contactlens.tracks.simulation.promoter import Bursts, load_polymerases
from contactlens.tracks.simulation.simulate import contact_kernel, polymerase_kernel, simulate, simulation_of

SMALL = SimulationConfig(n_tracks=120, n_frames=121, n_groups=4)


@pytest.fixture(scope="module")
def tracks() -> TrackSet:
    return simulate(SMALL, seed=11)


def grid(table: pd.DataFrame, column: str, n: int = 120, frames: int = 121) -> np.ndarray:
    return table[column].to_numpy().reshape(n, frames)


def test_true_distance_is_maxwell_with_the_asked_mean(tracks: TrackSet) -> None:
    """One frame of each track: frames of one track stay correlated (0.37 after half an hour)."""
    distance = grid(tracks.truth.separation, "ep_distance_nm")[:, 60]
    scale = 300 / np.sqrt(8 / np.pi)
    assert stats.kstest(distance, stats.maxwell(scale=scale).cdf).pvalue > 1e-3


def test_localisation_noise_has_its_sd_on_each_axis() -> None:
    config = dataclasses.replace(SMALL, localisation_noise_nm=(10.0, 20.0, 60.0))
    noisy = simulate(config, seed=3)
    for axis, sd in zip(VECTOR_COLUMNS, (10.0, 20.0, 60.0), strict=True):
        noise = noisy.frames[axis] - noisy.truth.separation[axis]
        assert noise.std() == pytest.approx(sd, rel=0.03)
        assert abs(noise.mean()) < 4 * sd / np.sqrt(len(noise))


def test_signal_without_noise_is_the_sum_over_the_loading_times_in_the_truth() -> None:
    config = dataclasses.replace(SMALL, n_tracks=12, ms2_noise=0.0, polymerase_signal=3.0, bleaching_time_s=1800.0)
    track_set = simulate(config, seed=4)
    for name, track in track_set.frames.groupby("track_id"):  # noqa: B007  (used by query)
        loading = track_set.truth.pol2_loading.query("track_id == @name")["time_s"].to_numpy()
        lag = track["time_s"].to_numpy() - loading[:, None]
        expected = 3.0 * polymerase_response(lag, 28.0, 140.0).sum(axis=0) * np.exp(-track["time_s"] / 1800.0)
        np.testing.assert_allclose(track["ms2"], expected, atol=1e-9)


def test_bursts_begin_at_effective_on_events_and_never_overlap(tracks: TrackSet) -> None:
    truth = tracks.truth
    started = truth.promoter_state.query("start_s >= 0")[["track_id", "start_s"]].to_numpy().tolist()
    effective = truth.on_events.query("effective")[["track_id", "time_s"]].to_numpy().tolist()
    assert started == effective
    gap = truth.promoter_state.groupby("track_id").apply(lambda b: (b["start_s"] - b["end_s"].shift()).min())
    assert gap.min() >= 0


def test_bursts_begin_near_a_frame_in_contact(tracks: TrackSet) -> None:
    """The truth's separation is kept per frame, the contact rule acts in between: the nearest frame is mostly close."""
    truth = tracks.truth
    distance = dict(iter(truth.separation.groupby("track_id")["ep_distance_nm"]))
    effective = truth.on_events.query("effective and time_s < 3570")
    frame = (effective["time_s"] / 30).round().astype(int)
    near = np.array([distance[t].iloc[f] for t, f in zip(effective["track_id"], frame, strict=True)])
    assert np.median(near) < 130
    assert near.max() < 400


def test_first_frame_is_as_stationary_as_the_last() -> None:
    track_set = simulate(dataclasses.replace(SMALL, n_tracks=1500, n_frames=61), seed=8)
    signal = grid(track_set.frames, "ms2", 1500, 61)
    first, last = signal[:, 0], signal[:, -1]
    error = np.sqrt((first.var() + last.var()) / 1500)
    assert abs(first.mean() - last.mean()) < 4 * error


def test_a_wider_radius_gives_more_bursts_and_none_gives_none() -> None:
    counts = [
        len(simulate(dataclasses.replace(SMALL, contact_radius_nm=radius), 1).truth.promoter_state)
        for radius in (1e-3, 60.0, 100.0, 200.0)
    ]
    assert counts[0] == 0
    assert counts == sorted(counts)


def test_same_seed_same_bytes_and_the_first_tracks_do_not_depend_on_how_many_follow(tmp_path: Path) -> None:
    small = dataclasses.replace(SMALL, n_tracks=CHUNK, n_frames=11)
    for name in ("a", "b"):
        simulate(small, 5).write(tmp_path / name)
    files = [path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*.*")]
    assert len(files) == 6
    assert all((tmp_path / "a" / f).read_bytes() == (tmp_path / "b" / f).read_bytes() for f in files)
    more = simulate(dataclasses.replace(small, n_tracks=CHUNK + 7), 5)
    less = TrackSet.read(tmp_path / "a")
    pd.testing.assert_frame_equal(more.frames.iloc[: len(less.frames)], less.frames, check_dtype=False)
    assert not np.array_equal(simulate(small, 6).frames["ms2"], less.frames["ms2"])


def test_missing_frames_are_absent() -> None:
    track_set = simulate(dataclasses.replace(SMALL, missing_fraction=0.2), 2)
    assert len(track_set.frames) == pytest.approx(0.8 * 120 * 121, rel=0.02)
    assert not track_set.frames.duplicated(["track_id", "frame"]).any()


def test_rates_of_the_configuration_are_those_of_the_tables() -> None:
    """Counts against Poisson means; the length of the bursts that began in the first half of the imaged time."""
    config = dataclasses.replace(SMALL, contact_radius_nm=250.0, k_on_per_s=0.05, k_off_per_s=0.02)
    truth = simulate(config, seed=9).truth
    duration = 120 * 30.0
    expected = 0.05 * duration * 120
    assert abs(len(truth.on_events) - expected) < 4 * np.sqrt(expected)
    bursts = truth.promoter_state
    length = (bursts["end_s"] - bursts["start_s"])[bursts["start_s"].between(0, duration / 2)]
    assert abs(length.mean() - 50) < 4 * 50 / np.sqrt(len(length))
    on = (bursts["end_s"].clip(upper=duration) - bursts["start_s"].clip(lower=0)).sum()
    loaded = (truth.pol2_loading["time_s"] >= 0).sum()
    assert abs(loaded - config.loading_rate_per_s * on) < 4 * np.sqrt(loaded)


def test_signal_noise_has_its_sd_where_nothing_is_transcribed() -> None:
    silent = simulate(dataclasses.replace(SMALL, contact_radius_nm=1e-3, ms2_noise=5.0), seed=2).frames["ms2"]
    assert silent.std() == pytest.approx(5.0, rel=0.03)
    assert abs(silent.mean()) < 4 * 5 / np.sqrt(len(silent))


def test_tracks_are_dealt_to_the_groups_in_turn(tracks: TrackSet) -> None:
    groups = tracks.frames.groupby("track_id")["group"].unique()
    assert (groups.map(len) == 1).all()
    assert groups.map(lambda g: g[0]).tolist() == [f"experiment_{i % 4:02d}" for i in range(120)]


def test_contact_kernel_is_the_mean_signal_after_a_burst_began() -> None:
    """Bursts drawn one by one at time 0, their polymerases loaded and summed as the simulator does."""
    n, frames = 40_000, 31
    rng = np.random.default_rng(7)
    start = np.zeros(n)
    bursts = Bursts(np.arange(n), start, rng.exponential(180.0, n), np.arange(n))
    loading = load_polymerases(bursts, SMALL.loading_rate_per_s, 900.0, rng)
    signal = signal_of(loading, n, frames, 30.0, SMALL.ms2_ramp_s, SMALL.ms2_dwell_s)
    expected = contact_kernel(SMALL, np.arange(frames) * 30.0)
    assert (np.abs(signal.mean(axis=0) - expected) <= 4.5 * signal.std(axis=0) / np.sqrt(n)).all()


def test_kernels_are_the_parts_of_the_signal() -> None:
    lag = np.arange(-60.0, 900.0, 30.0)
    assert polymerase_kernel(SMALL, lag).max() == 1.0
    contact = contact_kernel(SMALL, lag)
    assert contact[lag <= 0].max() == 0
    assert 100 < lag[contact.argmax()] <= 150


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("n_tracks", 0),
        ("contact_radius_nm", -1.0),
        ("ms2_ramp_s", 200.0),
        ("missing_fraction", 1.0),
        ("loci", (60, 40)),
        ("loci", (1, 2, 3)),
        ("localisation_noise_nm", (1.0, -1.0, 1.0)),
        ("localisation_noise_nm", (1.0, 2.0)),
        ("substeps_per_frame", 1.5),
        ("k_on_per_s", float("inf")),
        ("ms2_noise", float("nan")),
        ("bleaching_time_s", 0.0),
    ],
)
def test_an_impossible_value_is_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(InputError, match=rf"SimulationConfig.{field}"):
        dataclasses.replace(SMALL, **{field: value})


def test_the_configuration_can_be_read_back_from_the_truth(tracks: TrackSet, tmp_path: Path) -> None:
    tracks.write(tmp_path / "tracks")
    assert simulation_of(TrackSet.read(tmp_path / "tracks")) == SMALL
    assert simulation_of(dataclasses.replace(tracks, source="a lab")) is None
