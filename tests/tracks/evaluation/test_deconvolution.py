"""Non-negative deconvolution against SciPy's active-set solver and against simulated loading."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.optimize import lsq_linear, nnls

from contactlens.tracks.data.batch import TrackBatch
from contactlens.tracks.evaluation.baselines.deconvolution import Deconvolution, response_operator
from contactlens.tracks.evaluation.baselines.gated_deconvolution import GatedDeconvolution
from contactlens.tracks.evaluation.config import DeconvolutionConfig
from contactlens.tracks.evaluation.loading import matched
from contactlens.tracks.simulation.loading_grid import LoadingGrid
from contactlens.tracks.simulation.ms2 import signal_of
from contactlens.tracks.simulation.promoter import Events, poisson_events

GRID = LoadingGrid(30.0, 1, 28.0, 140.0, polymerase_signal=3.0, background=5.0)
FRAMES, TRACKS = 60, 20


def loading(seed: int) -> Events:
    """Sparse loading, begun before the tracks."""
    return poisson_events(1 / 150, TRACKS, -140.0, FRAMES * 30.0 - 30.0, np.random.default_rng(seed))


def imaged(events: Events, noise: float, seed: int, missing: float = 0.0) -> TrackBatch:
    rng = np.random.default_rng(seed)
    signal = 5 + 3 * (signal_of(events, TRACKS, FRAMES, 30.0, 28.0, 140.0) + noise * rng.normal(size=(TRACKS, FRAMES)))
    observed = rng.random(signal.shape) >= missing
    return TrackBatch(
        driver=torch.zeros(TRACKS, 1, FRAMES),
        signal=torch.tensor(signal * observed, dtype=torch.float32),
        observed=torch.tensor(observed),
        track_ids=[f"t{i}" for i in range(TRACKS)],
        groups=["g"] * TRACKS,
        frame_interval_s=30.0,
    )


def solver(penalty: float, **changes: float | None) -> Deconvolution:
    return Deconvolution(GRID, DeconvolutionConfig(iterations=3000, **changes), penalty, np.array([]))


def test_it_is_the_non_negative_least_squares_solution_where_frames_are_missing() -> None:
    batch = imaged(loading(0), noise=0.5, seed=1, missing=0.2)
    found = solver(0.0, max_per_bin=None).loading(batch)
    operator = response_operator(GRID, FRAMES).toarray()
    for track in range(3):
        seen = batch.observed[track].numpy()
        y = (batch.signal[track].double().numpy() - 5) / 3
        exact, residual = nnls(operator[seen], y[seen])
        mine = np.concatenate([np.zeros(GRID.lead_frames), found[track]])
        mine[: GRID.lead_frames] = exact[: GRID.lead_frames]
        assert np.linalg.norm(operator[seen] @ mine - y[seen]) == pytest.approx(residual, rel=1e-3)


def test_penalty_and_bound_are_those_of_the_quadratic_program() -> None:
    """1/2 |y - Ax|^2 + penalty 1'x over a box is least squares with a moved right-hand side, as A has full rank."""
    batch = imaged(loading(0), noise=0.5, seed=1)
    operator = response_operator(GRID, FRAMES).toarray()
    square = operator.T @ operator + 1e-9 * np.eye(operator.shape[1])
    root = np.linalg.cholesky(square).T
    found = solver(0.7, max_per_bin=0.8).loading(batch)
    for track in range(3):
        y = (batch.signal[track].double().numpy() - 5) / 3
        target = np.linalg.solve(root.T, operator.T @ y - 0.7)
        exact = lsq_linear(root, target, bounds=(0, 0.8)).x[GRID.lead_frames :]
        np.testing.assert_allclose(found[track], exact, atol=0.02)


