"""The most probable parameters of a law: penalised maximum likelihood by a quasi-Newton method.

Penalties are weak Gaussians on logarithms. They keep what the data do not determine (a radius below the resolution, a
floor that no onset needs) at a finite place; the calibration by simulation applies the same estimator to known truths,
so that what they pull is undone.
"""

from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from contactlens.tracks.radius.model.laws import MONOTONE_PIECES, DistanceGrid, Law, hazard
from contactlens.tracks.radius.model.likelihood import Likelihood

Floats = NDArray[Any]
STARTS = (0.002, 0.01, 0.04, 0.12, 0.3)  # shares of the time below the radius that the search starts from
START_TRACKS = 30
LARGEST_STEP = 1.5  # of any parameter, in one search
SPREAD_SEEN = 8.0  # excess of the scores' variance times sqrt(N) from which loading differs between tracks
FIRST_STEP = 4.0  # standard errors
LEAST_CURVATURE = 0.3
SMALLEST_SPREAD = 0.1  # of log loading, that is worth a parameter per track


class Likely(Protocol):
    """What a climb asks of a likelihood of N tracks; see `Likelihood`."""

    @property
    def law(self) -> Law: ...
    @property
    def names(self) -> list[str]: ...
    @property
    def amplitude(self) -> Floats: ...
    @property
    def amplitude_steps(self) -> Floats: ...
    def __call__(self, theta: Floats, want: bool = True) -> tuple[Floats, Floats]: ...
    def with_amplitude(self, amplitude: Floats) -> "Likely": ...
    def single_threaded(self) -> "Likely": ...
    def amplitude_penalty(self, offset: Floats) -> Floats: ...
    def amplitude_slope(self, scores: Floats, offset: Floats) -> Floats: ...
    def common(self, value: Floats) -> Floats: ...


class Prior(Protocol):
    """A penalty of P parameters. sd: (P,) of independent Gaussians that are as wide."""

    @property
    def sd(self) -> Floats: ...
    def log_density(self, theta: Floats) -> float: ...
    def gradient(self, theta: Floats) -> Floats: ...


@dataclass(frozen=True)
class Penalty:
    """Independent Gaussians: centre and SD of each parameter."""

    centre: Floats
    sd: Floats

    def log_density(self, theta: Floats) -> float:
        return -0.5 * float(np.sum(((theta - self.centre) / self.sd) ** 2))

    def gradient(self, theta: Floats) -> Floats:
        return -(theta - self.centre) / self.sd**2


@dataclass(frozen=True)
class Fit:
    """theta: the estimate; log_likelihood: (N,) at it, less the penalty of each track's amplitude; covariance: inverse
    of the penalised information; amplitude: (N,) of the likelihood, fitted where it differs between tracks."""

    law: Law
    names: list[str]
    theta: Floats
    log_likelihood: Floats
    covariance: Floats
    amplitude: Floats

    def __getitem__(self, name: str) -> float:
        return float(self.theta[self.names.index(name)])

    def standard_error(self, name: str) -> float:
        i = self.names.index(name)
        return float(np.sqrt(self.covariance[i, i]))


def penalty(law: Law, grid: DistanceGrid, signal_theta: Floats) -> Penalty:
    """signal_theta: a first look at the SIGNAL_PARAMETERS, about which their penalties are centred."""
    radius = (np.log(max(grid.quantiles(np.array([0.05]))[0] - min(grid.low, 0.0), grid.width)), 1.2)
    rate, floor, soft = (np.log(1 / 1000), 2.5), (np.log(0.003), 1.5), (np.log(0.2), 0.7)
    if law == "none":
        own = [rate]
    elif law == "monotone":
        own = [(np.log(1 / 1000), 2.5)] * MONOTONE_PIECES
    else:
        own = [radius, rate, floor] + ([soft] if law == "logistic" else [])
    centre = np.array([c for c, _ in own] + list(signal_theta))
    sd = np.array([s for _, s in own] + [2.0, 1.0, 1.5, 10.0, 1.0])
    return Penalty(centre, sd)


def first_look(likelihood: Likelihood) -> Floats:
    """SIGNAL_PARAMETERS from the signal's quantiles: the mode is background, the top is a fully loaded gene."""
    y = likelihood.signal[np.isfinite(likelihood.signal)]
    low, high = np.quantile(y, [0.002, 0.995])
    counts, edges = np.histogram(y, bins=80, range=(low, high))
    smooth = np.convolve(counts, np.ones(5) / 5, "same")
    background = float(edges[int(np.argmax(smooth))] + 0.5 * (edges[1] - edges[0]))
    below = y[y < background]
    noise = float(np.sqrt(np.mean((below - background) ** 2))) if below.size > 10 else 0.1 * float(high - low)
    noise = max(noise, 1e-3 * float(high - low))
    loaded = float(likelihood.response.tables[-1, 0])
    amplitude = max(high - background, 2 * noise) * 0.8 / loaded
    unit = amplitude * 6.0  # a polymerase in six seconds
    noise *= np.sqrt(likelihood.response.frames_per_block)
    return np.array([np.log(1 / 600), np.log(amplitude), np.log(unit), background, np.log(noise)])


