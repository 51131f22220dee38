"""The compound-state HMM: a two-state promoter seen through the memory of MS2, fitted to the signal alone.

Lammers et al., PNAS 2020, after Corrigan et al., eLife 2016. Two things differ from theirs: the kernel takes the state
as linear between frames, and Poisson loading adds to the variance in proportion to the time the promoter was on. That
noise lasts as long as the memory, but the model takes it for new in each frame: where polymerases are few, it is
partly read as switching, and the rates come out too fast (by 20 to 40 % in k_off with one polymerase in 5 s).
"""

from dataclasses import dataclass

import numpy as np

from contactlens.base.errors import InputError
from contactlens.tracks.data.batch import TrackBatch
from contactlens.tracks.evaluation.baselines.compound_chain import state_bits
from contactlens.tracks.evaluation.baselines.compound_em import CompoundModel
from contactlens.tracks.evaluation.baselines.memory_kernel import MemoryKernel
from contactlens.tracks.evaluation.config import CompoundHmmConfig
from contactlens.tracks.evaluation.state_posterior import StatePosterior

Array = np.ndarray

MOST_MEMORY_FRAMES = 12
# Least noise variance, relative to the signal's variance.
LEAST_VARIANCE = 1e-6
# Least probability of staying in both states, 1 - p_on - p_off, with which rates in continuous time are given.
LEAST_PERSISTENCE = 1e-3


@dataclass(frozen=True)
class CompoundHmm:
    """history: log-likelihood (nats) of the tracks of the fit before each step of EM."""

    model: CompoundModel
    history: tuple[float, ...]

    @classmethod
    def fit(
        cls, signal: Array, observed: Array, kernel: MemoryKernel, config: CompoundHmmConfig, seed: int
    ) -> "CompoundHmm":
        """Expectation-maximisation on signal (N, T), a.u., where observed (N, T).

        Raises InputError where the observed signal doesn't vary, or the memory makes too many compound states.
        """
        memory = len(kernel.mean)
        if not 2 <= memory <= MOST_MEMORY_FRAMES:
            rule = f"a memory of {memory} frames makes 2^{memory} compound states"
            raise InputError(f"compound_hmm: {rule}; 2 to {MOST_MEMORY_FRAMES} frames fit")
        rng = np.random.default_rng(seed)
        drawn = np.sort(rng.permutation(len(signal))[: config.max_tracks])
        signal, observed = np.asarray(signal, dtype=np.float64)[drawn], observed[drawn]
        if not observed.any() or np.ptp(signal[observed]) == 0:
            raise InputError("compound_hmm: needs observed frames whose signal varies")
        starts = [_guess(signal[observed], kernel, rng) for _ in range(config.restarts)]
        fitted = [_em(start, signal, observed, config) for start in starts]
        return max(fitted, key=lambda hmm: hmm.history[-1])

    @property
    def k_on_per_s(self) -> float:
        return self.model.p_on * self._rate_per_switch

    @property
    def k_off_per_s(self) -> float:
        return self.model.p_off * self._rate_per_switch

    def switching_on(self, batch: TrackBatch) -> Array | None:
        """(N, T) `p_on` of the step into each frame, where it depends on something; else None."""
        return None

    def decode(self, signal: Array, observed: Array, switching: Array | None = None) -> Array:
        """(N, T) probability that the promoter is on at each frame given the whole track, observed or not.

        switching: see `CompoundModel.posteriors`
        """
        on = state_bits(len(self.model.kernel.mean))[:, 0]
        found = [(posterior @ on).T for _, posterior, _ in self.model.posteriors(signal, observed, switching)]
        return np.clip(np.concatenate(found), 0.0, 1.0)

    def posterior(self, batch: TrackBatch, seed: int) -> StatePosterior:
        """Of the promoter's paths, by forward-backward and forward sampling. Raises as `probability` does."""
        self._check_interval(batch)
        signal, observed = batch.signal.cpu().numpy().astype(np.float64), batch.observed.cpu().numpy()
        rng = np.random.default_rng(seed)
        found = self.model.posteriors(signal, observed, self.switching_on(batch))
        parts = [_of_paths(compound, rng) for _, compound, _ in found]
        return StatePosterior.joined(parts)

    def log_likelihood(self, signal: Array, observed: Array) -> Array:
        """(N,) nats of each track."""
        return np.concatenate([track for _, _, track in self.model.posteriors(signal, observed)])

    def probability(self, batch: TrackBatch) -> Array:
        """(N, T) `decode` of a batch. Raises InputError where its frame interval isn't the kernel's."""
        self._check_interval(batch)
        signal, observed = batch.signal.cpu().numpy().astype(np.float64), batch.observed.cpu().numpy()
        return self.decode(signal, observed, self.switching_on(batch))

    def _check_interval(self, batch: TrackBatch) -> None:
        interval_s = self.model.kernel.frame_interval_s
        if not np.isclose(batch.frame_interval_s, interval_s):
            raise InputError(f"compound_hmm: fitted to frames of {interval_s} s, not of {batch.frame_interval_s} s")

    @property
    def _rate_per_switch(self) -> float:
        """Rate (1/s) per probability of a switch within a frame, of the two-state process in continuous time."""
        switches = self.model.p_on + self.model.p_off
        return -float(np.log(max(1 - switches, LEAST_PERSISTENCE))) / switches / self.model.kernel.frame_interval_s


