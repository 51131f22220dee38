"""From tracks to a radius with its interval, the alternatives, its checks and a sentence."""

from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from contactlens.base.errors import InputError
from contactlens.base.progress import counting
from contactlens.tracks.data.motion import Motion, covariance_sums, distance_sums, motion_of
from contactlens.tracks.radius.calibrate import RADIUS, Calibration, Design, calibrate
from contactlens.tracks.radius.check import GroupCheck, Predictive, predictive_checks, shuffled_gains
from contactlens.tracks.radius.compare import Comparison, compare_laws
from contactlens.tracks.radius.config import RadiusConfig, VerdictRules
from contactlens.tracks.radius.fit import Fit, Penalty, fit_law, with_loading_spread
from contactlens.tracks.radius.model.exposure import exposure_of
from contactlens.tracks.radius.model.kriging import ANCHORS, PATTERNS, local_kriging
from contactlens.tracks.radius.model.likelihood import Likelihood
from contactlens.tracks.radius.model.observations import Observations
from contactlens.tracks.radius.model.response import response_of
from contactlens.tracks.radius.ridge import Ridge, highest_fit
from contactlens.tracks.radius.verdict import Evidence, Verdict, decide
from contactlens.tracks.simulation.reporter import Reporter

Floats = NDArray[Any]
MOTIONS = 8  # refits to resampled tracks, over which the simulated experiments go in turn
LEAST_AT_LIMIT = 0.05  # share of frames with the smallest signal, from which that is a detection limit
SELDOM_MISSED = 0.05
FEWEST_TRACKS = 8
LOADED_PER_BLOCK = 3.0
FEWEST_BLOCKS = 12
BLOCK_ROUNDS = 2
SPREAD_ROUNDS = 3  # of estimating how loading differs between tracks


@dataclass(frozen=True)
class Prepared:
    """The data, the motion fitted to them, and the likelihood of the step law before any fit of it.

    scale: a.u. per unit of the likelihood's signal
    resolution: how well an unseen point half way between two frames is known, SD along an axis, nm
    """

    observations: Observations
    motion: Motion | None
    likelihood: Likelihood
    design: Design
    scale: float
    resolution: float


@dataclass(frozen=True)
class StepFit:
    """The step law fitted: prepared as this fit asks for; bounds: of the log radius."""

    prepared: Prepared
    fit: Fit
    prior: Penalty
    ridge: Ridge
    bounds: tuple[float, float]


@dataclass(frozen=True)
class Interval:
    """The calibrated answer alone: fit of the step law, and its calibration by simulated experiments."""

    step: StepFit
    calibration: Calibration

    @property
    def prepared(self) -> Prepared:
        return self.step.prepared

    @property
    def fit(self) -> Fit:
        return self.step.fit

    @property
    def prior(self) -> Penalty:
        return self.step.prior

    @property
    def resolution(self) -> float:
        return self.prepared.resolution

    def radius(self, level: float) -> tuple[float, float, float]:
        """Median and interval of the radius; the lower end is 0 where no smaller radius is excluded."""
        return self.calibration.confidence.radius(level)


@dataclass(frozen=True)
class Stated:
    """The interval as it is said. is_bound: no smaller radius is excluded, or none that could be told from it."""

    estimate: float
    low: float
    high: float
    is_bound: bool


class Answer(Protocol):
    """A calibrated radius, of one group of tracks or of several."""

    @property
    def resolution(self) -> float: ...
    def radius(self, level: float) -> tuple[float, float, float]: ...


def stated(interval: Answer, level: float) -> Stated:
    """The interval at a level, open below where the verdict gives an upper bound."""
    estimate, low, high = interval.radius(level)
    is_bound = low <= 0 or (low < interval.resolution and high > 2 * low)
    return Stated(estimate, 0.0 if is_bound else low, high, is_bound)


@dataclass(frozen=True)
class Measurement:
    interval: Interval
    comparison: Comparison
    predictive: Predictive
    shuffled: Floats
    evidence: Evidence
    verdict: Verdict
    rules: VerdictRules


def prepare(observations: Observations, reporter: Reporter, config: RadiusConfig, seed: int) -> Prepared:
    """Raises InputError where the tracks can't carry the measurement."""
    _require(observations)
    dt = observations.frame_interval_s
    rng = np.random.default_rng([seed, 3])
    motion: Motion | None = None
    motions: list[Motion] | list[None] = [None] * MOTIONS
    resolution = 0.0
    if observations.kind != "scalar":
        motion, motions = _fitted_motions(observations, config, rng)
        resolution = _unseen_sd(motion, dt)
    held = motion is None or not config.between_substeps
    exposure = exposure_of(observations, motion, config.substeps, config.samples, config.completions, seed, held)
    response = response_of(reporter, dt)
    scale = float(np.nanstd(observations.signal))
    blocks = response.blocks(observations.signal) / scale
    least = detection_noise(observations.signal) / scale
    amplitude = np.ones(observations.n_tracks)
    likelihood = Likelihood("step", exposure, response, blocks, amplitude, config.workers, least_noise=least)
    design = Design(observations, reporter, motions, config.substeps, scale, seed, config.workers)
    return Prepared(observations, motion, likelihood, design, scale, resolution)


