"""One radius and one rate in contact for several groups of tracks, each with a motion and a signal of its own.

Groups whose loci are near each other for different shares of the time (genomic distances, conditions) break the ridge
on which a single group leaves radius and rate: the product that each of them measures is another one. The joint log
likelihood is the sum of the groups'; a likelihood of this module stands wherever that of one group does.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contactlens.tracks.radius.calibrate import Design
from contactlens.tracks.radius.fit import Fit, Penalty, maximise
from contactlens.tracks.radius.model.laws import DistanceGrid, Law, contact_share
from contactlens.tracks.radius.model.likelihood import SIGNAL_PARAMETERS, Likelihood

Floats = NDArray[Any]
OWN = ("log_floor", *SIGNAL_PARAMETERS)  # what each group has of its own
SHARED = 2  # log radius, log rate
LARGEST_FLOOR = 0.95  # share of the hazard that is not contact's
SEPARATE_EVALUATIONS = 20


@dataclass(frozen=True)
class Sharing:
    """How the parameters of G groups' step laws follow from the joint ones, theta: log radius; log contact rate, which
    is k_on times the groups' mean share of the time in contact; then the OWN of each group.

    With the share in it the rate says how often switching is, which data tell at any radius; k_on itself grows without
    limit as the radius falls.
    """

    grids: tuple[DistanceGrid, ...]

    def own(self, group: int) -> slice:
        first = SHARED + group * len(OWN)
        return slice(first, first + len(OWN))

    @property
    def names(self) -> list[str]:
        return ["log_radius", "log_contact_rate", *(f"{name}_{g}" for g in range(len(self.grids)) for name in OWN)]

    def _shares(self, log_radius: float) -> tuple[Floats, Floats]:
        """Logarithm of each group's share in contact over the mean share, (G,), and its derivative by log radius."""
        share, slope = np.array([contact_share(log_radius, grid) for grid in self.grids]).T
        return np.log(share / share.mean()), slope / share - slope.mean() / share.mean()

    def part(self, theta: Floats, group: int) -> Floats:
        """(8,) parameters of a group's step law."""
        own = theta[self.own(group)]
        floor = min(float(np.exp(own[0])), LARGEST_FLOOR)
        rate = theta[1] + self._shares(float(theta[0]))[0][group] - np.log1p(-floor)
        return np.concatenate([[theta[0], rate], own])

    def jacobian(self, theta: Floats, group: int) -> Floats:
        """(8, P) derivatives of `part` by theta."""
        out = np.zeros((SHARED + len(OWN), len(theta)))
        own = self.own(group)
        out[0, 0] = out[1, 1] = 1.0
        out[1, 0] = self._shares(float(theta[0]))[1][group]
        floor = float(np.exp(theta[own.start]))
        out[1, own.start] = floor / (1 - floor) if floor < LARGEST_FLOOR else 0.0
        out[2:, own] = np.eye(len(OWN))
        return out

    def joined(self, parts: list[Floats], weights: Floats) -> Floats:
        """Joint parameters nearest to the groups' own at the radius of the first of them, which all must have.

        weights: (G,) of the groups in the common rate
        """
        shares, _ = self._shares(float(parts[0][0]))
        floors = np.minimum(np.exp([part[2] for part in parts]), LARGEST_FLOOR)
        rates = np.array([part[1] for part in parts]) - shares + np.log1p(-floors)
        return np.concatenate([[parts[0][0], np.average(rates, weights=weights)], *(part[2:] for part in parts)])

    def k_on(self, theta: Floats) -> Floats:
        """Rate in contact, per s, of each row of theta (D, P)."""
        share = [np.mean([contact_share(float(r), grid)[0] for grid in self.grids]) for r in theta[:, 0]]
        return np.exp(theta[:, 1]) / np.array(share)


@dataclass(frozen=True)
class JointPenalty:
    """The groups' own penalties, summed; so separate fits are never worse than the joint one."""

    sharing: Sharing
    groups: tuple[Penalty, ...]

    @property
    def sd(self) -> Floats:
        shared = [1 / np.sqrt(sum(1 / p.sd[i] ** 2 for p in self.groups)) for i in range(SHARED)]
        return np.concatenate([shared, *(p.sd[SHARED:] for p in self.groups)])

    def log_density(self, theta: Floats) -> float:
        return sum(p.log_density(self.sharing.part(theta, g)) for g, p in enumerate(self.groups))

    def gradient(self, theta: Floats) -> Floats:
        parts = [
            p.gradient(self.sharing.part(theta, g)) @ self.sharing.jacobian(theta, g) for g, p in enumerate(self.groups)
        ]
        return np.asarray(np.sum(parts, axis=0))


