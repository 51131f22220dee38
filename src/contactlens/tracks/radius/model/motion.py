"""How the separation moves: a stationary Gaussian process per axis, and its fit to measured tracks.

The covariance is a mixture of exponential relaxations whose weights over the relaxation time tau are a double power
law, w(tau) ~ u^alpha / (1 + u^(alpha + beta)), u = tau / tau_0. At short lags the MSD grows as t^alpha (a Rouse chain
has alpha = 1/2); beyond tau_0 it saturates. A mixture of exponentials is a valid covariance for any parameters.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import toeplitz
from scipy.optimize import minimize

Floats = NDArray[Any]
RELAXATION_S = np.exp(np.linspace(np.log(0.1), np.log(1e5), 60))
BLOCK_FRAMES = 24  # frames whose joint distribution is fitted: beyond, lags say little of what happens below a frame
BOUNDS = ((None, None), (0.1, 1.0), (np.log(5.0), np.log(2e4)), (0.05, 6.0))
NOISE_BOUNDS = (np.log(1.0), np.log(200.0))


@dataclass(frozen=True)
class Motion:
    """axis_variance_nm2: stationary variance along an axis
    exponent: alpha of the MSD at short lags
    relaxation_s, decay: tau_0 and beta
    noise_nm: SD of the localisation error of the separation along an axis
    """

    axis_variance_nm2: float
    exponent: float
    relaxation_s: float
    decay: float
    noise_nm: float

    def covariance(self, lag_s: Floats) -> Floats:
        """Covariance (nm^2) along an axis at each lag, without localisation noise."""
        u = np.log(RELAXATION_S / self.relaxation_s)
        weights = np.exp(self.exponent * u - np.logaddexp(0, (self.exponent + self.decay) * u))
        decays = np.exp(-np.abs(np.asarray(lag_s, dtype=np.float64))[..., None] / RELAXATION_S)
        return self.axis_variance_nm2 * (decays @ (weights / weights.sum()))

    def msd(self, lag_s: Floats) -> Floats:
        """MSD (nm^2, three axes) at each lag, without localisation noise."""
        return 6 * (self.axis_variance_nm2 - self.covariance(lag_s))


def autocovariance(driver: Floats, lags: int) -> Floats:
    """(N, lags, 2): sum over axes and frames of products at each lag, and their number, of each track.

    driver: (N, T, C) with NaN at missing frames; its mean is taken as zero, as a separation's is by symmetry
    """
    n, t, _ = driver.shape
    out = np.zeros((n, lags, 2))
    for lag in range(min(lags, t)):
        product = driver[:, lag:] * driver[:, : t - lag]
        out[:, lag, 0] = np.nansum(product, axis=(1, 2))
        out[:, lag, 1] = np.isfinite(product).sum(axis=(1, 2))
    return out


def squared_autocovariance(distance: Floats, lags: int) -> Floats:
    """As `autocovariance`, but the sums are of c(lag) along an axis, estimated from distances (N, T) alone.

    For a Gaussian separation E d^2 = 3 c(0) and E (d^2 - d'^2)^2 = 12 (c(0)^2 - c(lag)^2), where c(0) holds the noise.
    Differences keep what two lags share from hiding the little that motion adds between them. The root is taken of the
    mean over all tracks and is linear about it for each.
    """
    square = distance**2
    n, t = distance.shape
    out = np.zeros((n, lags, 2))
    count = np.maximum(np.isfinite(square).sum(axis=1), 1)
    own = np.nansum(square, axis=1) / count / 3  # c(0) of each track
    pooled = float(np.nanmean(square)) / 3
    out[:, 0, 0], out[:, 0, 1] = own * count, count
    for lag in range(1, min(lags, t)):
        step = (square[:, lag:] - square[:, :-lag]) ** 2
        pairs = np.isfinite(step).sum(axis=1)
        mean = float(np.nansum(step) / max(pairs.sum(), 1))
        root = np.sqrt(max(pooled**2 - mean / 12, (0.05 * pooled) ** 2))
        moved = np.nansum(step, axis=1) / np.maximum(pairs, 1) - mean
        out[:, lag, 0] = (root + (pooled * (own - pooled) - moved / 24) / root) * pairs
        out[:, lag, 1] = pairs
    return out


def fit_motion(sums: Floats, frame_interval_s: float, noise_nm: float | None, start: Motion | None = None) -> Motion:
    """The motion that maximises the Gaussian likelihood of blocks of frames.

    sums: (N, lags, 2) of `autocovariance`
    noise_nm: localisation noise where it is known; fitted where None
    """
    total = sums.sum(axis=0)
    seen = total[:, 1] > 0
    size = int(np.argmin(seen)) if not seen.all() else len(seen)
    empirical = toeplitz(total[:size, 0] / total[:size, 1])
    lag = np.arange(size) * frame_interval_s

    def loss(q: Floats) -> float:
        motion = _motion(q, noise_nm)
        matrix = toeplitz(motion.covariance(lag)) + motion.noise_nm**2 * np.eye(size)
        sign, log_det = np.linalg.slogdet(matrix)
        return 1e10 if sign <= 0 else 0.5 * float(log_det + np.trace(np.linalg.solve(matrix, empirical)))

    first = [np.log(0.95 * empirical[0, 0]), 0.5, np.log(500.0), 0.7] if start is None else _vector(start)[:4]
    noise = (
        []
        if noise_nm is not None
        else [np.log(0.1 * np.sqrt(empirical[0, 0])) if start is None else np.log(start.noise_nm)]
    )
    bounds = [*BOUNDS, *([] if noise_nm is not None else [NOISE_BOUNDS])]
    found = minimize(loss, [*first, *noise], method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-12, "maxiter": 300})
    return _motion(found.x, noise_nm)


def _motion(q: Floats, noise_nm: float | None) -> Motion:
    noise = float(np.exp(q[4])) if noise_nm is None else noise_nm
    return Motion(float(np.exp(q[0])), float(q[1]), float(np.exp(q[2])), float(q[3]), noise)


def _vector(motion: Motion) -> list[float]:
    return [float(np.log(motion.axis_variance_nm2)), motion.exponent, float(np.log(motion.relaxation_s)), motion.decay]


def resampled_motions(
    sums: Floats, frame_interval_s: float, best: Motion, noise: "NoiseKnowledge", count: int, rng: np.random.Generator
) -> list[Motion]:
    """Fits to resampled tracks, each with a noise drawn from what is known of it."""
    n = len(sums)
    motions = []
    for _ in range(count):
        resampled = sums[rng.integers(0, n, size=n)]
        given = None if noise.sd_nm is None else noise.draw(rng)
        motions.append(fit_motion(resampled, frame_interval_s, given, start=best))
    return motions


@dataclass(frozen=True)
class NoiseKnowledge:
    """sd_nm: SD of the localisation error of the separation along an axis; None where it is to be fitted
    relative_sd: standard error of `sd_nm`, as a share of it
    """

    sd_nm: float | None
    relative_sd: float

    def draw(self, rng: np.random.Generator) -> float:
        assert self.sd_nm is not None
        return self.sd_nm * float(np.exp(self.relative_sd * rng.standard_normal()))
