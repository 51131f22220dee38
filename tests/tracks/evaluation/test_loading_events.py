"""True and found loading times in one table."""

import numpy as np

from contactlens.tracks.evaluation.loading_alignment import LoadingTimes
from contactlens.tracks.evaluation.loading_events import event_table
from contactlens.tracks.simulation.promoter import Events


def test_times_are_on_the_clock_of_the_track_set() -> None:
    true = Events(np.array([0, 0, 1]), np.array([3.0, 40.0, 0.12345]))
    found = {
        "network": Events(np.array([1]), np.array([10.0])),
        "silent": Events(np.array([], dtype=int), np.array([])),
    }
    table = event_table(LoadingTimes(true, found, np.array([60.0, 60.0])), ["a", "b"], np.array([0.0, 300.0]))
    assert table.to_dict("list") == {
        "model": ["truth", "truth", "truth", "network"],
        "track_id": ["a", "a", "b", "b"],
        "time_s": [3.0, 40.0, 300.123, 310.0],
    }
