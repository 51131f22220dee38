"""How the separation of two loci moves: exponent, plateau, trap and noise from a Gaussian-process likelihood.

Along each axis the separation of two loci on a long Rouse chain is a stationary Gaussian process, whose MSD grows as
sqrt(t) and bends into a plateau at the time tau that the stretch between them needs to relax. The derivative of its MSD
is (Gamma / 2 sqrt(t)) (1 - exp(-tau / t)), the difference of two heat kernels; a harmonic trap on every bead multiplies
that by exp(-kappa t). Here t stands for a power of the time, t^(2 a), so that the MSD starts as t^a: for a <= 1/2 the
covariance stays completely monotone, hence valid.

It is fitted to blocks of frames. The likelihood of a block depends on the measured covariances alone, which are means
over all pairs of observed frames so far apart: gaps and unequal lengths cost nothing. The separation's mean is taken as
zero.

Noise adds to the variance of a frame alone, which no polymer does: that is what tells it from motion. A straight line
through the MSD cannot, and reads noise and plateau as a smaller exponent.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.linalg import cho_factor, cho_solve, toeplitz
from scipy.optimize import minimize
from scipy.special import erfc, erfcx

from contactlens.base.errors import InputError
from contactlens.calibration.bootstrap import resample_counts
from contactlens.tracks.data.msd import positions
from contactlens.tracks.data.track_set import VECTOR_COLUMNS, TrackSet

Floats = np.ndarray
BLOCK_FRAMES = 24  # frames whose joint distribution is fitted: shorter lags than a plateau's tell noise from motion
LOG_TRAP_BOUNDS = (-8.0, 6.0)  # of kappa tau
SMALLEST_TRAP = 0.1  # kappa tau that counts as a trap: it takes a tenth off the slowest part of the MSD
EXPONENT_BOUNDS = (0.05, 0.99)
MOTION_REPLICATES = 100  # refits of a bootstrap, a twentieth of a second each
NO_FIT = 1e10
QUANTITIES = {  # field or property of a motion -> its name in tables
    "exponent": "exponent",
    "amplitude": "amplitude_nm2_per_s^exponent",
    "plateau_nm2": "plateau_nm2",
    "relaxation_s": "relaxation_s",
    "trap_rate_per_s": "trap_rate_per_s",
    "noise_nm": "noise_nm_per_axis",
}


@dataclass(frozen=True)
class Motion:
    """axis_variance_nm2: stationary variance along an axis, trap included
    relaxation_s: tau, of the stretch between the loci
    exponent: a, of the MSD at short lags
    trap: kappa in units of 1 / tau; near 0 without a trap
    noise_nm: SD of the localisation error of the separation, root mean square over the axes
    """

    axis_variance_nm2: float
    relaxation_s: float
    exponent: float
    trap: float
    noise_nm: float

    def covariance(self, lag_s: Floats) -> Floats:
        """Covariance (nm^2) along an axis at each lag, of either sign, without localisation noise.

        With x = sqrt(t / tau) in the powers of time above it is proportional to the integral from x to infinity of
        (1 - exp(-1 / y^2)) exp(-kappa y^2) dy, which has a closed form in error functions.
        """
        x = np.maximum((np.abs(np.asarray(lag_s, dtype=np.float64)) / self.relaxation_s) ** self.exponent, 1e-9)
        k = np.sqrt(self.trap)
        gauss = np.exp(-((k * x) ** 2) - 1 / x**2)
        near = np.where(k * x > 1 / x, erfcx(np.maximum(k * x - 1 / x, 0)) * gauss, 0.0)
        # erfc(1/x - k x) exp(-2 k), by its reflection where the argument is negative
        passed = np.where(k * x > 1 / x, 2 * np.exp(-2 * k) - near, erfcx(np.maximum(1 / x - k * x, 0)) * gauss)
        until = (passed - erfcx(k * x + 1 / x) * gauss) / 2
        rest = erfc(k * x) - np.exp(-2 * k) + until
        return np.asarray(self.axis_variance_nm2 * rest / -np.expm1(-2 * k))

    def msd(self, lag_s: Floats, noise: bool = False) -> Floats:
        """MSD (nm^2, three axes) at each lag; with `noise` as it is measured."""
        measured = 6 * self.noise_nm**2 if noise else 0.0
        return 6 * (self.axis_variance_nm2 - self.covariance(lag_s)) + measured

    @property
    def plateau_nm2(self) -> float:
        """MSD at long lags."""
        return 6 * self.axis_variance_nm2

    @property
    def amplitude(self) -> float:
        """Gamma of MSD = Gamma t^exponent at short lags, nm^2 / s^exponent."""
        k = np.sqrt(self.trap)
        slope = 2 * k / np.sqrt(np.pi) / -np.expm1(-2 * k)
        return float(self.plateau_nm2 * slope / self.relaxation_s**self.exponent)

    @property
    def trap_rate_per_s(self) -> float:
        """One over the relaxation time of the trap alone; near 0 without a trap."""
        return float(self.trap ** (1 / (2 * self.exponent)) / self.relaxation_s)


class MotionFit(NamedTuple):
    """best: the motion of largest likelihood; resampled: that of each bootstrap resample of the tracks."""

    best: Motion
    resampled: list[Motion]

    def interval(self, name: str, level: float = 0.95) -> tuple[float, float]:
        """Bootstrap interval of a field or property of the motion."""
        values = [getattr(motion, name) for motion in self.resampled]
        low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
        return float(low), float(high)

    def table(self) -> pd.DataFrame:
        """A row per quantity: name, estimate and 95 % interval over tracks; units in the names."""
        rows = [(name, getattr(self.best, field), *self.interval(field)) for field, name in QUANTITIES.items()]
        return pd.DataFrame(rows, columns=["quantity", "estimate", "low", "high"])

    def summary(self) -> str:
        """Exponent and noise with their intervals, plateau, and whether a trap is seen, in one line."""
        best = self.best
        (low, high), (quiet, loud) = self.interval("exponent"), self.interval("noise_nm")
        trapped = self.interval("trap")[0] > SMALLEST_TRAP
        trap = f"trap of {1 / best.trap_rate_per_s:.0f} s" if trapped else "no trap seen"
        return (
            f"exponent {best.exponent:.3f} [{low:.3f}, {high:.3f}], localisation noise {best.noise_nm:.1f} nm "
            f"[{quiet:.1f}, {loud:.1f}] per axis, plateau {best.plateau_nm2:.3g} nm^2, {trap}"
        )


def fit_motion(track_set: TrackSet, replicates: int, seed: int, noise_nm: float | None = None) -> MotionFit:
    """The motion that maximises the Gaussian likelihood of blocks of `BLOCK_FRAMES` frames, with bootstrap over tracks.

    noise_nm: localisation noise where it is known; fitted where None

    Raises InputError where the separation is known as a distance alone, where a lag of one or two frames is never seen,
    or where a number is out of range.
    """
    if noise_nm is not None and not 0 < noise_nm < np.inf:
        raise InputError(f"localisation noise must be positive and finite, got {noise_nm}")
    if track_set.driver.kind != "vector":
        raise InputError(f"{track_set.source}: the motion is fitted to separation vectors, and these are none")
    sums = covariance_sums(positions(track_set, VECTOR_COLUMNS))
    dt = track_set.frame_interval_s
    try:
        best = motion_of(sums.sum(axis=0), dt, noise_nm)
    except InputError as error:
        raise InputError(f"{track_set.source}: {error}") from error
    weights = resample_counts(len(sums), replicates, seed)
    size = _lags_sampled(sums.sum(axis=0))
    resampled = np.einsum("bn,nlk->blk", weights, sums[:, :size])
    fits = [motion_of(one, dt, noise_nm, best) for one in resampled if (one[:, 1] > 0).all()]
    return MotionFit(best, fits)


def motion_of(
    sums: Floats,
    frame_interval_s: float,
    noise_nm: float | None,
    start: Motion | None = None,
    noise_error: float = 0.0,
) -> Motion:
    """The motion of largest likelihood given sums (B, 2) of products at each lag and their number, of all tracks.

    noise_nm: localisation noise where it is known; fitted where None
    start: where the search starts; from two places where None
    noise_error: standard error of log `noise_nm`; where it is above 0 the noise is fitted, and held by it

    Raises InputError where a lag of one or two frames is never seen.
    """
    size = _lags_sampled(sums)
    if size < 3:
        raise InputError(f"no two frames {size} apart; the motion needs lags of 0 to 2 frames")
    lag_s = np.arange(size) * frame_interval_s
    starts: list[float | Floats] = [-4.0, 1.0] if start is None else [_vector(start)]
    known = Noise(noise_nm, noise_error)
    tried = (_maximise(sums[:size], lag_s, known, first) for first in starts)
    return _motion(min(tried, key=lambda found: found[1])[0], known)


class Noise(NamedTuple):
    """What is known of the localisation noise: nm, nothing where None, and the standard error of its logarithm."""

    nm: float | None
    error: float

    @property
    def fixed(self) -> bool:
        return self.nm is not None and self.error == 0

    def penalty(self, noise_nm: float) -> float:
        return 0.0 if self.nm is None or self.fixed else 0.5 * float(np.log(noise_nm / self.nm) / self.error) ** 2


def _lags_sampled(sums: Floats) -> int:
    """How many lags, from 0 on, have pairs of frames."""
    sampled = sums[:, 1] > 0
    return len(sampled) if sampled.all() else int(np.argmin(sampled))


def covariance_sums(x: Floats) -> Floats:
    """(N, B, 2): of each track, sum over axes and frames of products at each lag, and their number; x is (N, T, 3) with
    NaN at missing frames."""
    n, n_frames, _ = x.shape
    sums = np.zeros((n, BLOCK_FRAMES, 2))
    for lag in range(min(BLOCK_FRAMES, n_frames)):
        product = x[:, lag:] * x[:, : n_frames - lag]
        sums[:, lag, 0] = np.nansum(product, axis=(1, 2))
        sums[:, lag, 1] = np.isfinite(product).sum(axis=(1, 2))
    return sums


def distance_sums(distance: Floats) -> Floats:
    """As `covariance_sums`, from distances (N, T) alone: sums of the covariance along an axis.

    For a Gaussian separation E d^2 = 3 c(0) and E (d^2 - d'^2)^2 = 12 (c(0)^2 - c(lag)^2), where c(0) holds the noise.
    Differences keep what two lags share from hiding the little that motion adds between them. The root is taken of the
    mean over all tracks and is linear about it for each.
    """
    square = distance**2
    n, t = distance.shape
    sums = np.zeros((n, BLOCK_FRAMES, 2))
    count = np.maximum(np.isfinite(square).sum(axis=1), 1)
    own = np.nansum(square, axis=1) / count / 3  # c(0) of each track
    pooled = float(np.nanmean(square)) / 3
    sums[:, 0, 0], sums[:, 0, 1] = own * count, count
    for lag in range(1, min(BLOCK_FRAMES, t)):
        step = (square[:, lag:] - square[:, :-lag]) ** 2
        pairs = np.isfinite(step).sum(axis=1)
        mean = float(np.nansum(step) / max(pairs.sum(), 1))
        root = np.sqrt(max(pooled**2 - mean / 12, (0.05 * pooled) ** 2))
        moved = np.nansum(step, axis=1) / np.maximum(pairs, 1) - mean
        sums[:, lag, 0] = (root + (pooled * (own - pooled) - moved / 24) / root) * pairs
        sums[:, lag, 1] = pairs
    return sums


def _maximise(sums: Floats, lag_s: Floats, known: Noise, start: float | Floats) -> tuple[Floats, float]:
    """Parameters of largest block likelihood (log variance, log tau, exponent, log trap, log noise where it is fitted)
    and its negative logarithm per block; `start`: a log trap to start from, or all parameters."""
    measured = toeplitz(sums[:, 0] / sums[:, 1])
    blocks = sums[0, 1] / lag_s.size
    scale = np.sqrt(measured[0, 0])

    def loss(q: Floats) -> float:
        motion = _motion(q, known)
        model = toeplitz(motion.covariance(lag_s)) + motion.noise_nm**2 * np.eye(lag_s.size)
        try:
            factor = cho_factor(model, lower=True)
        except np.linalg.LinAlgError:
            return NO_FIT
        likelihood = np.log(np.diag(factor[0])).sum() + np.trace(cho_solve(factor, measured)) / 2
        return float(likelihood + known.penalty(motion.noise_nm) / blocks)

    if isinstance(start, float):
        first_noise = np.log(0.1 * scale if known.nm is None else known.nm)
        start = np.array([np.log(0.95) + 2 * np.log(scale), np.log(20 * lag_s[1]), 0.45, start, first_noise])
    relaxation = (np.log(lag_s[1] / 10), np.log(lag_s[1] * 1e6))
    noise = (np.log(1e-4 * scale), np.log(scale))
    bounds = [(None, None), relaxation, EXPONENT_BOUNDS, LOG_TRAP_BOUNDS, noise][: 4 if known.fixed else 5]
    found = minimize(
        loss, start[: len(bounds)], method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-12, "maxiter": 300}
    )
    return found.x, float(found.fun)


def _vector(motion: Motion) -> Floats:
    """Parameters of `_maximise`."""
    logs = np.log([motion.axis_variance_nm2, motion.relaxation_s, motion.trap, motion.noise_nm])
    return np.array([logs[0], logs[1], motion.exponent, logs[2], logs[3]])


def _motion(q: Floats, known: Noise) -> Motion:
    noise = known.nm if known.nm is not None and known.fixed else float(np.exp(q[4]))
    return Motion(float(np.exp(q[0])), float(np.exp(q[1])), float(q[2]), float(np.exp(q[3])), noise)