def detection_noise(signal: Floats) -> float:
    """SD, in the signal's unit, of what a detection limit hides; 0 where no value stands for many.

    Frames at the limit are known to lie between it and what is seldom missed, the 5 % quantile of those above. Were
    they taken as exact, a noise of 0 would explain them with any rates.
    """
    seen = signal[np.isfinite(signal)]
    at_limit = seen == seen.min()
    if at_limit.mean() < LEAST_AT_LIMIT or at_limit.all():
        return 0.0
    return float(np.quantile(seen[~at_limit], SELDOM_MISSED) - seen.min()) / np.sqrt(12)


def _require(observations: Observations) -> None:
    usable = np.isfinite(observations.signal).sum(axis=1) > 0
    if usable.sum() < FEWEST_TRACKS:
        raise InputError(f"radius: {usable.sum()} tracks with a signal, at least {FEWEST_TRACKS} are needed")
    if not np.nanstd(observations.signal) > 0:
        raise InputError("radius: the signal is the same in every frame")


def _fitted_motions(
    observations: Observations, config: RadiusConfig, rng: np.random.Generator
) -> tuple[Motion, list[Motion]]:
    """The motion, and its fits to resampled tracks, each held by a noise drawn from what is known of it."""
    vector, dt = observations.kind == "vector", observations.frame_interval_s
    sums = covariance_sums(observations.driver) if vector else distance_sums(observations.distance)
    noise, error = config.localisation_noise_nm, config.localisation_noise_error
    best, others = motion_of(sums.sum(axis=0), dt, noise, noise_error=error), []
    for _ in range(MOTIONS):
        chosen = sums[rng.integers(0, len(sums), size=len(sums))].sum(axis=0)
        drawn = None if noise is None else noise * float(np.exp(error * rng.standard_normal()))
        others.append(motion_of(chosen, dt, drawn, best, error))
    return best, others


def _unseen_sd(motion: Motion, dt: float) -> float:
    weights = local_kriging(motion, dt, 2).weights[PATTERNS - 1, ANCHORS.index(0.5)]
    frames = np.arange(len(weights)) - (len(weights) - 2) // 2
    across = motion.covariance(dt * (0.5 - frames))
    return float(np.sqrt(max(motion.axis_variance_nm2 - weights @ across, 0.0)))


def radius_bounds(prepared: Prepared, config: RadiusConfig) -> tuple[float, float]:
    """Log radii that are considered: those of the configuration, or a scalar driver's own."""
    low, high = config.radius_bounds_nm
    if prepared.motion is None:
        grid = prepared.likelihood.exposure.grid
        low, high = float(grid.edges[1] if grid.low <= 0 else grid.low), float(grid.edges[-1])
    return float(np.log(max(low, 1e-9))), float(np.log(high))


def fit_step(prepared: Prepared, config: RadiusConfig) -> StepFit:
    """The step law, with blocks and a spread of the loading that suit it, and its ridge."""
    bounds = radius_bounds(prepared, config)
    fit, prior = fit_law(prepared.likelihood)
    fit, _ = highest_fit(prepared.likelihood, fit, prior, bounds)
    for _ in range(BLOCK_ROUNDS):
        longer = _with_longer_blocks(prepared, fit)
        if longer is prepared:
            break
        prepared = longer
        fit, prior = fit_law(prepared.likelihood)
    for _ in range(SPREAD_ROUNDS):
        spread = with_loading_spread(prepared.likelihood, fit)
        if spread.loading_sd == 0:
            break
        prepared = replace(prepared, likelihood=spread)
        fit, prior = fit_law(spread, [fit.theta])
    prepared = replace(prepared, likelihood=replace(prepared.likelihood, amplitude=fit.amplitude))
    fit, ridge = highest_fit(prepared.likelihood, fit, prior, bounds)
    prepared = replace(prepared, likelihood=replace(prepared.likelihood, amplitude=fit.amplitude))
    return StepFit(prepared, fit, prior, ridge, bounds)


def measure_interval(prepared: Prepared, config: RadiusConfig) -> Interval:
    """The fit of the step law and its calibrated interval, without alternatives and checks."""
    return calibrated(fit_step(prepared, config), config)


def calibrated(step: StepFit, config: RadiusConfig) -> Interval:
    prepared = step.prepared
    calibration = calibrate(
        prepared.likelihood, step.prior, step.fit, step.ridge, prepared.design, config.simulations, config.draws,
        step.bounds,
    )  # fmt: skip
    return Interval(step, calibration)


