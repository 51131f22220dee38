"""The last mile: the estimator applied to experiments of known truth, and the interval that follows from it.

Experiments are drawn with the measured frames and with parameters spread about the estimate; each is fitted as the
data were. A regression of the truth on the fitted parameters is the statistic T of the radius (semi-automatic
summaries; Fearnhead and Prangle, J. R. Stat. Soc. B 2012). How T is distributed at each radius is then fitted, and the
interval holds the radii at which the observed T would not be extreme: an inverted test, true by construction where the
model holds, and open below where no smaller radius can be excluded.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr

from contactlens.tracks.data.motion import Motion
from contactlens.tracks.radius.fit import Fit, Likely, Prior, maximise
from contactlens.tracks.radius.model.generate import PromoterModel, draw_paths, draw_signal, lead_frames
from contactlens.tracks.radius.model.laws import DistanceGrid, hazard
from contactlens.tracks.radius.model.likelihood import Likelihood
from contactlens.tracks.radius.model.observations import Observations
from contactlens.tracks.radius.ridge import RADIUS, Ridge
from contactlens.tracks.simulation.reporter import Reporter

Floats = NDArray[Any]
PER_PATH = 4  # experiments on each draw of the paths
EVALUATIONS, MANY = 12, 8  # of the likelihood in a search, and two more for each parameter beyond as MANY
FIRST_DEPTH = 6.0  # nats below the maximum to which the first round goes
LEAST_HALF = 0.05  # of its width on each side, in logarithms
FOLDS = 10
CENTRINGS = 4  # most first rounds, each about the truth that the one before points to
NEAR_CENTRE = 2.5  # SDs of the fitted parameters within which the data's must lie of the first round's
LARGEST_MOVE = 0.8
EXTENSIONS = 6  # of the range of simulated radii, while its edge is not excluded
FINER, FINER_BLURRED = 16, 2  # bins of the simulated hazard for one of the likelihood's: a sharp radius stays sharp
EDGE = 0.01  # p-value at which it is


class Simulated(Protocol):
    """Where the simulated experiments come from; see `Design`."""

    @property
    def seed(self) -> int: ...
    @property
    def workers(self) -> int: ...
    def signals(self, likelihood: Any, truths: Floats, stream: int, number: int) -> list[Any]: ...
    def not_shared(self, likelihood: Any, found: Fit) -> float: ...


@dataclass(frozen=True)
class Design:
    """What all simulated experiments share with the data. motions: equally likely; None for a scalar driver."""

    observations: Observations
    reporter: Reporter
    motions: list[Motion] | list[None]
    substeps: int
    scale: float
    seed: int
    workers: int

    def signals(self, likelihood: Likelihood, truths: Floats, stream: int, number: int) -> list[Likelihood]:
        """The likelihood of an experiment for each row of `truths`; they share a draw of the paths."""
        rng = np.random.default_rng([self.seed, stream, number])
        observations, dt, grid = self.observations, self.observations.frame_interval_s, hazard_grid(likelihood)
        motion = self.motions[number % len(self.motions)]
        between = None if likelihood.exposure.held else grid
        paths = draw_paths(observations, motion, self.substeps, lead_frames(self.reporter, dt), rng, between)
        drawn = []
        for truth in truths:
            model = promoter_model(truth, likelihood, drawn_amplitude(likelihood, rng), self.scale)
            signal = draw_signal(paths, grid, model, self.reporter, observations.n_frames, dt, rng)
            blocks = likelihood.response.blocks(observations.with_signal(signal).signal) / self.scale
            drawn.append(replace(likelihood, signal=blocks))
        return drawn

    def not_shared(self, likelihood: Likelihood, found: Fit) -> float:
        """Of one group of tracks, which shares its radius with itself."""
        return 0.0


@dataclass(frozen=True)
class Experiments:
    """truth, estimate: (M, P) parameters; not_shared: (M,) twice what radii and rates of their own would gain, in nats,
    where groups of tracks share them."""

    truth: Floats
    estimate: Floats
    not_shared: Floats

    def joined(self, other: "Experiments") -> "Experiments":
        return Experiments(
            np.concatenate([self.truth, other.truth]),
            np.concatenate([self.estimate, other.estimate]),
            np.concatenate([self.not_shared, other.not_shared]),
        )

    def only(self, chosen: NDArray[np.bool_]) -> "Experiments":
        return Experiments(self.truth[chosen], self.estimate[chosen], self.not_shared[chosen])


def drawn_amplitude(likelihood: Likelihood, rng: np.random.Generator) -> Floats:
    """(N,) loading of each track relative to the typical one, from what its own signal leaves open."""
    if likelihood.loading_sd == 0:
        return likelihood.amplitude
    noise = likelihood.amplitude_spread * rng.standard_normal(len(likelihood.amplitude))
    return likelihood.amplitude * np.exp(noise)


def hazard_grid(likelihood: Likelihood) -> DistanceGrid:
    """On which the simulated hazard is given: finer than the likelihood's, less so where motion blurs it anyway."""
    return likelihood.exposure.grid.finer(FINER if likelihood.exposure.held else FINER_BLURRED)


