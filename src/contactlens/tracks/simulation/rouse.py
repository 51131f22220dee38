"""Separation of two loci on a Rouse polymer, exact in time.

A chain of N beads joined by springs, overdamped, each bead kicked by white noise (Rouse, J. Chem. Phys. 1953; Doi and
Edwards, The Theory of Polymer Dynamics, 1986, ch. 4). Along each axis the separation of two beads is a stationary
Gaussian process whose covariance is a sum of one exponential per normal mode. Paths are drawn from that covariance by
circulant embedding (Dietrich and Newsam, SIAM J. Sci. Comput. 1997), so no time step is approximated.
"""

from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

MEAN_NORM_OF_UNIT_GAUSSIAN = np.sqrt(8 / np.pi)  # E|x| of a 3-D standard normal vector


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

    def modes(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Variance (nm^2, per axis) and relaxation rate (1/s) of each normal mode's share in the separation."""
        p = np.arange(1, self.beads)
        stiffness = 4 * np.sin(p * np.pi / (2 * self.beads)) ** 2
        i, j = self.loci
        shape = np.cos(p * np.pi * (i + 0.5) / self.beads) - np.cos(p * np.pi * (j + 0.5) / self.beads)
        variance = (2 / self.beads) * shape**2 * (self.bond_nm2 / 3) / stiffness
        return variance, self.spring_rate_per_s * stiffness

    def covariance(self, lag_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Covariance of the separation along one axis, nm^2, at each lag."""
        variance, rate = self.modes()
        total = np.zeros_like(lag_s, dtype=np.float64)
        for share, decay in zip(variance, rate, strict=True):
            total += share * np.exp(-decay * lag_s)
        return total


class SeparationSampler:
    """Draws separation paths of `n_times` points, `step_s` apart.

    The covariance is convex and decreasing, so the smallest circulant that embeds it has no negative eigenvalue
    (beyond rounding); a chain for which this fails is refused.
    """

    def __init__(self, chain: RouseChain, n_times: int, step_s: float) -> None:
        self.n_times = n_times
        half = scipy.fft.next_fast_len(n_times)
        row = chain.covariance(np.arange(half + 1) * step_s)
        circulant = np.concatenate([row, row[-2:0:-1]])
        eigenvalues = scipy.fft.fft(circulant).real
        if eigenvalues.min() < -1e-6 * eigenvalues.max():
            raise ValueError("the covariance cannot be embedded in a circulant of this length")
        self.amplitude = np.sqrt(np.clip(eigenvalues, 0, None) / circulant.size).astype(np.float32)

    def draw(self, n_tracks: int, rng: np.random.Generator) -> NDArray[np.float32]:
        """(n_tracks, 3, n_times) nm. Real and imaginary part of each transform are two independent paths."""
        pairs = -(-3 * n_tracks // 2)
        noise = rng.standard_normal((pairs, 2 * self.amplitude.size), dtype=np.float32).view(np.complex64)
        spectrum = scipy.fft.fft(noise * self.amplitude, axis=1, workers=-1, overwrite_x=True)[:, : self.n_times]
        paths = np.concatenate([spectrum.real, spectrum.imag])[: 3 * n_tracks]
        return paths.reshape(n_tracks, 3, self.n_times)
