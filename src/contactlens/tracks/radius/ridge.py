"""What the data leave of the other parameters at each radius: the ridge that simulated experiments are drawn along.

Near the estimate the ridge is straight in logarithms. Far from it it is not: where contact is so effective that every
visit switches the promoter on, a smaller radius needs a rate that grows without limit; at radii above what a frame
interval resolves it is the mean rate that stays the same. So the likelihood is climbed at each of a row of radii.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contactlens.tracks.radius.fit import Fit, Penalty, maximise
from contactlens.tracks.radius.model.likelihood import Likelihood

Floats = NDArray[Any]
RADIUS = 0  # its place among the parameters
HELD = 1e-6  # SD of the log radius where it is held
STEPS = (0.04, 0.2)  # least and most between two radii, in logarithms; one standard error in between
DEEPEST = 10.0  # nats below the maximum at which a radius is given up
STRIDE = 0.15  # least step, in logarithms, of a walk along the ridge
LEAST_REACH = 0.12  # of the ridge on each side of the estimate, however deep: the likelihood is an approximation


@dataclass(frozen=True)
class Ridge:
    """theta: (G, P) parameters of largest likelihood at rising radii
    value: (G,) that likelihood, penalised
    root: (P - 1, P - 1) Cholesky factor of the covariance of all but the radius, given it
    """

    theta: Floats
    value: Floats
    root: Floats

    def within(self, nats: float) -> tuple[float, float]:
        """Lowest and highest log radius at which the likelihood is no more than `nats` below its maximum; the ends of
        the ridge where it nowhere is."""
        radius, below = self.theta[:, RADIUS], self.value.max() - self.value
        top = int(np.argmin(below))
        low = float(np.interp(-nats, -below[: top + 1], radius[: top + 1]))
        return low, float(np.interp(nats, below[top:], radius[top:]))

    def possible(self) -> tuple[float, float]:
        """Lowest and highest log radius that is not given up."""
        low, high = self.within(DEEPEST)
        top, first, last = (float(self.theta[i, RADIUS]) for i in (int(np.argmax(self.value)), 0, -1))
        return max(min(low, top - LEAST_REACH), first), min(max(high, top + LEAST_REACH), last)

    @property
    def closed_below(self) -> bool:
        """Whether smaller radii than the ridge's are given up, and not only out of bounds."""
        return bool(self.value[0] < self.value.max() - DEEPEST)

    def best(self, likelihood: Likelihood, prior: Penalty) -> Floats:
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


def ridge_of(likelihood: Likelihood, prior: Penalty, fit: Fit, bounds: tuple[float, float]) -> Ridge:
    """From the estimate out to where the likelihood is DEEPEST lower, or to the ends of `bounds` (log radius)."""
    rest = np.arange(1, len(fit.theta))
    slope = fit.covariance[rest, RADIUS] / fit.covariance[RADIUS, RADIUS]
    given = fit.covariance[np.ix_(rest, rest)] - np.outer(slope, fit.covariance[RADIUS, rest])
    root = np.linalg.cholesky(given + 1e-9 * np.diag(np.diag(given)))
    metric = np.zeros_like(fit.covariance)
    metric[RADIUS, RADIUS], metric[np.ix_(rest, rest)] = HELD**2, root @ root.T
    step = float(np.clip(fit.standard_error("log_radius"), *STEPS))
    top = float(fit.log_likelihood.sum()) + prior.log_density(fit.theta)
    sides: list[list[tuple[float, Floats]]] = [[], []]
    for side, towards in enumerate((-step, step)):
        theta, value = fit.theta, top
        while bounds[0] < theta[RADIUS] + towards < bounds[1] and (
            value > top - DEEPEST or abs(theta[RADIUS] - fit.theta[RADIUS]) < LEAST_REACH
        ):
            start = theta.copy()
            start[RADIUS] += towards
            found = maximise(likelihood, prior, start, metric=metric, rounds=1, evaluations=8, tolerance=0.05)
            theta, value = found.theta, float(found.log_likelihood.sum()) + prior.log_density(found.theta)
            sides[side].append((value, theta))
    row = [*sides[0][::-1], (top, fit.theta), *sides[1]]
    return Ridge(np.array([theta for _, theta in row]), np.array([value for value, _ in row]), root)
