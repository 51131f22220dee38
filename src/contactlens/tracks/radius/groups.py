"""Several groups of tracks, measured one by one and with one radius and rate; and whether they share them.

Whether they do is tested by how much radii and rates of their own gain: beside how much they gain in the simulated
experiments of the calibration, in which all groups share them (a parametric bootstrap; the likelihood is an
approximation, so that no chi-square holds).
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtri

from contactlens.base.errors import InputError
from contactlens.base.progress import counting
from contactlens.tracks.radius.calibrate import RADIUS, Calibration, calibrate
from contactlens.tracks.radius.check import checks_of, compared, shuffled_gains
from contactlens.tracks.radius.compare import Comparison, LawRow, compare_laws
from contactlens.tracks.radius.config import RadiusConfig, VerdictRules
from contactlens.tracks.radius.fit import Fit, climbed, maximise
from contactlens.tracks.radius.joint import JointDesign, JointLikelihood, JointPenalty, Sharing, start_at, summary_of
from contactlens.tracks.radius.measure import (
    Floats,
    Interval,
    StepFit,
    calibrated,
    evidence_of,
    fit_step,
    on_threshold,
    prepare,
    some_draws,
)
from contactlens.tracks.radius.model.observations import Observations
from contactlens.tracks.radius.ridge import highest_fit
from contactlens.tracks.radius.verdict import Evidence, SharingTest, Verdict, decide
from contactlens.tracks.simulation.reporter import Reporter

SEED_STEP = 1000  # between the seeds of two groups
START_EVALUATIONS = 20
NEAR = 0.95  # of the interval whose simulated experiments the test compares with
FEWEST_NEAR = 39
FEWEST_GROUPS = 2


@dataclass(frozen=True)
class JointInterval:
    """The groups' own fits, and the interval of the radius that they share."""

    groups: list[StepFit]
    likelihood: JointLikelihood
    fit: Fit
    calibration: Calibration
    test: SharingTest

    @property
    def resolution(self) -> float:
        return min(step.prepared.resolution for step in self.groups)

    def radius(self, level: float) -> tuple[float, float, float]:
        """Median and interval of the radius; the lower end is 0 where no smaller radius is excluded."""
        return self.calibration.confidence.radius(level)

    @property
    def sharing(self) -> Sharing:
        return self.likelihood.sharing

    def parts(self, draws: Floats, group: int) -> Floats:
        """(D, 8) parameters of a group's step law of joint ones (D, P)."""
        return np.array([self.sharing.part(draw, group) for draw in draws])


@dataclass(frozen=True)
class JointMeasurement:
    """names: of the groups; alone: each by its own tracks; own: evidence and verdict of each, without checks by
    simulation"""

    names: list[str]
    alone: list[Interval]
    interval: JointInterval
    comparisons: list[Comparison]
    shuffled: Floats
    own: list[tuple[Evidence, Verdict]]
    evidence: Evidence
    verdict: Verdict
    rules: VerdictRules


def group_fits(
    observations: Observations, names: list[str], reporter: Reporter, config: RadiusConfig, seed: int
) -> list[StepFit]:
    """Each group's own motion and fit. names: by index of group.

    Raises InputError where there are not several groups, or one can't carry a measurement.
    """
    present = np.unique(observations.group)
    if len(present) < FEWEST_GROUPS:
        raise InputError(f"radius: one group of tracks ({names[present[0]]}), a joint radius needs {FEWEST_GROUPS}")
    fits = []
    for place, group in enumerate(present):
        own = observations.only(np.flatnonzero(observations.group == group))
        try:
            prepared = prepare(own, reporter, config, seed + SEED_STEP * place)
        except InputError as error:
            raise InputError(f"group {names[group]}: {error}") from error
        fits.append(fit_step(prepared, config))
    return fits


def joint_interval(steps: list[StepFit], config: RadiusConfig) -> JointInterval:
    """The fit of the step law to all groups, with one radius and rate, and its interval calibrated by simulation."""
    prepared = [step.prepared for step in steps]
    sharing = Sharing(tuple(p.likelihood.exposure.grid for p in prepared))
    likelihood = JointLikelihood(sharing, tuple(p.likelihood for p in prepared))
    prior = JointPenalty(sharing, tuple(step.prior for step in steps))
    fits = tuple(step.fit for step in steps)
    bounds = min(step.bounds[0] for step in steps), max(step.bounds[1] for step in steps)
    fit, ridge = highest_fit(likelihood, _joint_fit(likelihood, prior, fits), prior, bounds)
    likelihood = likelihood.with_amplitude(fit.amplitude)
    design = JointDesign(tuple(p.design for p in prepared), fits, prior)
    calibration = calibrate(
        likelihood, prior, fit, ridge, design, config.simulations, config.draws, bounds, summary_of(sharing, fit)
    )
    test = sharing_test(calibration, design.not_shared(likelihood, fit))
    return JointInterval(steps, likelihood, fit, calibration, test)


def _joint_fit(likelihood: JointLikelihood, prior: JointPenalty, fits: tuple[Fit, ...]) -> Fit:
    """The best search of several: from the radius of each group, and from their weighted mean."""
    radii = np.array([fit["log_radius"] for fit in fits])
    weights = np.array([1 / fit.standard_error("log_radius") ** 2 for fit in fits])
    starts = [start_at(likelihood.sharing, fits, float(r)) for r in [*radii, np.average(radii, weights=weights)]]
    tried = [maximise(likelihood, prior, start, rounds=1, evaluations=START_EVALUATIONS) for start in starts]
    best = max(tried, key=lambda fit: float(fit.log_likelihood.sum()) + prior.log_density(fit.theta))
    return climbed(likelihood.with_amplitude(best.amplitude), prior, best.theta)


