"""What a decoder believes of whole paths of the promoter: expected switches, and a path drawn at random.

Switches and dwell times belong to paths. A hidden Markov model has a posterior over these. A network gives P(on) frame
by frame, which leaves open how the states of two neighbouring frames go together: with P(on) at 0.1 in 20 frames in a
row, the promoter may be on for two of them or flicker. One number says it, the odds ratio of neighbouring states given
their P(on) (Plackett, J. Am. Stat. Assoc. 1965). In a hidden Markov model whose frames are seen one by one it is that
of the transition matrix, in every frame; here it is fitted to pairs of frames whose states are known, as recalibration
is.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize_scalar

Array = np.ndarray
MOST_LOG_ODDS_RATIO = 14.0
LEAST = 1e-12  # probability of a pair


class StatePosterior(NamedTuple):
    """on: (N, T) P(on)
    up, down: (N, T - 1) P(off, then on) and P(on, then off) of frames t and t + 1
    path: (N, T) bool, one path drawn from the posterior
    """

    on: Array
    up: Array
    down: Array
    path: Array

    def of_tracks(self, rows: Array) -> "StatePosterior":
        return StatePosterior(*(values[rows] for values in self))

    @classmethod
    def joined(cls, parts: Sequence["StatePosterior"]) -> "StatePosterior":
        """Of the tracks of all parts."""
        return cls(*(np.concatenate(values) for values in zip(*parts, strict=True)))


def both_on(first: Array, second: Array, odds_ratio: float) -> Array:
    """P(on, on) of two frames with P(on) `first` and `second` whose states have this odds ratio.

    >>> float(both_on(np.array(0.3), np.array(0.4), 1.0))
    0.12
    """
    total = 1 + (first + second) * (odds_ratio - 1)
    product = 2 * odds_ratio * first * second
    root = np.sqrt(np.maximum(total**2 - 2 * (odds_ratio - 1) * product, 0.0))
    return np.clip(product / (total + root), np.maximum(first + second - 1, 0.0), np.minimum(first, second))


class Coupling(NamedTuple):
    """The odds ratio of the states of neighbouring frames given their P(on)."""

    odds_ratio: float

    @classmethod
    def fit(cls, state: Array, probability: Array, observed: Array) -> "Coupling":
        """Maximum likelihood of the states (N, T) of neighbouring frames, both observed (N, T), given P(on)."""
        seen = observed[:, :-1] & observed[:, 1:]
        before, after = (state[:, side][seen] > 0.5 for side in (slice(None, -1), slice(1, None)))
        first, second = (probability[:, side][seen] for side in (slice(None, -1), slice(1, None)))

        def loss(log_odds_ratio: float) -> float:
            both = both_on(first, second, float(np.exp(log_odds_ratio)))
            of_on = np.where(after, both, first - both)
            of_off = np.where(after, second - both, 1 - first - second + both)
            return -float(np.log(np.maximum(np.where(before, of_on, of_off), LEAST)).mean())

        if not seen.any():
            return cls(1.0)
        bounds = (-MOST_LOG_ODDS_RATIO, MOST_LOG_ODDS_RATIO)
        return cls(float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x)))

    def posterior(self, probability: Array, observed: Array, rng: np.random.Generator) -> StatePosterior:
        """Of P(on) (N, T): the Markov chain with these margins and this odds ratio. The path begins anew after
        frames that were not observed (N, T), which are not read."""
        on = np.where(observed, probability, 0.0)
        both = both_on(on[:, :-1], on[:, 1:], self.odds_ratio)
        up, down = on[:, 1:] - both, on[:, :-1] - both
        linked = observed[:, :-1] & observed[:, 1:]
        drawn = rng.random(on.shape)
        path = np.empty(on.shape, dtype=bool)
        path[:, 0] = drawn[:, 0] < on[:, 0]
        for t in range(1, on.shape[1]):
            was_on = path[:, t - 1]
            share = np.where(was_on, both[:, t - 1], up[:, t - 1])
            given = np.where(was_on, on[:, t - 1], 1 - on[:, t - 1])
            stays = np.divide(share, given, out=on[:, t].copy(), where=linked[:, t - 1] & (given > 0))
            path[:, t] = drawn[:, t] < stays
        return StatePosterior(on, up, down, path)