def _with_longer_blocks(prepared: Prepared, fit: Fit) -> Prepared:
    """Blocks in which some LOADED_PER_BLOCK polymerases are loaded while on, if the present ones hold fewer.

    With fewer, single polymerases pass for bursts: a block's signal is taken as Gaussian. So where the fitted bursts
    load fewer, it is the bursts that are counted as polymerases.
    """
    likelihood, observations = prepared.likelihood, prepared.observations
    response, dt = likelihood.response, observations.frame_interval_s
    rate = float(np.exp(fit["log_amplitude"] - fit["log_unit"]))
    on, off = np.exp(fit["log_mean_rate"]), np.exp(fit["log_k_off"])
    if rate < LOADED_PER_BLOCK * off:
        rate = float(on * off / (on + off))
    wanted = int(np.ceil(LOADED_PER_BLOCK / (rate * dt)))
    wanted = min(wanted, max(observations.n_frames // FEWEST_BLOCKS, 1))
    if wanted <= 1.15 * response.frames_per_block:
        return prepared
    longer = response_of(prepared.design.reporter, dt, wanted)
    blocks = longer.blocks(observations.signal) / prepared.scale
    return replace(prepared, likelihood=replace(likelihood, response=longer, signal=blocks))


def measure(observations: Observations, reporter: Reporter, config: RadiusConfig, seed: int) -> Measurement:
    """Motion, fit, calibration, alternative laws, checks, verdict. The same seed gives the same result.

    Raises InputError where the tracks can't carry the measurement.
    """
    z = float(ndtri(0.5 + config.level / 2))
    with counting("steps", 4) as count:
        prepared = prepare(observations, reporter, config, seed)
        interval = measure_interval(prepared, config)
        prepared = interval.prepared
        count.to(1, "calibrated")
        comparison = compare_laws(prepared.likelihood, interval.fit, interval.prior, z)
        count.to(2, "laws compared")
        none = comparison.fits["none"]
        shuffled = shuffled_gains(prepared.likelihood, *none, interval.fit, interval.prior, config.shuffles)
        count.to(3, "shuffled pairs fitted")
        predictive = _predictive(interval, config, seed)
        count.to(4, "checked")
    evidence = evidence_of(interval, comparison, predictive.checks, shuffled, config, z)
    verdict = decide(evidence, config.verdict)
    return Measurement(interval, comparison, predictive, shuffled, evidence, verdict, config.verdict)


def _predictive(interval: Interval, config: RadiusConfig, seed: int) -> Predictive:
    prepared = interval.prepared
    chosen = some_draws(interval.calibration.draws, config.predictive, seed)
    return predictive_checks(prepared.design, prepared.likelihood, chosen, on_threshold(interval.step))


def some_draws(draws: Floats, count: int, seed: int) -> Floats:
    """`count` of the draws at random, each at most once if there are as many."""
    rng = np.random.default_rng([seed, 9])
    return draws[rng.choice(len(draws), size=count, replace=count > len(draws))]


def on_threshold(step: StepFit) -> float:
    """The signal, a.u., above which a promoter is taken as on: a quarter of a fully loaded gene's."""
    loaded = float(np.exp(step.fit["log_amplitude"]) * step.prepared.likelihood.response.tables[-1, 0])
    return (step.fit["background"] + 0.25 * loaded) * step.prepared.scale


def evidence_of(
    interval: Interval, comparison: Comparison, checks: list[GroupCheck], shuffled: Floats, config: RadiusConfig,
    z: float,
) -> Evidence:  # fmt: skip
    """What the rules of the verdict look at."""
    prepared, fit = interval.prepared, interval.fit
    estimate, low, high = interval.radius(config.level)
    gaussian = comparison.fits["gaussian"][0]
    half, error = np.exp(gaussian["log_radius"]) * np.sqrt(np.log(2)), z * gaussian.standard_error("log_radius")
    first, second = comparison.halves
    spread = np.log(high / max(low, 1e-9)) / (2 * z) if low > 0 else fit.standard_error("log_radius")
    best = max(row.log_likelihood for row in comparison.rows)
    scalar = prepared.observations.kind == "scalar"
    return Evidence(
        estimate=estimate,
        low=low,
        high=high,
        bound=high,
        resolution=prepared.resolution,
        smooth_half=float(half),
        smooth_low=float(half * np.exp(-error)),
        smooth_high=float(half * np.exp(error)),
        gain_nats=float(best - comparison.row("none").log_likelihood),
        shuffled_gain_nats=float(shuffled.max()),
        halves_z=float(abs(first.theta[RADIUS] - second.theta[RADIUS]) / (2 * max(spread, 1e-6))),
        laws=comparison.rows,
        checks=checks,
        level=config.level,
        unit="a.u." if scalar else "nm",
        quantity="the driver" if scalar else "distance",
    )


def chosen_tracks(n_tracks: int, most: int | None) -> NDArray[np.int64]:
    """Indices of the tracks used: evenly from all."""
    count = n_tracks if most is None else min(most, n_tracks)
    return np.unique(np.linspace(0, n_tracks - 1, count).astype(np.int64))