def sharing_test(calibration: Calibration, observed: float) -> SharingTest:
    """observed: twice what own radii and rates gain in the data.

    The experiments compared with are those whose truth lies within the interval, or the FEWEST_NEAR that are nearest to
    its median.
    """
    tail = (1 - NEAR) / 2
    low, middle, high = calibration.confidence.quantile(np.array([tail, 0.5, 1 - tail]))
    truth = calibration.experiments.truth[:, RADIUS]
    middle = float(np.clip(middle, truth.min(), truth.max()))
    near = (truth >= low) & (truth <= high)
    if near.sum() < FEWEST_NEAR:
        near[np.argsort(np.abs(truth - middle), kind="stable")[:FEWEST_NEAR]] = True
    simulated = calibration.experiments.not_shared[near]
    return SharingTest(observed, float((1 + np.sum(simulated >= observed)) / (1 + simulated.size)), simulated.size)


def measure_groups(
    observations: Observations, names: list[str], reporter: Reporter, config: RadiusConfig, seed: int
) -> JointMeasurement:
    """Each group alone, all with one radius and rate, the test of that, alternative laws, checks, verdict.

    names: of the groups, by their index in the observations. The same seed gives the same result.
    Raises InputError where the tracks can't carry the measurement.
    """
    z = float(ndtri(0.5 + config.level / 2))
    with counting("steps", 4) as count:
        steps = group_fits(observations, names, reporter, config, seed)
        intervals = [calibrated(step, config) for step in steps]
        count.to(1, "groups measured")
        joint = joint_interval(steps, config)
        count.to(2, "calibrated together")
        comparisons = [compare_laws(i.prepared.likelihood, i.fit, i.prior, z) for i in intervals]
        shuffled = [
            shuffled_gains(i.prepared.likelihood, *c.fits["none"], i.fit, i.prior, config.shuffles)
            for i, c in zip(intervals, comparisons, strict=True)
        ]
        count.to(3, "laws compared")
        chosen = [names[i] for i in np.unique(observations.group)]
        own_statistics, simulated = _statistics(joint, chosen, config, seed)
        count.to(4, "checked")
    own = [evidence_of(i, c, [], s, config, z) for i, c, s in zip(intervals, comparisons, shuffled, strict=True)]
    evidence = replace(
        _together(joint, own, config.level),
        shuffled_gain_nats=float(np.sum(shuffled, axis=0).max()),
        checks=checks_of(own_statistics, simulated),
    )
    rules = config.verdict
    verdicts = [(e, decide(e, rules)) for e in own]
    return JointMeasurement(
        chosen,
        intervals,
        joint,
        comparisons,
        np.sum(shuffled, axis=0),
        verdicts,
        evidence,
        decide(evidence, rules),
        rules,
    )


def _statistics(
    joint: JointInterval, names: list[str], config: RadiusConfig, seed: int
) -> tuple[dict[str, Floats], dict[str, Floats]]:
    """Of the data and of simulated joint experiments, every group's under its name: one level for all of them."""
    draws = some_draws(joint.calibration.draws, config.predictive, seed)
    own: dict[str, Floats] = {}
    simulated: dict[str, Floats] = {}
    for g, (name, step) in enumerate(zip(names, joint.groups, strict=True)):
        likelihood = joint.likelihood.groups[g]
        found = compared(step.prepared.design, likelihood, joint.parts(draws, g), on_threshold(step))
        own |= {f"{name}: {key}": value for key, value in found.own.items()}
        simulated |= {f"{name}: {key}": value for key, value in found.simulated.items()}
    return own, simulated


def _together(joint: JointInterval, own: list[Evidence], level: float) -> Evidence:
    """Log likelihoods are summed over groups; half-distances are weighted by how well they are known."""
    estimate, low, high = joint.radius(level)
    laws = [summed(list(rows)) for rows in zip(*(evidence.laws for evidence in own), strict=True)]
    none = next(row for row in laws if row.law == "none")
    halves = np.log([evidence.smooth_half for evidence in own])
    errors = np.array([np.log(evidence.smooth_high / evidence.smooth_half) for evidence in own])
    half = float(np.average(halves, weights=1 / errors**2))
    error = float(1 / np.sqrt(np.sum(1 / errors**2)))
    return replace(
        own[0],
        estimate=estimate,
        low=low,
        high=high,
        bound=high,
        resolution=joint.resolution,
        smooth_half=float(np.exp(half)),
        smooth_low=float(np.exp(half - error)),
        smooth_high=float(np.exp(half + error)),
        gain_nats=max(row.log_likelihood for row in laws) - none.log_likelihood,
        halves_z=max(evidence.halves_z for evidence in own),
        laws=laws,
        sharing=joint.test,
    )


def summed(rows: list[LawRow]) -> LawRow:
    """A law over independent groups: differences add up, and so do the squares of their intervals' half-widths."""
    difference, held_out = sum(r.difference for r in rows), sum(r.held_out for r in rows)
    half = float(np.sqrt(sum((r.difference - r.low) ** 2 for r in rows)))
    held_out_half = float(np.sqrt(sum((r.held_out - r.held_out_low) ** 2 for r in rows)))
    return LawRow(
        rows[0].law, sum(r.log_likelihood for r in rows), difference, difference - half, difference + half,
        held_out, held_out - held_out_half, held_out + held_out_half,
    )  # fmt: skip