def maximise(
    likelihood: Likely,
    prior: Prior,
    start: Floats,
    metric: Floats | None = None,
    rounds: int = 3,
    evaluations: int = 30,
    tolerance: float = 0.01,
) -> Fit:
    """Climb from `start`; the coordinates are whitened by `metric`, a covariance, or by the scores of the tracks."""
    theta = np.asarray(start, dtype=np.float64).copy()
    best = -np.inf
    covariance = metric
    for _ in range(rounds):
        if metric is None:
            covariance = _score_covariance(likelihood, prior, theta)
        assert covariance is not None
        found, amplitude, value = _climb(
            likelihood, prior, theta, np.linalg.cholesky(covariance), evaluations, tolerance
        )
        gained, best, theta = value - best, value, found
        likelihood = likelihood.with_amplitude(amplitude)
        if gained < 5 * tolerance:
            break
    assert covariance is not None
    logs = likelihood(theta, False)[0] - likelihood.amplitude_penalty(np.log(likelihood.amplitude))
    return Fit(likelihood.law, likelihood.names, theta, logs, covariance, likelihood.amplitude)


def _score_covariance(likelihood: Likely, prior: Prior, theta: Floats) -> Floats:
    """Inverse of the outer product of the tracks' scores, with the penalties."""
    _, scores = likelihood(theta)
    centred = scores - scores.mean(axis=0)
    information = centred.T @ centred
    information += np.diag(1 / prior.sd**2 + 0.02 * np.diag(information) + 1e-6)
    return np.linalg.inv(information)


def _climb(
    likelihood: Likely, prior: Prior, base: Floats, root: Floats, evaluations: int, tolerance: float
) -> tuple[Floats, Floats, float]:
    """The best parameters and amplitudes met, and their value. Log amplitudes, where fitted, sum to what they did."""
    best: list[tuple[float, Floats, Floats]] = []
    count, sd = len(base), likelihood.amplitude_steps
    fitted = sd.size > 0
    first = np.log(likelihood.amplitude)

    def loss(phi: Floats) -> tuple[float, Floats]:
        step = root @ phi[:count]
        theta, offset = base + np.clip(step, -LARGEST_STEP, LARGEST_STEP), first
        if fitted:
            moved = sd * phi[count:]
            offset = first + moved - likelihood.common(moved)
        logs, scores = likelihood.with_amplitude(np.exp(offset))(theta)
        value = float(logs.sum() - likelihood.amplitude_penalty(offset).sum()) + prior.log_density(theta)
        if not (np.isfinite(value) and np.isfinite(scores).all()):  # a probability of exactly 0 or 1
            return 1e12, np.zeros_like(phi)
        if not best or value > best[0][0]:
            best[:] = [(value, theta, np.exp(offset))]
        gradient = (scores.sum(axis=0) + prior.gradient(theta)) * (np.abs(step) < LARGEST_STEP)
        whitened = root.T @ gradient
        if fitted:
            own = likelihood.amplitude_slope(scores, offset)
            whitened = np.concatenate([whitened, sd * (own - likelihood.common(own))])
        return -value, -whitened

    start = np.zeros(count + sd.size)
    at_start = loss(start)
    # The first step is Newton's, but no longer than FIRST_STEP; L-BFGS-B's own would have length 1.
    length = float(np.clip(np.linalg.norm(at_start[1]), 1.0, FIRST_STEP))

    def scaled(x: Floats) -> tuple[float, Floats]:
        value, gradient = loss(length * x) if x.any() else at_start
        return value, length * gradient

    options = {"maxfun": evaluations + (10 if fitted else 0), "ftol": 1e-15, "gtol": length * np.sqrt(tolerance)}
    if not best:  # no density at the start, as at a radius below every distance
        return base, likelihood.amplitude, -np.inf
    minimize(scaled, start, jac=True, method="L-BFGS-B", options=options)
    value, theta, amplitude = best[0]
    return theta, amplitude, value


