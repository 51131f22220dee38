"""Motion blur: a locus moves while it is exposed, and its measured position is the mean over the exposure.

For a stationary Gaussian process x whose covariance is a sum of decaying exponentials, the mean m(t) of x over
[t - e/2, t + e/2] is stationary and jointly Gaussian with x, and its covariances are again sums over the modes. Paths
and means are drawn together by embedding both in a circulant: no finer time step is needed, however short the exposure.
What blur does to an MSD is in Berglund (Phys. Rev. E 2010).
"""

import numpy as np
from numpy.typing import NDArray

from contactlens.tracks.simulation.rouse import RelaxingMotion, SeparationSampler, Singles, sum_of_modes

Floats = NDArray[np.float64]


def _twice_integrated(x: Floats) -> Floats:
    """exp(-x) + x - 1, to full precision."""
    return np.where(x < 1e-3, x**2 / 2 - x**3 / 6 + x**4 / 24, np.expm1(-x) + x)


def cross_covariance(motion: RelaxingMotion, exposure_s: float, lag_s: Floats) -> Floats:
    """Covariance (nm^2) of the position and of the mean over an exposure, at each lag >= 0 between their middles."""
    variance, rate = motion.modes()
    half = exposure_s / 2
    mean_decay = -np.expm1(-rate * exposure_s) / (rate * exposure_s)
    later = sum_of_modes(variance * mean_decay, rate, np.maximum(lag_s - half, 0))
    inside = lag_s < half
    near = lag_s[inside][:, None]
    within = -(np.expm1(-rate * (half - near)) + np.expm1(-rate * (half + near))) / (rate * exposure_s)
    later[inside] = within @ variance
    return later


def blurred_covariance(motion: RelaxingMotion, exposure_s: float, lag_s: Floats) -> Floats:
    """Covariance (nm^2) of the means over two exposures, at each lag >= 0 between their middles."""
    variance, rate = motion.modes()
    mean_decay = -np.expm1(-rate * exposure_s) / (rate * exposure_s)
    later = sum_of_modes(variance * mean_decay**2, rate, np.maximum(lag_s - exposure_s, 0))
    inside = lag_s < exposure_s
    near, x = lag_s[inside][:, None], rate * exposure_s
    second = _twice_integrated(rate * (exposure_s + near)) + _twice_integrated(rate * (exposure_s - near))
    later[inside] = ((second - 2 * _twice_integrated(rate * near)) / x**2) @ variance
    return later


class ExposedSampler(SeparationSampler):
    """Draws paths as `SeparationSampler` does, and with them their means over exposures centred at each point."""

    def __init__(self, motion: RelaxingMotion, n_times: int, step_s: float, exposure_s: float) -> None:
        super().__init__(motion, n_times, step_s)
        lag_s = np.arange(self.half + 1) * step_s
        path = self.eigenvalues
        cross = self.embedded(cross_covariance(motion, exposure_s, lag_s))
        blurred = self.embedded(blurred_covariance(motion, exposure_s, lag_s))
        gain = np.divide(cross, path, out=np.zeros_like(path), where=path > 0)
        rest = blurred - gain * cross  # variance of the mean that the path leaves open
        if rest.min() < -1e-5 * path.max():
            raise ValueError("path and blurred path cannot be embedded in a circulant of this length")
        self.gain = (gain * self.amplitude).astype(np.float32)
        self.rest = np.sqrt(np.clip(rest, 0, None) / path.size).astype(np.float32)

    def draw_exposed(
        self, n_tracks: int, rng: np.random.Generator, blur_rng: np.random.Generator
    ) -> tuple[Singles, Singles]:
        """(n_tracks, 3, n_times) nm each: paths, the same as `draw` gives with `rng`, and their means."""
        noise = self.noise(n_tracks, rng)
        blurred = noise * self.gain + self.noise(n_tracks, blur_rng) * self.rest
        return self.paths(noise * self.amplitude, n_tracks), self.paths(blurred, n_tracks)
