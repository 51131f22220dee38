"""What the data leave of the other parameters at each radius: the ridge that simulated experiments are drawn along.

Near the estimate the ridge is straight in logarithms. Far from it it is not: where contact is so effective that every
visit switches the promoter on, a smaller radius needs a rate that grows without limit; at radii above what a frame
interval resolves it is the mean rate that stays the same. So the likelihood is climbed at each of a row of radii.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contactlens.tracks.radius.fit import Fit, Likely, Prior, climbed, maximise

Floats = NDArray[Any]
RADIUS = 0  # its place among the parameters
HELD = 1e-6  # SD of the log radius where it is held
STEPS = (0.04, 0.2)  # least and most between two radii, in logarithms; one standard error in between
DEEPEST = 10.0  # nats below the maximum from which a radius is simulated only if others as far off are not excluded
HOPELESS = 60.0  # nats below the maximum at which a radius is given up without simulation
STRIDE = 0.15  # least step, in logarithms, of a walk along the ridge
HIGHER = 0.5  # nats by which the ridge's top must lie above a fit that is given up for it
CLIMBS = 3
LEAST_REACH = 0.12  # of the ridge on each side of the estimate, however deep: the likelihood is an approximation


@dataclass(frozen=True)
class Ridge:
    """theta: (G, P) parameters of largest likelihood at rising radii
    value: (G,) that likelihood, penalised
    root: (P - 1, P - 1) Cholesky factor of the covariance of all but the radius, given it
    metric: (P, P) covariance that scales the climb at a radius; step: between two radii, in logarithms
    """

    theta: Floats
    value: Floats
    root: Floats
    metric: Floats
    step: float

    def within(self, nats: float) -> tuple[float, float]:
        """Lowest and highest log radius at which the likelihood is no more than `nats` below its maximum; the ends of
        the ridge where it nowhere is."""
        radius, below = self.theta[:, RADIUS], self.value.max() - self.value
        top = int(np.argmin(below))
        low = float(np.interp(-nats, -below[: top + 1], radius[: top + 1]))
        return low, float(np.interp(nats, below[top:], radius[top:]))

    def possible(self) -> tuple[float, float]:
        """Lowest and highest log radius from which simulation starts."""
        low, high = self.within(DEEPEST)
        top, first, last = (float(self.theta[i, RADIUS]) for i in (int(np.argmax(self.value)), 0, -1))
        return max(min(low, top - LEAST_REACH), first), min(max(high, top + LEAST_REACH), last)

    def closed(self, end: int) -> bool:
        """Whether radii beyond the first (0) or last (-1) are given up, and not only out of bounds."""
        return bool(self.value[end] < self.value.max() - HOPELESS)

    def reaching(self, log_radius: float, likelihood: Likely, prior: Prior, bounds: tuple[float, float]) -> "Ridge":
        """The ridge walked on to a log radius, or to where it is HOPELESS or out of `bounds`."""
        end = 0 if log_radius < self.theta[0, RADIUS] else -1
        side = -1.0 if end == 0 else 1.0
        floor = self.value.max() - HOPELESS

        def goes_on(theta: Floats, value: float) -> bool:
            return bool(value > floor and side * (log_radius - theta[RADIUS]) > 0)

        start = self.theta[end], float(self.value[end])
        walked = _walk(likelihood, prior, self.metric, start, side * self.step, bounds, goes_on)
        if not walked:
            return self
        theta, value = np.array([t for t, _ in walked]), np.array([v for _, v in walked])
        if end == 0:
            theta, value = np.concatenate([theta[::-1], self.theta]), np.concatenate([value[::-1], self.value])
        else:
            theta, value = np.concatenate([self.theta, theta]), np.concatenate([self.value, value])
        return replace(self, theta=theta, value=value)

    def best(self, likelihood: Likely, prior: Prior) -> Floats:
        """(P,) where on the ridge to start the climb of another likelihood: a walk from the top as long as it rises."""

        def value(i: int) -> float:
            return float(likelihood(self.theta[i], False)[0].sum()) + prior.log_density(self.theta[i])

        place = int(np.argmax(self.value))
        highest = value(place)
        stride = max(1, round(STRIDE * len(self.theta) / max(np.ptp(self.theta[:, RADIUS]), STRIDE)))
        for step in (stride, -stride):
            first = place
            while 0 <= place + step < len(self.theta) and (found := value(place + step)) > highest:
                place, highest = place + step, found
            if place != first:
                break
        return self.theta[place]

    def at(self, log_radius: Floats) -> Floats:
        """(M, P) parameters at each log radius (M,), between two neighbours on a line."""
        columns = [np.interp(log_radius, self.theta[:, RADIUS], column) for column in self.theta.T]
        return np.stack([log_radius, *columns[1:]], axis=1)

    def spread(self, shift: Floats, low: float, high: float, count: int, rng: np.random.Generator) -> Floats:
        """(count, P) parameters: log radius evenly over [low, high], the others about the ridge moved by `shift`."""
        radius = rng.permutation(low + (high - low) * (np.arange(count) + rng.uniform(size=count)) / count)
        out = self.at(radius)
        noise = np.clip(rng.standard_normal((count, out.shape[1] - 1)), -2.5, 2.5)
        out[:, 1:] += shift[1:] + noise @ self.root.T
        return out


def ridge_of(likelihood: Likely, prior: Prior, fit: Fit, bounds: tuple[float, float]) -> Ridge:
    """From the estimate out to where the likelihood is DEEPEST lower, or to the ends of `bounds` (log radius)."""
    rest = np.arange(1, len(fit.theta))
    slope = fit.covariance[rest, RADIUS] / fit.covariance[RADIUS, RADIUS]
    given = fit.covariance[np.ix_(rest, rest)] - np.outer(slope, fit.covariance[RADIUS, rest])
    root = np.linalg.cholesky(given + 1e-9 * np.diag(np.diag(given)))
    metric = np.zeros_like(fit.covariance)
    metric[RADIUS, RADIUS], metric[np.ix_(rest, rest)] = HELD**2, root @ root.T
    step = float(np.clip(fit.standard_error("log_radius"), *STEPS))
    top = float(fit.log_likelihood.sum()) + prior.log_density(fit.theta)

    def goes_on(theta: Floats, value: float) -> bool:
        return bool(value > top - DEEPEST or abs(theta[RADIUS] - fit.theta[RADIUS]) < LEAST_REACH)

    start = fit.theta, top
    down = _walk(likelihood, prior, metric, start, -step, bounds, goes_on)
    up = _walk(likelihood, prior, metric, start, step, bounds, goes_on)
    row = [*down[::-1], start, *up]
    return Ridge(np.array([theta for theta, _ in row]), np.array([value for _, value in row]), root, metric, step)


def highest_fit(likelihood: Likely, fit: Fit, prior: Prior, bounds: tuple[float, float]) -> tuple[Fit, Ridge]:
    """The fit and its ridge, climbed again from the ridge's top for as long as that lies higher.

    A search over all parameters at once can end on a side peak, where the promoter's times take the place of the
    radius: 105 nats below the maximum in one of 41 simulated experiments, and with a radius 18 % too large.
    """
    ridge = ridge_of(likelihood, prior, fit, bounds)
    for _ in range(CLIMBS):
        top = float(fit.log_likelihood.sum()) + prior.log_density(fit.theta)
        best = int(np.argmax(ridge.value))
        if ridge.value[best] < top + HIGHER:
            break
        fit = climbed(likelihood, prior, ridge.theta[best])
        ridge = ridge_of(likelihood, prior, fit, bounds)
    return fit, ridge


def _walk(
    likelihood: Likely, prior: Prior, metric: Floats, start: tuple[Floats, float], step: float,
    bounds: tuple[float, float], goes_on: Callable[[Floats, float], bool],
) -> list[tuple[Floats, float]]:  # fmt: skip
    """Parameters and penalised likelihood at radii a step apart, the likelihood climbed at each from the one before."""
    theta, value = start
    walked = []
    while bounds[0] < theta[RADIUS] + step < bounds[1] and goes_on(theta, value):
        ahead = theta.copy()
        ahead[RADIUS] += step
        found = maximise(likelihood, prior, ahead, metric=metric, rounds=1, evaluations=8, tolerance=0.05)
        theta, value = found.theta, float(found.log_likelihood.sum()) + prior.log_density(found.theta)
        if not np.isfinite(value):
            break
        walked.append((theta, value))
    return walked
