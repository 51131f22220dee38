"""The compound-state HMM's parameters and one step of expectation-maximisation on them."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from scipy.optimize import lsq_linear, minimize

from contactlens.tracks.evaluation.baselines.compound_chain import CompoundChain, state_bits
from contactlens.tracks.evaluation.baselines.memory_kernel import MemoryKernel

Array = np.ndarray

# Frames x tracks x compound states of one pass of forward-backward: some 30 MB an array.
CHUNK = 4_000_000
# No switching probability leaves [this, 1 - this], so that no path is ruled out for good.
LEAST_PROBABILITY = 1e-6


class Expected(NamedTuple):
    """What the posterior says of each compound state, summed over tracks and frames, (2^w,) each.

    first: times it was the first frame's; later: times it was that of another frame, up to a track's last observed
    weight, signal, square: of the observed frames, their number, sum and sum of squares
    log_likelihood: of all tracks, nats
    """

    first: Array
    later: Array
    weight: Array
    signal: Array
    square: Array
    log_likelihood: float


@dataclass(frozen=True)
class CompoundModel:
    """signal_t ~ N(background + rate sum_k mean_k s_{t-k}, noise_variance + loading_variance sum_k square_k s_{t-k}).

    p_on, p_off: probability of a switch per frame, of a promoter off, on
    first_on: share of tracks on at the oldest frame that the first one remembers
    background: a.u.; rate: a.u. per second while on, loading rate x signal of one polymerase
    noise_variance: a.u.^2; loading_variance: a.u.^2 per second, loading rate x squared signal of one polymerase
    """

    kernel: MemoryKernel
    p_on: float
    p_off: float
    first_on: float
    background: float
    rate: float
    noise_variance: float
    loading_variance: float

    def posteriors(
        self, signal: Array, observed: Array, switching: Array | None = None
    ) -> Iterator[tuple[slice, Array, Array]]:
        """Rows, posterior (T, rows, 2^w) and log-likelihood (rows,) of some tracks at a time, of signal (N, T).

        switching: (N, T) `p_on` of the step into each frame; None: the model's own
        """
        memory = len(self.kernel.mean)
        bits = state_bits(memory)
        mean = self.background + self.rate * (bits @ self.kernel.mean)
        variance = self.noise_variance + self.loading_variance * (bits @ self.kernel.square)
        step = max(1, CHUNK // (signal.shape[1] * len(bits)))
        for first in range(0, len(signal), step):
            rows = slice(first, first + step)
            of_rows = None if switching is None else switching[rows].T
            chain = CompoundChain(self.p_on, self.p_off, self.first_on, memory, of_rows)
            residual = signal[rows].T[:, :, None] - mean
            log_emission = -0.5 * (residual**2 / variance + np.log(2 * np.pi * variance))
            yield rows, *chain.posterior(log_emission * observed[rows].T[:, :, None])

    def expect(self, signal: Array, observed: Array) -> Expected:
        """The sums of the E-step."""
        reached = np.flip(np.maximum.accumulate(np.flip(observed, 1), axis=1), 1)
        sums = np.zeros((5, 2 ** len(self.kernel.mean)))
        log_likelihood = 0.0
        for rows, posterior, track in self.posteriors(signal, observed):
            known, y = observed[rows].T.astype(np.float64), signal[rows].T
            weights = np.stack([known, known * y, known * y**2])
            sums[0] += posterior[0].sum(axis=0)
            sums[1] += np.einsum("tn,tnc->c", reached[rows].T[1:].astype(np.float64), posterior[1:])
            sums[2:] += np.einsum("stn,tnc->sc", weights, posterior, optimize=True)
            log_likelihood += float(track.sum())
        first, later, weight, total, square = sums
        return Expected(first, later, weight, total, square, log_likelihood)

    def maximise(self, expected: Expected, least_variance: float) -> "CompoundModel":
        """The M-step: switching in closed form, the mean given the variance, then the variance given the mean."""
        return self._switching(expected)._levels(expected)._variances(expected, least_variance)

    def _switching(self, expected: Expected) -> "CompoundModel":
        bits = state_bits(len(self.kernel.mean))
        old, new = bits[:, 1:], bits[:, :-1]

        def count(before: int, after: int) -> float:
            """Expected transitions: all those that the first frame remembers, one for each later frame."""
            held = (old == before) & (new == after)
            return float(expected.first @ held.sum(axis=1) + expected.later @ held[:, 0])

        return replace(
            self,
            p_on=_share(count(0, 1), count(0, 0)),
            p_off=_share(count(1, 0), count(1, 1)),
            first_on=_share(float(expected.first @ bits[:, -1]), float(expected.first @ (1 - bits[:, -1]))),
        )

    def _levels(self, expected: Expected) -> "CompoundModel":
        """Weighted least squares; the rate can't be negative, or on and off would change places."""
        bits = state_bits(len(self.kernel.mean))
        used = expected.weight > 0
        variance = self.noise_variance + self.loading_variance * (bits @ self.kernel.square)
        root = np.sqrt(expected.weight / variance)[used]
        design = np.stack([np.ones(len(bits)), bits @ self.kernel.mean], axis=1)[used]
        target = (expected.signal[used] / expected.weight[used]) * root
        found = lsq_linear(design * root[:, None], target, bounds=([-np.inf, 0.0], np.inf)).x
        return replace(self, background=float(found[0]), rate=float(found[1]))

    def _variances(self, expected: Expected, least_variance: float) -> "CompoundModel":
        bits = state_bits(len(self.kernel.mean))
        mean = self.background + self.rate * (bits @ self.kernel.mean)
        residual = expected.square - 2 * mean * expected.signal + mean**2 * expected.weight
        design = np.stack([np.ones(len(bits)), bits @ self.kernel.square], axis=1)
        # In units in which both parameters are near 1, on which the optimiser's stopping rules rely.
        present = np.array([self.noise_variance, self.loading_variance])
        scale = np.maximum(present, [least_variance, least_variance / self.kernel.square.sum()])

        def loss(factors: Array) -> tuple[float, Array]:
            variance = design @ (factors * scale)
            value = expected.weight @ np.log(variance) + (residual / variance).sum()
            slope = design.T @ (expected.weight / variance - residual / variance**2) * scale
            total = expected.weight.sum()
            return float(value / total), slope / total

        bounds = [(least_variance / scale[0], None), (0.0, None)]
        found = minimize(loss, present / scale, jac=True, method="L-BFGS-B", bounds=bounds).x * scale
        return replace(self, noise_variance=float(found[0]), loading_variance=float(found[1]))


def _share(part: float, rest: float) -> float:
    return float(np.clip(part / max(part + rest, np.finfo(float).tiny), LEAST_PROBABILITY, 1 - LEAST_PROBABILITY))
