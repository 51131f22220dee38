"""The grid of loading bins against the simulator's own MS2."""

import numpy as np
import pytest

from contactlens.tracks.simulation.loading_grid import LoadingGrid
from contactlens.tracks.simulation.ms2 import signal_of
from contactlens.tracks.simulation.promoter import Events


def grid(**changes: float) -> LoadingGrid:
    values = {"frame_interval_s": 30.0, "bins_per_frame": 4, "ramp_s": 28.0, "dwell_s": 140.0}
    return LoadingGrid(**(values | changes))


@pytest.mark.parametrize(("interval_s", "per_frame", "dwell_s"), [(30.0, 4, 140.0), (20.0, 1, 140.0), (30.0, 3, 120.0)])
def test_response_is_the_signal_of_a_polymerase_in_the_middle_of_each_bin(
    interval_s: float, per_frame: int, dwell_s: float
) -> None:
    """One track per bin; what the grid adds to the frames is what the simulator would image."""
    fine = grid(frame_interval_s=interval_s, bins_per_frame=per_frame, dwell_s=dwell_s, polymerase_signal=2.5)
    frames = 12
    times = fine.bin_times(frames)
    expected = 2.5 * signal_of(Events(np.arange(times.size), times), times.size, frames, interval_s, 28.0, dwell_s)
    found = np.zeros((times.size, frames + 2 * fine.lead_frames))
    for place in range(times.size):
        frame, into = divmod(place, per_frame)
        found[place, frame : frame + fine.lead_frames + 1] = fine.response()[:, into]
    np.testing.assert_allclose(found[:, fine.lead_frames :][:, :frames], expected, atol=1e-12)


def test_no_earlier_bin_could_be_seen() -> None:
    """The lead holds every polymerase that shows in frame 0, and not a frame more."""
    for interval_s in (20.0, 30.0, 140.0, 200.0):
        fine = grid(frame_interval_s=interval_s)
        assert fine.response()[-1].any()
        assert (fine.lead_frames + 1) * interval_s >= fine.dwell_s


def test_ones_are_placed_in_the_middle_of_their_bin() -> None:
    ones = np.zeros((2, 12))
    ones[0, [0, 5]] = 1
    ones[1, 11] = 2
    events = grid().place(ones)
    assert events.track.tolist() == [0, 0, 1, 1]
    np.testing.assert_allclose(events.time_s, [-30 + 3.75, 7.5 + 3.75, 60 - 3.75, 60 - 3.75])


def test_fractions_are_placed_as_often_as_they_sum_to() -> None:
    rng = np.random.default_rng(0)
    expected = rng.uniform(0, 0.7, size=(50, 400))
    events = grid().place(expected)
    counts = np.bincount(events.track, minlength=50)
    np.testing.assert_array_equal(counts, np.floor(expected.sum(axis=1) + 0.5))
    half = events.time_s < 50 * 30 - 30
    np.testing.assert_allclose(np.bincount(events.track[half], minlength=50), expected[:, :200].sum(axis=1), atol=0.5)


@pytest.mark.parametrize("changes", [{"bins_per_frame": 0}, {"ramp_s": 150.0}, {"polymerase_signal": 0.0}])
def test_grids_that_make_no_sense_are_refused(changes: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=f"grid.{next(iter(changes))}"):
        grid(**changes)
