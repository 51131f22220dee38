"""Whether the model may be believed: simulated against measured by group, shuffled pairs, halves of the tracks."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contactlens.tracks.radius.calibrate import PER_PATH, RADIUS, Design, drawn_amplitude, hazard_grid, promoter_model
from contactlens.tracks.radius.fit import Fit, Penalty, maximise, rows_of
from contactlens.tracks.radius.model.generate import draw_paths, draw_signal, lead_frames
from contactlens.tracks.radius.model.kriging import PathSampler
from contactlens.tracks.radius.model.laws import DistanceGrid
from contactlens.tracks.radius.model.likelihood import Likelihood
from contactlens.tracks.radius.statistics import (
    DISTANCE_LEVELS,
    coupling_statistics,
    discrepancies,
    motion_statistics,
    onset_profile,
    signal_statistics,
)

Floats = NDArray[Any]
COUPLING = "MS2 given distance"


@dataclass(frozen=True)
class GroupCheck:
    """p: share of simulated experiments as far off in any group as the data in this; ratio: the data's distance over a
    typical one."""

    group: str
    p: float
    ratio: float


@dataclass(frozen=True)
class Predictive:
    """checks, and the profiles behind the figures: of the data, and (S, lags) of the simulated experiments.

    coupling: mean signal, less the overall one, at each lag and class of distance, (lags, classes)
    """

    checks: list[GroupCheck]
    onset: Floats
    onset_simulated: Floats
    coupling: Floats
    coupling_simulated: Floats


@dataclass(frozen=True)
class Compared:
    """Groups of statistics of the data, and (S, K) of as many simulated experiments; onset profiles (S, lags) beside;
    classes: of the distance."""

    own: dict[str, Floats]
    simulated: dict[str, Floats]
    onset: Floats
    onset_simulated: Floats
    classes: int


def predictive_checks(design: Design, likelihood: Likelihood, draws: Floats, threshold: float) -> Predictive:
    """Experiments from parameters (S, P) of the posterior, compared with the data group by group."""
    found = compared(design, likelihood, draws, threshold)
    coupling = found.simulated[COUPLING].reshape(len(draws), -1, found.classes)
    coupling_own = found.own[COUPLING].reshape(-1, found.classes)
    return Predictive(checks_of(found.own, found.simulated), found.onset, found.onset_simulated, coupling_own, coupling)


def checks_of(own: dict[str, Floats], simulated: dict[str, Floats]) -> list[GroupCheck]:
    return [GroupCheck(name, *found) for name, found in discrepancies(own, simulated).items()]


def compared(design: Design, likelihood: Likelihood, draws: Floats, threshold: float) -> Compared:
    """Statistics of the data and of experiments from parameters (S, P) of the posterior.

    threshold: signal above which a promoter is taken as on
    """
    observations, dt = design.observations, design.observations.frame_interval_s
    distance = observations.distance
    levels = np.nanquantile(distance, DISTANCE_LEVELS)
    lead, grid = lead_frames(design.reporter, dt), hazard_grid(likelihood)
    between = None if likelihood.exposure.held else grid
    groups = [list(range(i, min(i + PER_PATH, len(draws)))) for i in range(0, len(draws), PER_PATH)]

    def measured(signal: Floats) -> tuple[dict[str, Floats], Floats]:
        both = {**signal_statistics(signal), **coupling_statistics(distance, signal, levels)}
        return both, onset_profile(distance, signal, threshold)

    def one(number: int) -> list[tuple[dict[str, Floats], Floats]]:
        rng = np.random.default_rng([design.seed, 21, number])
        motion = design.motions[number % len(design.motions)]
        paths = draw_paths(observations, motion, design.substeps, lead, rng, between)
        out = []
        for m in groups[number]:
            model = promoter_model(draws[m], likelihood, drawn_amplitude(likelihood, rng), design.scale)
            signal = draw_signal(paths, grid, model, design.reporter, observations.n_frames, dt, rng)
            out.append(measured(observations.with_signal(signal).signal))
        return out

    with ThreadPoolExecutor(design.workers) as pool:
        simulated = [result for group in pool.map(one, range(len(groups))) for result in group]
    own, own_onset = measured(observations.signal)
    groups_simulated = {name: np.array([s[name] for s, _ in simulated]) for name in own}
    if observations.kind != "scalar":
        own = {**own, **motion_statistics(observations.driver)}
        groups_simulated["motion"] = _free_motions(design, len(simulated))
    return Compared(own, groups_simulated, own_onset, np.array([o for _, o in simulated]), len(levels) + 1)


def _free_motions(design: Design, count: int) -> Floats:
    """(count, K) statistics of free paths of the fitted process, with its noise and the same frames missing."""
    observations = design.observations
    missing = np.isnan(observations.driver[:, :, :1])
    simulated = []
    for number in range(count):
        motion = design.motions[number % len(design.motions)]
        assert motion is not None
        rng = np.random.default_rng([design.seed, 22, number])
        sampler = PathSampler(motion, observations.frame_interval_s, observations.n_frames, 1, 0)
        path = sampler.free(observations.n_tracks, rng).transpose(0, 2, 1).astype(np.float64)
        path += motion.noise_nm * rng.standard_normal(path.shape)
        if observations.kind == "distance":
            path = np.linalg.norm(path, axis=2, keepdims=True)
        simulated.append(motion_statistics(np.where(missing, np.nan, path))["motion"])
    return np.array(simulated)


def shuffled_gains(
    likelihood: Likelihood, none: Fit, none_prior: Penalty, step: Fit, prior: Penalty, count: int
) -> Floats:
    """Log likelihood that the law gains over none where every track has another one's signal, `count` times."""
    n, known = len(likelihood.signal), likelihood.loading_information
    gains = []
    for k in range(count):
        shift = 1 + (k * (n - 1)) // count if n > count else 1 + k % max(n - 1, 1)
        rolled = replace(
            likelihood,
            signal=np.roll(likelihood.signal, shift, axis=0),
            amplitude=np.roll(likelihood.amplitude, shift),
            loading_information=None if known is None else np.roll(known, shift),
        )
        flat = maximise(
            replace(rolled, law="none"), none_prior, none.theta, metric=none.covariance, rounds=1, evaluations=10
        )
        tried = [
            maximise(rolled, prior, start, metric=step.covariance, rounds=2, evaluations=15)
            for start in _null_starts(step, flat, likelihood.exposure.grid)
        ]
        best = max(float(f.log_likelihood.sum()) for f in tried)
        gains.append(best - float(flat.log_likelihood.sum()))
    return np.array(gains)


def _null_starts(step: Fit, flat: Fit, grid: DistanceGrid) -> list[Floats]:
    """Where a search among shuffled pairs starts: at two radii, most of the hazard left to the floor."""
    starts = []
    for share in (0.03, 0.25):
        theta = step.theta.copy()
        theta[1 : len(theta)] = np.concatenate([[flat.theta[0]], [np.log(0.6)], flat.theta[1:]])
        theta[RADIUS] = np.log(grid.quantiles(np.array([share]))[0])
        starts.append(theta)
    return starts


def fit_part(likelihood: Likelihood, rows: NDArray[np.int64], fit: Fit, prior: Penalty) -> Fit:
    """The law fitted to some of the tracks, from the fit of all."""
    part = rows_of(likelihood, rows)
    share = len(rows) / len(likelihood.signal)
    return maximise(part, prior, fit.theta, metric=fit.covariance / share, rounds=1, evaluations=20)
