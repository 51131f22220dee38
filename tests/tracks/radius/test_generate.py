"""New signals for measured tracks, against the stationary two-state promoter in closed form."""

import numpy as np
import pytest
from radius_inputs import experiment

from contactlens.tracks.data.motion import Motion
from contactlens.tracks.radius.model.generate import Paths, PromoterModel, draw_paths, draw_signal
from contactlens.tracks.radius.model.laws import BINS, DistanceGrid, separation_grid
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


def test_promoter_with_long_bursts_is_stationary_from_the_first_frame() -> None:
    """Visits come in clusters of 180 s, one in 9000 s at random: the mean hazard says on 86 % of the time, and some
    26 % is right: clusters switch a promoter on that bursts of 3000 s switch off."""
    frames, n, k_off = 300, 2000, 1 / 3000
    times = (LEAD + frames - 1) * SUBSTEPS + 1
    rng = np.random.default_rng(1)
    begun = (rng.uniform(size=(n, times + 60)) < 1 / 3000).cumsum(axis=1)
    near = begun[:, 60:] > begun[:, :-60]
    h = np.where(GRID.middles < 100, 1 / 10, 0.0)
    grid = DistanceGrid(0.0, 10.0, np.where(np.arange(BINS) == 5, 0.02, np.where(np.arange(BINS) == 50, 0.98, 0.0)))
    model = PromoterModel(h, k_off, np.full(n, LOADING), 1.0, 0.0, 0.0)
    paths = Paths(np.where(near, 50.0, 500.0).astype(np.float32), SUBSTEPS)
    on = draw_signal(paths, grid, model, REPORTER, frames, DT, rng).mean(axis=0) / (LOADING * REPORTER.dwell_s)
    assert on.mean() == pytest.approx(0.26, abs=0.03)
    assert on[:20].mean() == pytest.approx(on.mean(), abs=0.03)


def test_contact_between_substeps_takes_the_share_of_time_that_the_motion_gives_it() -> None:
    """Two points of each substep of 7.5 s and the bridge's blur, against contact looked up every 0.75 s."""
    observations = experiment(40, 60, seed=3)
    motion = Motion(35_000.0, 2000.0, 0.5, 1e-3, 30.0)
    grid = separation_grid(motion).finer(2)
    inside = (grid.middles < 80.0).astype(np.float64)
    found = []
    for seed in range(6):
        paths = draw_paths(observations, motion, 4, 2, np.random.default_rng(seed), grid)
        assert paths.substeps == 8 and paths.blur is not None
        bins = np.minimum((paths.distance / grid.width).astype(np.int64), inside.size - 1)
        found.append((paths.blur @ inside)[bins][:, 16:].mean())
    held = [
        (draw_paths(observations, motion, 40, 2, np.random.default_rng(seed)).distance[:, 80:] < 80.0).mean()
        for seed in range(6)
    ]
    assert np.mean(found) == pytest.approx(np.mean(held), rel=0.06)
