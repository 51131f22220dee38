"""Tracks of another driver, unit or frame interval are refused; resampling is what was asked for."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import track_inputs as inputs

from contactlens.base.errors import InputError
from contactlens.tracks.data.track_set import Driver, TrackSet
from contactlens.tracks.models.checkpoint import ModelSpec
from contactlens.tracks.serving.conform import conform, resampled

VECTOR, DISTANCE, SCALAR = (inputs.DRIVERS[kind] for kind in ("vector", "distance", "scalar"))


def spec_like(served, **changes) -> ModelSpec:
    return replace(served.model.spec, **changes)


@pytest.mark.parametrize(
    ("kind", "driver", "message"),
    [
        ("distance", VECTOR, r"the driver is 'E-P distance' \(distance, nm\), but the model's is .* \(vector, nm\)"),
        ("scalar", VECTOR, r"the driver is 'repressor' \(scalar, a.u.\)"),
        ("vector", SCALAR, r"but the model's is 'repressor' \(scalar, a.u.\)"),
        ("scalar", Driver("scalar", "knirps", "a.u."), "if they are the same quantity, rename the column to 'knirps'"),
        ("scalar", Driver("scalar", "repressor", "nM"), r"\(scalar, nM\)$"),
    ],
)
def test_another_driver_is_refused(served, kind: str, driver: Driver, message: str) -> None:
    with pytest.raises(InputError, match=message):
        conform(inputs.track_set(kind), spec_like(served, driver=driver))


def test_a_model_of_the_distance_takes_vectors(served) -> None:
    tracks = inputs.track_set("vector")
    found = conform(tracks, spec_like(served, driver=DISTANCE))
    assert found.driver == DISTANCE and "ep_x_nm" not in found.frames
    pd.testing.assert_series_equal(found.frames["ep_distance_nm"], tracks.frames["ep_distance_nm"])


def test_a_signal_is_needed_where_the_model_sees_it_and_in_its_unit(served) -> None:
    silent, other = inputs.track_set(signal=False), replace(inputs.track_set(), signal_unit="photons")
    assert conform(silent, spec_like(served)).signal_unit is None
    with pytest.raises(InputError, match="no signal, which this model"):
        conform(silent, spec_like(served, task="epms2_to_states"))
    with pytest.raises(InputError, match=r"in 'photons', but the model's is in 'a.u.'; convert it, or leave it out"):
        conform(other, spec_like(served))


def test_another_frame_interval_is_refused_unless_resampling_is_asked_for(served) -> None:
    tracks = inputs.track_set()
    with pytest.raises(InputError, match=r"every 30 s, but the model was trained on one every 20 s.*--resample"):
        conform(tracks, spec_like(served, frame_interval_s=20.0))
    assert conform(tracks, spec_like(served, frame_interval_s=30.1)).frame_interval_s == 30.0
    found = conform(tracks, spec_like(served, frame_interval_s=20.0), resample=True)
    assert found.frame_interval_s == 20.0
    assert found.frames.groupby("track_id").size().unique().tolist() == [17]  # 0 to 330 s in steps of 20 s


def line(missing: list[int]) -> TrackSet:
    """One track whose components and signal are linear in time."""
    frame = np.array([i for i in range(12) if i not in missing])
    time = 100.0 + 30.0 * frame
    columns = {"track_id": "t", "group": "g", "frame": frame, "time_s": time, "ep_x_nm": time, "ep_y_nm": 0.0}
    columns |= {"ep_z_nm": 2 * time, "ep_distance_nm": np.sqrt(5) * time, "ms2": 7 - time}
    return TrackSet(pd.DataFrame(columns), 30.0, VECTOR, "a.u.", "line")


def test_resampling_is_exact_on_a_line_and_leaves_gaps() -> None:
    found = resampled(line([4]), 20.0).frames
    time = found["time_s"].to_numpy()
    np.testing.assert_allclose(found["ep_x_nm"], time)
    np.testing.assert_allclose(found["ep_distance_nm"], np.sqrt(5) * time)
    np.testing.assert_allclose(found["ms2"], 7 - time)
    np.testing.assert_allclose(time, 100 + 20.0 * found["frame"])
    assert set(range(17)) - set(found["frame"]) == {5, 6, 7}  # 200, 220, 240 s: between the frames at 190 and 250 s


def test_every_second_frame_is_taken_as_it_is() -> None:
    tracks = inputs.track_set()
    found = resampled(tracks, 60.0).frames
    even = tracks.frames[tracks.frames["frame"] % 2 == 0].reset_index(drop=True)
    pd.testing.assert_frame_equal(found.drop(columns="frame"), even.drop(columns="frame"))
    assert (found["frame"] == even["frame"] // 2).all()