def test_sparse_loading_is_found_where_it_was_and_the_penalty_that_predicts_best_is_chosen() -> None:
    validation = imaged(loading(2), noise=0.3, seed=3)
    config = DeconvolutionConfig(penalties=(0.0, 0.3, 30.0))
    fine = replace(GRID, bins_per_frame=3)
    fitted = Deconvolution.fit(validation, fine, config, seed=0)
    assert fitted.penalty == config.penalties[int(fitted.validation_error.argmin())] < 30
    true = loading(4)
    shown = true.keep(true.time_s >= 0)
    found = fitted.events(imaged(true, noise=0.3, seed=5))
    hits = matched(found, shown, 30.0, TRACKS).sum()
    assert hits / shown.time_s.size > 0.85
    assert hits / found.time_s.size > 0.75


@pytest.mark.parametrize("changes", [{"penalties": (-1.0,)}, {"held_out_share": 1.0}, {"iterations": 0}])
def test_settings_that_make_no_sense_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(changes))}"):
        DeconvolutionConfig(**changes)


def bursts(seed: int) -> Events:
    """A burst of 600 s with a loading in 10 s in each track, and silence around it."""
    rng = np.random.default_rng(seed)
    events = poisson_events(1 / 10, TRACKS, 0.0, 600.0, rng)
    return Events(events.track, events.time_s + rng.uniform(0, FRAMES * 30.0 - 700.0, size=TRACKS)[events.track])


def f1_of(found: Events, true: Events) -> float:
    return float(2 * matched(found, true, 30.0, TRACKS).sum() / (found.time_s.size + true.time_s.size))


def test_silence_is_gated_and_bursts_are_left_as_they_are() -> None:
    fine = replace(GRID, bins_per_frame=3)
    config = DeconvolutionConfig(penalties=(0.0, 1.0), gate_candidates=40)
    true, shown = bursts(6), bursts(8)
    validation, test = (imaged(events, noise=1.5, seed=7 + i) for i, events in enumerate((true, shown)))
    gated = GatedDeconvolution.fit(validation, fine, config, lambda found: f1_of(found, true))
    ungated = [Deconvolution(fine, config, penalty, np.array([])) for penalty in config.penalties]
    assert gated.validation_score == f1_of(gated.events(validation), true)
    assert gated.validation_score > 0.015 + max(f1_of(one.events(validation), true) for one in ungated)
    assert f1_of(gated.events(test), shown) > 0.015 + max(f1_of(one.events(test), shown) for one in ungated)
    loading, before = gated.loading(test), gated.deconvolution.loading(test)
    assert np.isin(loading, [0.0]).mean() > np.isin(before, [0.0]).mean()
    np.testing.assert_array_equal(loading[loading > 0], before[loading > 0])


def test_the_gate_is_the_mean_over_its_frames_around_each_bin() -> None:
    fine = replace(GRID, bins_per_frame=3)
    ungated = Deconvolution(fine, DeconvolutionConfig(gate_frames=1), 0.0, np.array([]))
    batch = imaged(loading(0), noise=0.5, seed=1)
    whole = ungated.loading(batch)
    around = (np.pad(whole, ((0, 0), (1, 1)), mode="edge")[:, [0, 1, 2]]).mean(axis=1)
    for threshold in (around - 1e-9, around + 1e-9):
        for track in range(TRACKS):
            kept = GatedDeconvolution(ungated, float(threshold[track]), 0.0).loading(batch)[track, 0]
            assert kept == (whole[track, 0] if threshold[track] < around[track] else 0.0)


def test_a_gate_that_does_not_help_is_left_open() -> None:
    """With every event of the ungated one right, the lowest threshold is the first of equals and changes nothing."""
    batch = imaged(loading(0), noise=0.0, seed=1)
    config = DeconvolutionConfig(penalties=(0.0,))
    found = Deconvolution(GRID, config, 0.0, np.array([])).loading(batch)
    gated = GatedDeconvolution.fit(batch, GRID, config, lambda events: float(events.time_s.size))
    np.testing.assert_array_equal(gated.loading(batch), found)