def with_loading_spread(likelihood: Likelihood, fit: Fit) -> Likelihood:
    """The likelihood with what its fit says of the loading's spread between tracks; none where it is not seen.

    One step of expectation and maximisation where a spread was fitted; before, the excess of the tracks' scores.
    """
    place = likelihood.names.index("log_amplitude")
    step = 0.1
    at = [replace(likelihood, amplitude=fit.amplitude * np.exp(x))(fit.theta)[1][:, place] for x in (-step, 0.0, step)]
    known = np.maximum((at[0] - at[2]) / (2 * step), 1e-6)
    if likelihood.loading_sd > 0:
        left = 1 / (known + 1 / likelihood.loading_sd**2)
        told = known * likelihood.loading_sd**2 > 0.5
        square = likelihood.loading_sd**2
        if told.sum() > 3:
            square = float(np.mean((np.log(fit.amplitude) ** 2 + left)[told]))
    else:
        excess = float((at[1] ** 2).sum() / known.sum()) - 1
        square = excess * float(known.sum() / (known**2).sum())
        if excess < SPREAD_SEEN / np.sqrt(len(known)) or square < SMALLEST_SPREAD**2:
            return likelihood
    sd = float(np.clip(np.sqrt(square), SMALLEST_SPREAD, 1.5))
    return replace(likelihood, amplitude=fit.amplitude, loading_sd=sd, loading_information=known)


def information(likelihood: Likely, prior: Prior, fit: Fit) -> Floats:
    """Inverse of minus the second derivatives of the penalised log likelihood, by differences of the gradient.

    In no direction is it taken for less than LEAST_CURVATURE of what the scores of the tracks say: on a ridge, or
    beside the maximum, second derivatives vanish or change sign.
    """
    likelihood = likelihood.with_amplitude(fit.amplitude)
    p = len(fit.theta)
    second = np.zeros((p, p))
    step = 0.3 * np.sqrt(np.diag(fit.covariance))
    for j in range(p):
        shift = np.zeros(p)
        shift[j] = step[j]
        ahead = likelihood(fit.theta + shift)[1].sum(axis=0)
        behind = likelihood(fit.theta - shift)[1].sum(axis=0)
        second[:, j] = (behind - ahead) / (2 * step[j])
    matrix = 0.5 * (second + second.T) + np.diag(1 / prior.sd**2)
    root = np.linalg.cholesky(fit.covariance)
    value, vector = np.linalg.eigh(root.T @ matrix @ root)
    back = root @ vector
    return (back / np.maximum(value, LEAST_CURVATURE)) @ back.T


def fit_law(likelihood: Likelihood, starts: list[Floats] | None = None) -> tuple[Fit, Penalty]:
    """The best of several starts; each is first tried on a few tracks."""
    look = first_look(likelihood)
    prior = penalty(likelihood.law, likelihood.exposure.grid, look)
    few = subset(likelihood, START_TRACKS)
    candidates = starts if starts is not None else _starts(likelihood, prior, look)
    if len(candidates) > 1:
        tried = [maximise(few, prior, start, rounds=1, evaluations=12) for start in candidates]
        value = [f.log_likelihood.sum() + prior.log_density(f.theta) for f in tried]
        order = np.argsort(value)[::-1]
        candidates = [tried[order[0]].theta]
    return climbed(likelihood, prior, candidates[0]), prior


def climbed(likelihood: Likely, prior: Prior, start: Floats) -> Fit:
    """The fit that a full search from `start` leads to, with the covariance there."""
    fit = maximise(likelihood, prior, start)
    return replace(fit, covariance=information(likelihood, prior, fit))


def subset(likelihood: Likelihood, count: int) -> Likelihood:
    """The same likelihood of evenly spaced tracks."""
    n = len(likelihood.signal)
    rows = np.unique(np.linspace(0, n - 1, min(count, n)).astype(np.int64))
    return rows_of(likelihood, rows)


def rows_of(likelihood: Likelihood, rows: NDArray[np.int64]) -> Likelihood:
    """The same likelihood of some of the tracks."""
    exposure = replace(likelihood.exposure, cell=likelihood.exposure.cell[rows])
    known = likelihood.loading_information
    return replace(
        likelihood,
        exposure=exposure,
        signal=likelihood.signal[rows],
        amplitude=likelihood.amplitude[rows],
        loading_information=None if known is None else known[rows],
    )


def _starts(likelihood: Likelihood, prior: Penalty, look: Floats) -> list[Floats]:
    grid, law = likelihood.exposure.grid, likelihood.law
    y = likelihood.signal
    top = np.exp(look[1]) * likelihood.response.tables[-1, 0]
    share_on = float(np.clip(np.nanmean(y - look[3]) / top, 0.01, 0.9))
    rate = np.log(share_on / (1 - share_on)) + look[0]
    if law == "none":
        return [np.concatenate([[rate], look])]
    if law == "monotone":
        _, parts = hazard(law, np.zeros(MONOTONE_PIECES), grid)
        each = rate - np.log(MONOTONE_PIECES) - np.log(parts @ grid.occupancy)
        each[-1] -= 3
        return [np.concatenate([each, look])]
    radii = np.log(grid.quantiles(np.array(STARTS)))
    tail = [np.log(0.2)] if law == "logistic" else []
    return [np.concatenate([[r, rate, np.log(0.01), *tail], look]) for r in radii]
