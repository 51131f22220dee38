"""Tables of a measurement of data that have no onset at all: the columns stay, without numbers."""

from types import SimpleNamespace

import numpy as np
import pytest

from contactlens.tracks.radius.statistics import ONSET_FRAMES
from contactlens.tracks.radius.tables import onset_table


def measured(simulated: np.ndarray) -> SimpleNamespace:
    observations = SimpleNamespace(frame_interval_s=20.0)
    interval = SimpleNamespace(prepared=SimpleNamespace(observations=observations))
    onset = np.full(simulated.shape[1], np.nan)
    return SimpleNamespace(interval=interval, predictive=SimpleNamespace(onset=onset, onset_simulated=simulated))


def test_without_any_onset_the_band_is_not_known() -> None:
    table = onset_table(measured(np.full((9, len(ONSET_FRAMES)), np.nan)))
    assert table["lag_s"].tolist() == [20.0 * frame for frame in ONSET_FRAMES]
    assert table[["data", "model", "low", "high"]].isna().all(axis=None)


def test_the_band_is_that_of_the_simulations_with_onsets() -> None:
    simulated = np.tile(np.arange(9.0)[:, None], len(ONSET_FRAMES))
    simulated[:7, 0] = np.nan
    table = onset_table(measured(simulated))
    assert table.loc[0, ["model", "low", "high"]].isna().all()
    assert table.loc[1:, "model"].eq(4.0).all() and table.loc[1, "low"] == pytest.approx(np.quantile(range(9), 0.025))
