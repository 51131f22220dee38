"""The hidden chain of a promoter with memory: compound states, their forward and backward passes.

A compound state holds the promoter's last w states as the bits of a number, the present frame's lowest. One frame on,
the bits shift up and a new one enters, so that each compound state has two successors and two predecessors among the
2^w (Corrigan et al., eLife 2016; Lammers et al., PNAS 2020).
"""

from dataclasses import dataclass

import numpy as np

Array = np.ndarray

# Least likelihood of a frame relative to its best compound state: an outlier must not rule out every path at once.
LOG_FLOOR = -200.0


def state_bits(memory: int) -> Array:
    """(2^memory, memory) the promoter's states 0, 1 in each compound state, present frame first."""
    return (np.arange(2**memory)[:, None] >> np.arange(memory)) & 1


@dataclass(frozen=True)
class CompoundChain:
    """p_on, p_off: probability that a promoter off, on switches within a frame.
    first_on: probability that it was on at the oldest frame that the first one remembers.
    memory: w >= 2 frames.
    switching: (T, N) `p_on` of the step into each frame; None where it is the same everywhere
    """

    p_on: float
    p_off: float
    first_on: float
    memory: int
    switching: Array | None = None

    @property
    def transition(self) -> Array:
        """(2, 2) from a state (rows) to the next (columns)."""
        return np.array([[1 - self.p_on, self.p_on], [self.p_off, 1 - self.p_off]])

    @property
    def start(self) -> Array:
        """(2^w,) probability of each compound state at the first frame."""
        bits = state_bits(self.memory)
        oldest = np.array([1 - self.first_on, self.first_on])[bits[:, -1]]
        return oldest * self.transition[bits[:, 1:], bits[:, :-1]].prod(axis=1)

    def posterior(self, log_emission: Array) -> tuple[Array, Array]:
        """Forward-backward with scaling, all tracks at once.

        log_emission: (T, N, 2^w) log-likelihood of each frame under each compound state, 0 where missing.
        Returns the probability of each compound state given the whole track (T, N, 2^w) and the log-likelihood of
        each track (N,).
        """
        peak = log_emission.max(axis=2, keepdims=True)
        emission = np.exp(np.maximum(log_emission - peak, LOG_FLOOR))
        posterior = np.empty_like(emission)
        scale = np.empty(emission.shape[:2])
        predicted = self.start
        for t in range(len(emission)):
            joint = predicted * emission[t]
            scale[t] = joint.sum(axis=1)
            posterior[t] = joint / scale[t, :, None]
            if t + 1 < len(emission):
                predicted = self._forward(posterior[t], t + 1)
        later = np.ones_like(emission[0])
        for t in reversed(range(len(emission) - 1)):
            later = self._backward(emission[t + 1] * later, t + 1) / scale[t + 1, :, None]
            posterior[t] *= later
        return posterior, (np.log(scale) + peak[:, :, 0]).sum(axis=0)

    def _forward(self, probability: Array, frame: int) -> Array:
        """(N, 2^w) one frame on, at `frame`: the oldest bit is summed out, a new one enters."""
        n, states = probability.shape
        kept = probability.reshape(n, 2, states // 2).sum(axis=1)
        return (kept[:, :, None] * self._branches(frame)).reshape(n, states)

    def _backward(self, likelihood: Array, frame: int) -> Array:
        """(N, 2^w) one frame back from `frame`: the mean over the new bit, the same whatever the oldest one."""
        n, states = likelihood.shape
        kept = (likelihood.reshape(n, states // 2, 2) * self._branches(frame)).sum(axis=2)
        return np.tile(kept, 2)

    def _branches(self, frame: int) -> Array:
        """(2^(w-1), 2), or (N, 2^(w-1), 2), probability of the new bit at `frame` after each setting of those kept."""
        was_on = np.arange(2 ** (self.memory - 1)) & 1
        if self.switching is None:
            return self.transition[was_on]
        on = np.where(was_on, 1 - self.p_off, self.switching[frame][:, None])
        return np.stack([1 - on, on], axis=2)
