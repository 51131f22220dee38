"""Columns of a prediction, and stretches of one state, on examples worked out by hand."""

import numpy as np
import pandas as pd
import pytest

from contactlens.calibration.scores import Gaussian
from contactlens.tracks.serving.predicted import PredictedSignal, PredictedState, on_intervals, quantile_name


@pytest.mark.parametrize(
    ("level", "name"), [(0.05, "q05"), (0.5, "q50"), (0.975, "q97.5"), (0.29, "q29"), (0.001, "q0.1")]
)
def test_a_level_has_one_name(level: float, name: str) -> None:
    assert quantile_name(level) == name


def test_an_ensemble_fills_in_both_parts() -> None:
    """The mixture of N(0, 1) and N(2, 1) has variance 1 + 1: half of it between the members."""
    form = Gaussian(np.array([1.0]), np.sqrt([2.0]))
    columns = PredictedSignal(form, aleatoric=np.array([1.0]), epistemic=np.array([1.0])).columns([0.5])
    assert list(columns) == ["mean", "sd", "q50", "aleatoric", "epistemic"]
    assert columns["sd"] ** 2 == pytest.approx(columns["aleatoric"] ** 2 + columns["epistemic"] ** 2)


def test_the_spread_of_a_state_is_that_of_a_coin() -> None:
    columns = PredictedState.of_one_network(np.array([0.5, 0.9]), np.array([True, True])).columns()
    np.testing.assert_allclose(columns["aleatoric"], [0.5, 0.3])
    assert np.isnan(columns["epistemic"]).all()


def test_stretches_end_where_the_state_or_the_track_does() -> None:
    on = [0, 0, 1, 1, 1, 0, 0, 1, 1]
    frame = [0, 1, 2, 3, 4, 5, 8, 0, 1]
    track = ["a"] * 7 + ["b"] * 2
    frames = pd.DataFrame({"track_id": track, "frame": frame, "on": np.array(on, dtype=bool)})
    frames = frames.assign(time_s=30.0 * frames["frame"], p_on=np.linspace(0, 0.8, 9))
    found = on_intervals(frames, 30.0)
    wanted = pd.DataFrame(
        [
            ("a", False, -15.0, 45.0, 2, 0.05, True),
            ("a", True, 45.0, 135.0, 3, 0.3, False),
            ("a", False, 135.0, 165.0, 1, 0.5, True),  # frames 6 and 7 are missing
            ("a", False, 225.0, 255.0, 1, 0.6, True),
            ("b", True, -15.0, 45.0, 2, 0.75, True),
        ],
        columns=["track_id", "on", "start_s", "end_s", "frames", "p_on", "cut"],
    )
    pd.testing.assert_frame_equal(found, wanted)