def promoter_model(theta: Floats, likelihood: Likelihood, amplitude: Floats, scale: float) -> PromoterModel:
    """The simulation's parameters for the likelihood's, the signal back in a.u."""
    count = len(theta) - 5
    h, _ = hazard(likelihood.law, theta[:count], hazard_grid(likelihood))
    k_off, log_amplitude, unit, background, noise = theta[count:]
    loading = np.exp(log_amplitude - unit) * amplitude
    return PromoterModel(
        h, np.exp(k_off), loading, float(np.exp(unit)) * scale, float(np.exp(noise)) * scale, background * scale
    )


def run_experiments(
    truths: Floats, likelihood: Likely, prior: Prior, fit: Fit, ridge: Ridge, design: Simulated, stream: int
) -> Experiments:
    """Simulate and fit an experiment for each row of `truths`.

    Each search starts on the ridge of the data: from its own truth it would stop a little on that side of the maximum,
    and the estimates would spread less than the data's.
    """
    alone = likelihood.single_threaded()
    evaluations = EVALUATIONS + 2 * max(len(fit.theta) - MANY, 0)

    def one(number: int) -> list[tuple[Floats, float]]:
        done = []
        for own in design.signals(alone, truths[number * PER_PATH : (number + 1) * PER_PATH], stream, number):
            found = maximise(
                own, prior, ridge.best(own, prior), metric=fit.covariance, rounds=1, evaluations=evaluations,
                tolerance=0.01,
            )  # fmt: skip
            done.append((found.theta, design.not_shared(own, found)))
        return done

    with ThreadPoolExecutor(design.workers) as pool:
        results = [r for group in pool.map(one, range(-(-len(truths) // PER_PATH))) for r in group]
    estimates, not_shared = zip(*results, strict=True)
    return Experiments(truths, np.array(estimates), np.array(not_shared))


@dataclass(frozen=True)
class RadiusStatistic:
    """How T, the statistic of the radius, is distributed at each radius.

    weights: of the intercept and the fitted parameters in T; curve: polynomial of E T in log radius about `centre`;
    log_sd: linear in the same; dof: of Student's t that the standardised T follows; information: inverse of the
        regression's Gram matrix, which tells how unsure the weights make the T of a new experiment
    """

    weights: Floats
    information: Floats
    centre: float
    curve: Floats
    log_sd: Floats
    dof: float

    @classmethod
    def fitted(cls, truth: Floats, estimate: Floats) -> "RadiusStatistic":
        """truth: (M,) log radii; estimate: (M, P)."""
        design = np.column_stack([np.ones(len(truth)), estimate])
        spread = estimate.std(axis=0) + 1e-9
        ridge = np.diag(np.append(0.0, 0.02 * len(truth) * spread**2))
        information = np.linalg.inv(design.T @ design + ridge)
        weights = information @ (design.T @ truth)
        value = design @ weights
        centre, width = float(truth.mean()), float(np.ptp(truth))
        x = truth - centre
        degree = 1 if width < 0.12 else 2 if width < 0.5 else 3
        curve = np.polyfit(x, value, degree)
        residual = value - np.polyval(curve, x)
        used = estimate.shape[1] + degree + 1
        inflate = len(truth) / max(len(truth) - used, 5)
        log_sd = np.array([0.0, 0.5 * np.log(np.mean(residual**2) * inflate + 1e-12)])
        if width > 0.25:
            level = np.log(np.abs(residual) + 1e-9) + 0.635  # E log|z| of a standard normal is -0.635
            slope = np.polyfit(x, np.clip(level, log_sd[1] - 3, None), 1)[0] * 0.8
            relative = np.exp(slope * x)
            log_sd = np.array([slope, 0.5 * np.log(np.mean((residual / relative) ** 2) * inflate + 1e-12)])
        return cls(weights, information, centre, curve, log_sd, float(max(len(truth) - estimate.shape[1] - 3, 4)))

    def below(self, estimate: Floats, log_radius: Floats) -> Floats:
        """P(T <= the observed one) at each radius: close to 1 at radii too small, to 0 at those too large.

        The error of the weights is part of the spread: more so for an estimate unlike those that were simulated.
        """
        at = np.append(1.0, estimate)
        observed, leverage = float(at @ self.weights), float(at @ self.information @ at)
        x = log_radius - self.centre
        sd = np.exp(np.polyval(self.log_sd, x)) * np.sqrt(1 + leverage)
        z = (observed - np.polyval(self.curve, x)) / sd
        return np.asarray(stdtr(self.dof, z))


@dataclass(frozen=True)
class Confidence:
    """The confidence distribution of the log radius. below: (G,) falling from 1 to 0 over log_radius (G,); where it
    does not reach them, radii beyond the grid are not excluded."""

    log_radius: Floats
    below: Floats

    def quantile(self, level: Floats | float) -> Floats:
        """The log radius whose chance to be larger than the truth's is `level`; infinite where it lies off the grid."""
        value = np.interp(level, 1 - self.below, self.log_radius)
        value = np.where(np.asarray(level) < 1 - self.below[0], -np.inf, value)
        return np.where(np.asarray(level) > 1 - self.below[-1], np.inf, value)

    def radius(self, level: float) -> tuple[float, float, float]:
        """Median and interval of the radius; the lower end is 0 where no smaller radius is excluded."""
        tail = (1 - level) / 2
        low, mid, high = np.exp(self.quantile(np.array([tail, 0.5, 1 - tail])))
        return float(mid), float(low), float(high)

    def within_bounds(self) -> "Confidence":
        """For a truth that is known to lie on the grid: where even its last radius seems too small, or its first too
        large, a radius is excluded only if T is rare there beside how rare it is at that end.

        Otherwise data that tell nothing, with a T that is rare at every radius, would exclude them all (CLs; Read,
        J. Phys. G 28 (2002) 2693, on the one side that is not open).
        """
        below = self.below
        if below[-1] > 0.5:
            below = 1 - 0.5 * (1 - below) / max(1 - below[-1], 1e-12)
        elif below[0] < 0.5:
            below = 0.5 * below / max(below[0], 1e-12)
        return Confidence(self.log_radius, below)


def confidence(statistic: RadiusStatistic, estimate: Floats, low: float, high: float) -> Confidence:
    grid = np.linspace(low, high, 801)
    below = statistic.below(estimate, grid)
    peak = int(np.argmax(below))
    below[:peak] = below[peak] if below[peak] > 0.5 else below[:peak]
    return Confidence(grid, np.minimum.accumulate(below))


@dataclass(frozen=True)
class Calibration:
    """experiments: those used; confidence: of the log radius of the data; draws: (D, P) parameters;
    p_values: (M,) cross-validated P(T <= own T) of each experiment at its own truth, uniform if the interval is true;
    errors: (M,) cross-validated log estimate less log truth"""

    experiments: Experiments
    statistic: RadiusStatistic
    confidence: Confidence
    draws: Floats
    p_values: Floats
    errors: Floats


def calibrate(
    likelihood: Likely,
    prior: Prior,
    fit: Fit,
    ridge: Ridge,
    design: Simulated,
    count: int,
    draws: int,
    allowed: tuple[float, float],
    summary: Floats | None = None,
) -> Calibration:
    """Two rounds of experiments, a wide one and one over what it leaves possible; then outwards while the edge is not
    excluded by them, however little the likelihood thinks of it.

    ridge: of the fit; allowed: bounds of the log radius
    summary: (K, P) weights of the fitted parameters in what the statistic of the radius is made of; they themselves
        where None
    """

    def seen(estimate: Floats) -> Floats:
        return estimate if summary is None else estimate @ summary.T

    rng = np.random.default_rng([design.seed, 7])
    bounds = ridge.possible()
    likely = ridge.within(FIRST_DEPTH)
    below, above = (max(abs(end - fit.theta[RADIUS]), LEAST_HALF) for end in likely)
    centre = fit.theta.copy()
    nearest = np.inf
    for turn in range(CENTRINGS):
        ends = max(bounds[0], centre[RADIUS] - below), min(bounds[1], centre[RADIUS] + above)
        truths = ridge.spread(centre - fit.theta, *ends, count // 3, rng)
        tried = run_experiments(truths, likelihood, prior, fit, ridge, design, 11 + 100 * turn)
        shown = seen(tried.estimate)
        away = (np.abs(seen(fit.theta) - shown.mean(axis=0)) / (shown.std(axis=0) + 1e-9)).max()
        if away >= nearest:  # the regression leads off: the data's fit is of a kind that simulations do not give
            break
        nearest, used, first, (low, high) = away, centre, tried, ends
        if away < NEAR_CENTRE:
            break
        centre = _recentred(centre, first, fit.theta, bounds)
    centre = used
    rough = confidence(RadiusStatistic.fitted(first.truth[:, RADIUS], seen(first.estimate)), seen(fit.theta), low, high)
    a, b = (float(x) for x in rough.quantile(np.array([0.002, 0.998])))
    a, b = (low if not np.isfinite(a) else a), b
    margin = 0.15 * (b - a) + 0.01
    a, b = max(bounds[0], a - margin), min(bounds[1], b + margin)
    # Where the first round's edge was still possible, go beyond it.
    a = max(bounds[0], low - 0.5 * (high - low)) if rough.below[0] < 0.998 else a
    b = min(bounds[1], high + 0.5 * (high - low)) if rough.below[-1] > 0.002 else b
    truths = ridge.spread(centre - fit.theta, a, b, count - count // 3, rng)
    second = run_experiments(truths, likelihood, prior, fit, ridge, design, 12)
    inside = (first.truth[:, RADIUS] > a - 0.3 * (b - a)) & (first.truth[:, RADIUS] < b + 0.3 * (b - a))
    experiments = second.joined(first.only(inside))
    for turn in range(EXTENSIONS):
        statistic = RadiusStatistic.fitted(experiments.truth[:, RADIUS], seen(experiments.estimate))
        found = confidence(statistic, seen(fit.theta), a, b)
        wider_a = a - 0.4 * (b - a) if found.below[0] < 1 - EDGE else a
        wider_b = b + 0.4 * (b - a) if found.below[-1] > EDGE else b
        for end in (wider_a, wider_b):
            if not bounds[0] <= end <= bounds[1]:
                ridge = ridge.reaching(end, likelihood, prior, allowed)
        first_radius, last_radius = float(ridge.theta[0, RADIUS]), float(ridge.theta[-1, RADIUS])
        wider_a, wider_b = max(wider_a, min(a, first_radius)), min(wider_b, max(b, last_radius))
        new = [(x, y) for x, y in ((wider_a, a), (b, wider_b)) if y - x > 0.01]
        if not new:
            break
        for side, (x, y) in enumerate(new):
            truths = ridge.spread(centre - fit.theta, x, y, max(count // 6, 8), rng)
            more = run_experiments(truths, likelihood, prior, fit, ridge, design, 13 + 2 * turn + side)
            experiments = experiments.joined(more)
        a, b = wider_a, wider_b
    truth, estimate = experiments.truth[:, RADIUS], seen(experiments.estimate)
    statistic = RadiusStatistic.fitted(truth, estimate)
    found = confidence(statistic, seen(fit.theta), a, b)
    if ridge.closed(0) and a <= ridge.theta[0, RADIUS]:
        found.below[0] = 1.0  # no simulation excludes smaller radii, but the likelihood does
    if ridge.closed(-1) and b >= ridge.theta[-1, RADIUS]:
        found.below[-1] = 0.0
    found = found.within_bounds()
    p_values, errors = _cross_validated(truth, estimate, a, b)
    return Calibration(
        experiments, statistic, found, joint_draws(experiments, fit.theta, found, draws, rng), p_values, errors
    )


def _recentred(centre: Floats, tried: Experiments, observed: Floats, bounds: tuple[float, float]) -> Floats:
    """Where the truth lies by a regression of the truths on the fitted parameters, no more than a step away."""
    x, y = tried.estimate - tried.estimate.mean(axis=0), tried.truth - tried.truth.mean(axis=0)
    ridge = np.diag(0.05 * len(x) * x.var(axis=0) + 1e-9)
    weights = np.linalg.solve(x.T @ x + ridge, x.T @ y)
    expected = tried.truth.mean(axis=0) + (observed - tried.estimate.mean(axis=0)) @ weights
    moved = centre + np.clip(expected - centre, -LARGEST_MOVE, LARGEST_MOVE)
    inner = min(0.2, (bounds[1] - bounds[0]) / 4)
    moved[RADIUS] = np.clip(moved[RADIUS], bounds[0] + inner, bounds[1] - inner)
    return moved


def _cross_validated(truth: Floats, estimate: Floats, low: float, high: float) -> tuple[Floats, Floats]:
    p_values, errors = np.empty(len(truth)), np.empty(len(truth))
    for fold in range(FOLDS):
        out = np.arange(len(truth)) % FOLDS == fold
        statistic = RadiusStatistic.fitted(truth[~out], estimate[~out])
        for i in np.flatnonzero(out):
            p_values[i] = statistic.below(estimate[i], truth[i : i + 1])[0]
            errors[i] = float(confidence(statistic, estimate[i], low - 0.2, high + 0.2).quantile(0.5)) - truth[i]
    return p_values, errors


def joint_draws(
    experiments: Experiments, estimate: Floats, found: Confidence, count: int, rng: np.random.Generator
) -> Floats:
    """(count, P): the log radius from its confidence distribution, the others by regression on the fitted parameters
    and the radius, with the residuals of the experiments."""
    levels = (np.arange(count) + 0.5) / count
    radius = found.quantile(levels)
    radius = np.clip(radius, found.log_radius[0], found.log_radius[-1])
    truth = experiments.truth
    centre = truth[:, RADIUS].mean()
    design = np.column_stack([np.ones(len(truth)), experiments.estimate, truth[:, RADIUS] - centre])
    others = np.delete(truth, RADIUS, axis=1)
    spread = design.std(axis=0) ** 2 * 0.01 * len(truth)
    weights = np.linalg.solve(design.T @ design + np.diag(spread + 1e-9), design.T @ others)
    residual = others - design @ weights
    residual *= np.sqrt(len(truth) / max(len(truth) - design.shape[1], 5))
    at = np.column_stack([np.ones(count), np.tile(estimate, (count, 1)), radius - centre])
    drawn = at @ weights + residual[rng.integers(len(residual), size=count)]
    return np.insert(drawn, RADIUS, radius, axis=1)
