"""Where the separation was, given the noisy frames around: local conditional means, and whole paths by conditioning.

Means: an interval between two frames sees the frames from `WINDOW` before to `WINDOW` after it; which of them were
observed is the interval's pattern, and every interval of one pattern has the same weights and the same conditional
covariance. Paths: a path of the process, corrected by what it misses of the measured frames (Matheron's rule).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.fft
from numba import njit
from numpy.typing import NDArray

from contactlens.tracks.data.motion import Motion

Floats = NDArray[Any]
WINDOW = 2
FRAMES_SEEN = 2 * WINDOW + 2
PATTERNS = 2**FRAMES_SEEN
ANCHORS = (0.0, 0.5, 1.0)  # of the interval, where the conditional mean is followed


@dataclass(frozen=True)
class LocalKriging:
    """weights: (patterns, anchors, frames seen) of the conditional mean at the anchors
    factor: (patterns, substeps, substeps) lower Cholesky factor of the conditional covariance at the start of each
        substep, less `independent_nm2` on the diagonal
    independent_nm2: variance of the part of every substep that is independent of all others
    """

    weights: Floats
    factor: Floats
    independent_nm2: float


def local_kriging(motion: Motion, frame_interval_s: float, substeps: int) -> LocalKriging:
    frames = (np.arange(FRAMES_SEEN) - WINDOW) * frame_interval_s
    steps = np.arange(substeps) * frame_interval_s / substeps
    points = np.concatenate([np.array(ANCHORS) * frame_interval_s, steps])
    among_frames = motion.covariance(frames[:, None] - frames[None]) + motion.noise_nm**2 * np.eye(FRAMES_SEEN)
    across = motion.covariance(points[:, None] - frames[None])
    among_steps = motion.covariance(steps[:, None] - steps[None])
    weights = np.zeros((PATTERNS, len(ANCHORS), FRAMES_SEEN))
    covariance = np.zeros((PATTERNS, substeps, substeps))
    for pattern in range(PATTERNS):
        used = np.flatnonzero([(pattern >> k) & 1 for k in range(FRAMES_SEEN)])
        gain = (
            np.linalg.solve(among_frames[np.ix_(used, used)], across[:, used].T).T
            if used.size
            else np.zeros((len(points), 0))
        )
        weights[pattern][:, used] = gain[: len(ANCHORS)]
        covariance[pattern] = among_steps - gain[len(ANCHORS) :] @ across[len(ANCHORS) :, used].T
    independent = max(0.9 * float(np.linalg.eigvalsh(covariance).min()), 0.0)
    rest = covariance - independent * np.eye(substeps)
    jitter = 1e-9 * motion.axis_variance_nm2 * np.eye(substeps)
    return LocalKriging(weights, np.linalg.cholesky(rest + jitter), independent)


def patterns_of(observed: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(N, T - 1): bit k of an interval's pattern says whether the k-th frame it sees was observed."""
    t = observed.shape[1]
    padded = np.pad(observed, ((0, 0), (WINDOW, WINDOW)))
    bits = [padded[:, k : k + t - 1].astype(np.int64) << k for k in range(FRAMES_SEEN)]
    return np.asarray(np.sum(bits, axis=0))


@njit(nogil=True, cache=True)
def anchor_norms(driver: Floats, pattern: NDArray[np.int64], weights: Floats) -> Floats:
    """(N, T - 1, anchors): length of the conditional mean at the anchors of each interval; driver without NaN."""
    n, t, axes = driver.shape
    anchors, used = weights.shape[1:]
    out = np.empty((n, t - 1, anchors))
    for i in range(n):
        for j in range(t - 1):
            for a in range(anchors):
                square = 0.0
                for axis in range(axes):
                    mean = 0.0
                    for k in range(used):
                        if (pattern[i, j] >> k) & 1:
                            mean += weights[pattern[i, j], a, k] * driver[i, j + k - (used - 2) // 2, axis]
                    square += mean * mean
                out[i, j, a] = np.sqrt(square)
    return out


class PathSampler:
    """Draws paths of the separation given the measured frames, `substeps` points per frame interval.

    Paths start `lead_frames` before frame 0. Exact for the process: circulant embedding for the free path and for the
    correction; the frames' T x T matrix is inverted once, and missing frames are taken out of it track by track.
    """

    def __init__(self, motion: Motion, frame_interval_s: float, n_frames: int, substeps: int, lead_frames: int) -> None:
        self.substeps, self.lead, self.n_frames, self.noise = substeps, lead_frames, n_frames, motion.noise_nm
        self.n_times = (lead_frames + n_frames - 1) * substeps + 1
        half = scipy.fft.next_fast_len(self.n_times, real=True)
        row = motion.covariance(np.arange(half + 1) * frame_interval_s / substeps)
        self.size = 2 * half
        self.spectrum = np.clip(scipy.fft.rfft(np.concatenate([row, row[-2:0:-1]])).real, 0, None)
        frames = np.arange(n_frames)
        among = row[np.abs(frames[:, None] - frames[None]) * substeps]
        self.inverse = np.linalg.inv(among + (self.noise**2 + 1e-6 * row[0]) * np.eye(n_frames))

    def free(self, n: int, rng: np.random.Generator) -> NDArray[np.float32]:
        """(n, 3, n_times) nm: paths of the process, given nothing."""
        amplitude = np.sqrt(self.spectrum / self.size).astype(np.float32)
        pairs = -(-3 * n // 2)
        full = np.concatenate([amplitude, amplitude[-2:0:-1]])
        noise = rng.standard_normal((pairs, 2 * self.size), dtype=np.float32).view(np.complex64)
        series = scipy.fft.fft(noise * full, axis=1, overwrite_x=True)[:, : self.n_times]
        return np.concatenate([series.real, series.imag])[: 3 * n].reshape(n, 3, self.n_times)

    def given(self, driver: Floats, rng: np.random.Generator) -> NDArray[np.float32]:
        """(N, 3, n_times) nm: paths given the measured vectors (N, T, 3), NaN at missing frames."""
        n = len(driver)
        path = self.free(n, rng)
        at = slice(self.lead * self.substeps, None, self.substeps)
        noise = self.noise * rng.standard_normal((n, 3, self.n_frames))
        residual = driver.transpose(0, 2, 1) - path[:, :, at] - noise
        missing = np.isnan(driver[:, :, 0])
        weights = np.where(missing[:, None, :], 0.0, residual) @ self.inverse
        for i in np.flatnonzero(missing.any(axis=1)):
            gap = np.flatnonzero(missing[i])
            undone = np.linalg.solve(self.inverse[np.ix_(gap, gap)], weights[i][:, gap].T)  # (gaps, 3)
            weights[i] -= (self.inverse[:, gap] @ undone).T
        sparse = np.zeros((3 * n, self.n_times), dtype=np.float32)
        sparse[:, at] = weights.reshape(3 * n, -1)
        spread = scipy.fft.rfft(sparse, n=self.size, axis=1) * self.spectrum.astype(np.float32)
        correction = scipy.fft.irfft(spread, n=self.size, axis=1, overwrite_x=True)[:, : self.n_times]
        path += correction.reshape(n, 3, self.n_times)
        return path
