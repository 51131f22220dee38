"""New signals for measured tracks, against the stationary two-state promoter in closed form."""

import numpy as np
import pytest

from contactlens.tracks.radius.model.generate import Paths, PromoterModel, draw_signal
from contactlens.tracks.radius.model.laws import BINS, DistanceGrid
from contactlens.tracks.simulation.reporter import Reporter

GRID = DistanceGrid(0.0, 10.0, np.full(BINS, 1 / BINS))
REPORTER = Reporter(ramp_s=0.001, dwell_s=60.0, polymerase_signal=1.0)
DT, SUBSTEPS, LEAD = 30.0, 10, 40
K_OFF, LOADING = 1 / 120, 0.2


def mean_signal(h: np.ndarray, distance: np.ndarray, frames: int) -> np.ndarray:
    """Mean over tracks of noiseless signals on `distance`, (N, frames)."""
    model = PromoterModel(h, K_OFF, np.full(len(distance), LOADING), 1.0, 0.0, 0.0)
    rng = np.random.default_rng(0)
    return draw_signal(Paths(distance, SUBSTEPS), GRID, model, REPORTER, frames, DT, rng).mean(axis=0)


@pytest.mark.parametrize("rate", [1 / 300, 1 / 20, 50.0])
def test_time_on_is_the_two_state_promoters_at_any_rate(rate: float) -> None:
    frames = 20
    distance = np.full((3000, (LEAD + frames - 1) * SUBSTEPS + 1), 50.0, dtype=np.float32)
    expected = rate / (rate + K_OFF) * LOADING * REPORTER.dwell_s
    assert mean_signal(np.full(BINS, rate), distance, frames).mean() == pytest.approx(expected, rel=0.03)


def test_promoter_switches_on_in_contact_alone() -> None:
    """Contact of half a frame, once: P(on) falls from 1 - exp(-h t) with k_off, and what it loaded is seen."""
    frames = 12
    h = np.where(GRID.middles < 100, 1 / 10, 0.0)
    distance = np.full((20_000, (LEAD + frames - 1) * SUBSTEPS + 1), 500.0, dtype=np.float32)
    start = (LEAD + 4) * SUBSTEPS
    distance[:, start : start + SUBSTEPS // 2] = 50.0
    found = mean_signal(h, distance, frames)
    start_on = (h @ GRID.occupancy) / (h @ GRID.occupancy + K_OFF)
    left_over = start_on * np.exp(-K_OFF * LEAD * DT)
    assert found[4] < 2 * left_over * LOADING * REPORTER.dwell_s + 0.01
    contact_s = DT / 2
    gap = 1 / 10 - K_OFF
    p = (1 / 10) / gap * (np.exp(-K_OFF * contact_s) - np.exp(-contact_s / 10))  # on at the end, never off in between
    seen = 8 * DT  # frame 8: loaded within the dwell time before it
    ages = np.linspace(seen - REPORTER.dwell_s, seen, 2001) - 4 * DT - contact_s
    expected = LOADING * REPORTER.dwell_s * np.mean(p * np.exp(-K_OFF * ages))
    assert found[8] == pytest.approx(expected, rel=0.08)
