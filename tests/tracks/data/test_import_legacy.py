"""The legacy pickle gives tracks with their truth, and whatever else a pickle may ask for is not run."""

import pickle
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from malicious_pickles import RUN_BY_PICKLE, attacks
from track_inputs import legacy_track, write_legacy

from contactlens.base.errors import InputError
from contactlens.tracks.data.importing.legacy import import_legacy
from contactlens.tracks.data.track_set import TrackSet


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_every_protocol_gives_the_tracks_and_their_truth(tmp_path: Path, protocol: int) -> None:
    originals = [legacy_track(frames=10 + i, seed=i) for i in range(3)]
    path = write_legacy(tmp_path / "legacy.pkl", originals, protocol)
    tracks, report = import_legacy(path)
    assert (report.tracks, report.frames, tracks.frame_interval_s) == (3, 33, 30)
    truth = tracks.truth
    assert truth is not None
    for i, original in enumerate(originals):
        frames = tracks.frames[tracks.frames["track_id"] == str(i)]
        np.testing.assert_array_equal(frames["time_s"], original.observation_times)
        np.testing.assert_array_equal(frames[["ep_x_nm", "ep_y_nm", "ep_z_nm"]].T, original.ep_sep_obs_noisy)
        np.testing.assert_array_equal(frames["ms2"], original.MS2_signal_noisy)
        separation = truth.separation[truth.separation["track_id"] == str(i)]
        np.testing.assert_array_equal(separation[["ep_x_nm", "ep_y_nm", "ep_z_nm"]].T, original.ep_sep_obs)
        events = truth.on_events[truth.on_events["track_id"] == str(i)]
        np.testing.assert_array_equal(events["time_s"], original.on_times)
        np.testing.assert_array_equal(events.loc[events["effective"], "time_s"], original.thinned_on_times)
        loading = truth.pol2_loading[truth.pol2_loading["track_id"] == str(i)]
        np.testing.assert_array_equal(loading["time_s"], original.pol2_loading_events)
        on = truth.promoter_state[truth.promoter_state["track_id"] == str(i)]
        end = original.observation_times[-1]
        assert on[["start_s", "end_s"]].to_numpy().tolist() == [[40, 100], [160, end]]


def test_repeated_states_join_and_a_trailing_off_state_ends_the_last_interval(tmp_path: Path) -> None:
    track = legacy_track()._replace(
        state_times=np.array([0.0, 30.0, 60.0, 90.0, 120.0]), state_sequence=np.array([1, 1, 0, 1, 0])
    )
    tracks, _ = import_legacy(write_legacy(tmp_path / "legacy.pkl", [track]))
    assert tracks.truth is not None
    assert tracks.truth.promoter_state[["start_s", "end_s"]].to_numpy().tolist() == [[0, 60], [90, 120]]


def test_nan_is_a_missing_frame_and_units_are_converted(tmp_path: Path) -> None:
    track = legacy_track()
    track.ep_sep_obs_noisy[1, 2] = np.nan
    track.MS2_signal_noisy[5] = np.nan
    tracks, report = import_legacy(write_legacy(tmp_path / "legacy.pkl", [track]), length_unit="um")
    assert tracks.frames["frame"].tolist() == [0, 1, 3, 4, 6, 7, 8, 9]
    assert (report.without_driver, report.without_signal) == (1, 1)
    length = np.linalg.norm(track.ep_sep_obs_noisy[:, 0]) * 1000
    assert tracks.frames["ep_distance_nm"].iloc[0] == pytest.approx(length)


def test_plain_lists_byte_orders_and_scalars_are_read(tmp_path: Path) -> None:
    plain = legacy_track()
    track = plain._replace(
        observation_times=plain.observation_times.astype(">f4"),
        ep_sep_obs_noisy=np.asfortranarray(plain.ep_sep_obs_noisy),
        state_sequence=[np.int64(0), True, 0, 1],
        on_times=list(plain.on_times),
    )
    expected, _ = import_legacy(write_legacy(tmp_path / "plain.pkl", [plain]))
    tracks, _ = import_legacy(write_legacy(tmp_path / "legacy.pkl", [track]))
    np.testing.assert_array_equal(tracks.frames.iloc[:, 2:], expected.frames.iloc[:, 2:])


def test_the_imported_set_survives_its_folder(tmp_path: Path) -> None:
    tracks, _ = import_legacy(write_legacy(tmp_path / "legacy.pkl", [legacy_track(seed=i) for i in range(12)]))
    tracks.write(tmp_path / "set")
    back = TrackSet.read(tmp_path / "set")
    assert back.frames.equals(tracks.frames)
    assert back.truth is not None and tracks.truth is not None
    assert back.truth.promoter_state.equals(tracks.truth.promoter_state)
    assert back.frames["track_id"].iloc[0] == "00"


@pytest.mark.parametrize("name", attacks(Path("canary")))
def test_malicious_pickles_run_nothing(tmp_path: Path, name: str) -> None:
    canary = tmp_path / "canary"
    path = tmp_path / "legacy.pkl"
    path.write_bytes(attacks(canary)[name])
    with pytest.raises(InputError, match=r"legacy\.pkl"):
        import_legacy(path)
    assert not canary.exists()
    good = write_legacy(tmp_path / "good.pkl", [legacy_track()])
    assert import_legacy(good).report.frames == 10, "the reader itself was changed"


def test_the_attacks_are_real(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    for name in RUN_BY_PICKLE:
        pickle.loads(attacks(canary)[name])
        assert canary.exists(), name
        canary.unlink()


@pytest.mark.parametrize("opcodes", [b"\x96", b"\x8e", b"\x8d"], ids=["bytearray", "bytes", "text"])
def test_a_damaged_length_claims_no_memory(tmp_path: Path, opcodes: bytes) -> None:
    path = tmp_path / "legacy.pkl"
    path.write_bytes(b"\x80\x05" + opcodes + (2**32).to_bytes(8, "little") + b"abc.")
    tracemalloc.start()
    with pytest.raises(InputError, match="not a readable pickle"):
        import_legacy(path)
    assert tracemalloc.get_traced_memory()[1] < 2**24
    tracemalloc.stop()


def test_a_damaged_index_claims_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "legacy.pkl"
    path.write_bytes(b"\x80\x02]r\xff\xff\xff\xff.")
    tracemalloc.start()
    with pytest.raises(InputError, match="list of 0"):
        import_legacy(path)
    assert tracemalloc.get_traced_memory()[1] < 2**24
    tracemalloc.stop()


@settings(max_examples=150)
@given(data=st.data())
def test_damaged_pickles_give_tracks_or_an_input_error(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.getbasetemp() / "fuzz"
    folder.mkdir(exist_ok=True)
    canary = folder / "canary"
    valid = {str(p): pickle.dumps([tuple(legacy_track(4))], protocol=p) for p in range(6)}
    content = bytearray(data.draw(st.sampled_from(sorted((valid | attacks(canary)).items())))[1])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content)))
        removed = data.draw(st.sampled_from([0, 1, 3, len(content)]))
        content[at : at + removed] = data.draw(st.binary(max_size=3))
    path = folder / "legacy.pkl"
    path.write_bytes(content)
    try:
        tracks, _ = import_legacy(path)
        assert np.isfinite(tracks.frames["time_s"]).all()
    except InputError as error:
        assert "legacy.pkl" in str(error)
    assert not canary.exists()