def _of_paths(compound: Array, rng: np.random.Generator) -> StatePosterior:
    """From the probability (T, N, 2^w) of each compound state given the whole track.

    Given the bits that two frames share, the new one depends on no older one, so that P(new | shared), read off the
    later frame, draws paths exactly.
    """
    T, N, states = compound.shape
    pairs = compound[1:].reshape(T - 1, N, states // 4, 4).sum(axis=2)  # by the bits (before, now)
    on = compound[:, :, 1::2].sum(axis=2)
    drawn, rows = rng.random((T, N)), np.arange(N)
    path = np.empty((T, N), dtype=bool)
    edges = np.cumsum(compound[0], axis=1)
    state = np.minimum((drawn[0, :, None] * edges[:, -1:] >= edges).sum(axis=1), states - 1)
    path[0] = state & 1
    for t in range(1, T):
        shifted = (2 * state) % states
        off, as_on = compound[t, rows, shifted], compound[t, rows, shifted + 1]
        state = shifted + (drawn[t] * (off + as_on) < as_on)
        path[t] = state & 1
    on, up, down = (np.clip(part.T, 0.0, 1.0) for part in (on, pairs[:, :, 1], pairs[:, :, 2]))
    return StatePosterior(on, up, down, path.T)


def _guess(values: Array, kernel: MemoryKernel, rng: np.random.Generator) -> CompoundModel:
    """A starting point at random, its levels within a few standard deviations of the observed signal's mean."""
    mean, sd = float(values.mean()), float(values.std())
    p_on, p_off = np.exp(rng.uniform(np.log(0.02), np.log(0.4), size=2)).tolist()
    return CompoundModel(
        kernel=kernel,
        p_on=p_on,
        p_off=p_off,
        first_on=p_on / (p_on + p_off),
        background=mean - sd * rng.uniform(0.3, 1.0),
        rate=sd * rng.uniform(1.5, 3.5) / float(kernel.mean.sum()),
        noise_variance=0.1 * sd**2,
        loading_variance=0.1 * sd**2 / float(kernel.square.sum()),
    )


def _em(model: CompoundModel, signal: Array, observed: Array, config: CompoundHmmConfig) -> CompoundHmm:
    floor = LEAST_VARIANCE * float(signal[observed].var())
    expected = model.expect(signal, observed)
    history = [expected.log_likelihood]
    for _ in range(config.max_iterations):
        model = model.maximise(expected, floor)
        expected = model.expect(signal, observed)
        history.append(expected.log_likelihood)
        if history[-1] - history[-2] < config.tolerance * observed.sum():
            break
    return CompoundHmm(model, tuple(history))
