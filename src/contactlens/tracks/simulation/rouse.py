"""Separation of two loci on a Rouse polymer, exact in time.

A chain of N beads joined by springs, overdamped, each bead kicked by white noise (Rouse, J. Chem. Phys. 1953; Doi and
Edwards, The Theory of Polymer Dynamics, 1986, ch. 4). Along each axis the separation of two beads is a stationary
Gaussian process whose covariance is a sum of one exponential per normal mode. Paths are drawn from that covariance by
circulant embedding (Dietrich and Newsam, SIAM J. Sci. Comput. 1997), so no time step is approximated.
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import scipy.fft
from numpy.typing import NDArray

MEAN_NORM_OF_UNIT_GAUSSIAN = np.sqrt(8 / np.pi)  # E|x| of a 3-D standard normal vector

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]


def sum_of_modes(variance: Floats, rate_per_s: Floats, lag_s: Floats) -> Floats:
    """Sum over modes of variance exp(-rate lag), at each lag."""
    total = np.zeros_like(lag_s, dtype=np.float64)
    for share, decay in zip(variance, rate_per_s, strict=True):
        total += share * np.exp(-decay * lag_s)
    return total


@dataclass(frozen=True)
class RouseChain:
    """beads: number N of beads; loci: the two beads that are imaged (0-based)
    mean_distance_nm: mean distance of the loci
    msd_amplitude_nm2_per_sqrt_s: Gamma of the separation's MSD = Gamma t^(1/2) at short times
    """

    beads: int
    loci: tuple[int, int]
    mean_distance_nm: float
    msd_amplitude_nm2_per_sqrt_s: float

    @property
    def axis_variance_nm2(self) -> float:
        """Variance of the separation along one axis."""
        return float((self.mean_distance_nm / MEAN_NORM_OF_UNIT_GAUSSIAN) ** 2)

    @property
    def bond_nm2(self) -> float:
        """Mean square length b^2 of a bond: the loci are a random walk of |i - j| bonds apart."""
        return 3 * self.axis_variance_nm2 / abs(self.loci[1] - self.loci[0])

    @property
    def spring_rate_per_s(self) -> float:
        """Spring constant over friction, from Gamma: MSD = 4 b^2 sqrt(w t / pi) in the limit of a long chain."""
        return float(np.pi * (self.msd_amplitude_nm2_per_sqrt_s / (4 * self.bond_nm2)) ** 2)

    def modes(self) -> tuple[Floats, Floats]:
        """Variance (nm^2, per axis) and relaxation rate (1/s) of each normal mode's share in the separation."""
        p = np.arange(1, self.beads)
        stiffness = 4 * np.sin(p * np.pi / (2 * self.beads)) ** 2
        i, j = self.loci
        shape = np.cos(p * np.pi * (i + 0.5) / self.beads) - np.cos(p * np.pi * (j + 0.5) / self.beads)
        variance = (2 / self.beads) * shape**2 * (self.bond_nm2 / 3) / stiffness
        return variance, self.spring_rate_per_s * stiffness

    def covariance(self, lag_s: Floats) -> Floats:
        """Covariance of the separation along one axis, nm^2, at each lag."""
        return sum_of_modes(*self.modes(), lag_s)


class Motion(Protocol):
    """A stationary Gaussian separation, alike and independent along three axes."""

    def covariance(self, lag_s: Floats) -> Floats:
        """The covariance (nm^2) along one axis at each lag."""


@runtime_checkable
class RelaxingMotion(Motion, Protocol):
    """A motion whose covariance is a sum of decaying exponentials."""

    def modes(self) -> tuple[Floats, Floats]:
        """Variance (nm^2) and rate (1/s) of each along one axis."""


class SeparationSampler:
    """Draws separation paths of `n_times` points, `step_s` apart.

    The covariance is convex and decreasing, so the smallest circulant that embeds it has no negative eigenvalue
    (beyond rounding); a motion for which this fails is refused.
    """

    def __init__(self, motion: Motion, n_times: int, step_s: float) -> None:
        self.motion = motion
        self.n_times = n_times
        self.half = scipy.fft.next_fast_len(n_times)
        self.eigenvalues = self.embedded(motion.covariance(np.arange(self.half + 1) * step_s))
        if self.eigenvalues.min() < -1e-6 * self.eigenvalues.max():
            raise ValueError("the covariance cannot be embedded in a circulant of this length")
        scaled = np.clip(self.eigenvalues, 0, None) / self.eigenvalues.size
        self.amplitude = np.sqrt(scaled).astype(np.float32)

    def embedded(self, row: Floats) -> Floats:
        """Eigenvalues of the circulant that holds an even covariance, given at lags 0 to `half`."""
        return np.asarray(scipy.fft.fft(np.concatenate([row, row[-2:0:-1]])).real)

    def draw(self, n_tracks: int, rng: np.random.Generator) -> Singles:
        """(n_tracks, 3, n_times) nm."""
        return self.paths(self.noise(n_tracks, rng) * self.amplitude, n_tracks)

    def noise(self, n_tracks: int, rng: np.random.Generator) -> NDArray[np.complex64]:
        """White complex noise, a row for two paths."""
        pairs = -(-3 * n_tracks // 2)
        return rng.standard_normal((pairs, 2 * self.amplitude.size), dtype=np.float32).view(np.complex64)

    def paths(self, spectrum: NDArray[np.complex64], n_tracks: int) -> Singles:
        """The paths of a spectrum, which is overwritten: real and imaginary part are two independent ones."""
        path = scipy.fft.fft(spectrum, axis=1, workers=-1, overwrite_x=True)[:, : self.n_times]
        return np.concatenate([path.real, path.imag])[: 3 * n_tracks].reshape(n_tracks, 3, self.n_times)