@dataclass(frozen=True)
class JointLikelihood:
    """Of the tracks of all groups, one group after the other; see `Likelihood`."""

    sharing: Sharing
    groups: tuple[Likelihood, ...]

    @property
    def law(self) -> Law:
        return "step"

    @property
    def names(self) -> list[str]:
        return self.sharing.names

    @property
    def _ends(self) -> Floats:
        return np.cumsum([len(group.signal) for group in self.groups])[:-1]

    def split(self, value: Floats) -> list[Floats]:
        """A value of every track, by group."""
        return np.split(value, self._ends)

    @property
    def amplitude(self) -> Floats:
        return np.concatenate([group.amplitude for group in self.groups])

    def with_amplitude(self, amplitude: Floats) -> "JointLikelihood":
        own = self.split(amplitude)
        return replace(self, groups=tuple(g.with_amplitude(a) for g, a in zip(self.groups, own, strict=True)))

    def single_threaded(self) -> "JointLikelihood":
        return replace(self, groups=tuple(group.single_threaded() for group in self.groups))

    @property
    def amplitude_steps(self) -> Floats:
        steps = [group.amplitude_steps for group in self.groups]
        if not any(step.size for step in steps):
            return np.zeros(0)
        return np.concatenate(
            [s if s.size else np.zeros(len(g.signal)) for s, g in zip(steps, self.groups, strict=True)]
        )

    def amplitude_penalty(self, offset: Floats) -> Floats:
        own = self.split(offset)
        return np.concatenate([g.amplitude_penalty(o) for g, o in zip(self.groups, own, strict=True)])

    def amplitude_slope(self, scores: Floats, offset: Floats) -> Floats:
        place = OWN.index("log_amplitude")
        slopes = []
        for g, (s, o) in enumerate(zip(self.split(scores), self.split(offset), strict=True)):
            sd = self.groups[g].loading_sd
            own = s[:, self.sharing.own(g)][:, place]
            slopes.append(own - o / sd**2 if sd > 0 else np.zeros(len(o)))
        return np.concatenate(slopes)

    def common(self, value: Floats) -> Floats:
        return np.concatenate([np.full(len(part), part.mean()) for part in self.split(value)])

    def __call__(self, theta: Floats, want: bool = True) -> tuple[Floats, Floats]:
        """Log likelihood (N,) of each track of all groups, and its derivatives (N, P)."""
        logs, scores = [], []
        for g, group in enumerate(self.groups):
            own_logs, own_scores = group(self.sharing.part(theta, g), want)
            logs.append(own_logs)
            scores.append(own_scores @ self.sharing.jacobian(theta, g))
        return np.concatenate(logs), np.concatenate(scores)


@dataclass(frozen=True)
class JointDesign:
    """Every simulated experiment holds all groups, each with its own paths and noise.

    designs, fits: of each group alone; the designs' seeds must differ; prior: of the joint parameters
    """

    designs: tuple[Design, ...]
    fits: tuple[Fit, ...]
    prior: JointPenalty

    @property
    def seed(self) -> int:
        return self.designs[0].seed

    @property
    def workers(self) -> int:
        return self.designs[0].workers

    def signals(self, likelihood: JointLikelihood, truths: Floats, stream: int, number: int) -> list[JointLikelihood]:
        sharing = likelihood.sharing
        drawn = [
            self.designs[g].signals(group, np.array([sharing.part(truth, g) for truth in truths]), stream, number)
            for g, group in enumerate(likelihood.groups)
        ]
        return [replace(likelihood, groups=groups) for groups in zip(*drawn, strict=True)]

    def not_shared(self, likelihood: JointLikelihood, found: Fit) -> float:
        """Twice what a radius and a rate of its own gain in each group, summed; each search begins at the joint fit."""
        together = float(found.log_likelihood.sum()) + self.prior.log_density(found.theta)
        apart = 0.0
        for g, group in enumerate(likelihood.with_amplitude(found.amplitude).groups):
            own, prior = self.fits[g], self.prior.groups[g]
            alone = maximise(
                group, prior, likelihood.sharing.part(found.theta, g), metric=own.covariance, rounds=1,
                evaluations=SEPARATE_EVALUATIONS,
            )  # fmt: skip
            apart += float(alone.log_likelihood.sum()) + prior.log_density(alone.theta)
        return 2 * (apart - together)


def start_at(sharing: Sharing, fits: tuple[Fit, ...], log_radius: float) -> Floats:
    """Joint parameters from the groups' own fits at a common radius, the mean rates kept; by how well each is known."""
    parts = [np.concatenate([[log_radius], fit.theta[1:]]) for fit in fits]
    return sharing.joined(parts, np.array([1 / fit.standard_error("log_mean_rate") ** 2 for fit in fits]))


def summary_of(sharing: Sharing, fit: Fit) -> Floats:
    """(8, P) weights by which joint parameters are summed up: radius, rate, and the groups' means of each other one, by
    how well it is known in each."""
    groups = len(sharing.grids)
    weights = np.zeros((SHARED + len(OWN), len(fit.theta)))
    weights[:SHARED, :SHARED] = np.eye(SHARED)
    for i in range(len(OWN)):
        places = [sharing.own(g).start + i for g in range(groups)]
        known = 1 / np.diag(fit.covariance)[places]
        weights[SHARED + i, places] = known / known.sum()
    return weights
