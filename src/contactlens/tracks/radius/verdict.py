"""The answer in words, by rules: a radius, an upper bound, smooth, nothing, not told, or that the model fails."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from contactlens.tracks.radius.check import GroupCheck
from contactlens.tracks.radius.compare import LawRow
from contactlens.tracks.radius.config import VerdictRules

Kind = Literal["radius", "upper bound", "smooth", "nothing", "not told", "model fails", "not shared"]
WITHOUT_RADIUS: tuple[Kind, ...] = ("smooth", "nothing", "model fails", "not shared")


@dataclass(frozen=True)
class SharingTest:
    """Whether groups of tracks share their radius and rate. statistic: twice what their own would gain, in nats; p: the
    share of simulated joint experiments in which they gain as much though they are shared."""

    statistic: float
    p: float
    experiments: int


@dataclass(frozen=True)
class Evidence:
    """What the rules look at.

    estimate, low, high: of the radius, in `unit`; low is 0 where no smaller radius is excluded
    bound: the radius that is too large at one-sided level (1 + level) / 2
    smooth_half, smooth_low, smooth_high: distance at which the Gaussian law has fallen to a half
    gain_nats: log likelihood of the best law over none; shuffled_gain_nats: the largest among shuffled pairs
    halves_z: difference between two halves of the tracks, in standard errors
    sharing: of several groups with one radius; None of one
    """

    estimate: float
    low: float
    high: float
    bound: float
    resolution: float
    smooth_half: float
    smooth_low: float
    smooth_high: float
    gain_nats: float
    shuffled_gain_nats: float
    halves_z: float
    laws: list[LawRow]
    checks: list[GroupCheck]
    level: float
    unit: str
    quantity: str
    sharing: SharingTest | None = None


@dataclass(frozen=True)
class Verdict:
    kind: Kind
    sentence: str
    remarks: list[str]


def failed_checks(checks: list[GroupCheck], rules: VerdictRules) -> list[GroupCheck]:
    return [check for check in checks if check.p <= rules.min_p and check.ratio >= rules.min_ratio]


def decide(evidence: Evidence, rules: VerdictRules) -> Verdict:
    """The first rule that holds names the kind: nothing, the model fails, not shared, smooth, not told where no larger
    radius is excluded, an upper bound, a radius."""
    failed = failed_checks(evidence.checks, rules)
    remarks = _remarks(evidence, rules)
    level = f"{100 * evidence.level:g} % interval"
    if (
        evidence.gain_nats < rules.min_gain_nats
        or evidence.gain_nats < evidence.shuffled_gain_nats + rules.min_gain_nats / 2
    ):
        said = f"No dependence of switching on {evidence.quantity} is seen in these data."
        return Verdict("nothing", said, remarks)
    if failed:
        names = ", ".join(f"{check.group} (p {check.p:.2g})" for check in failed)
        said = f"The model does not describe these data: {names}. No radius is given."
        return Verdict("model fails", said, remarks)
    if evidence.sharing is not None and evidence.sharing.p <= rules.min_sharing_p:
        said = f"The groups do not share a radius and rate (p {evidence.sharing.p:.2g}). No joint radius is given."
        return Verdict("not shared", said, remarks)
    gaussian = next(row for row in evidence.laws if row.law == "gaussian")
    u = evidence.unit
    if gaussian.low > 0:
        said = (
            f"Switching falls smoothly with {evidence.quantity}: to a half at {evidence.smooth_half:.3g} {u} "
            f"({level} {evidence.smooth_low:.3g} to {evidence.smooth_high:.3g} {u}), with no sharp radius."
        )
        return Verdict("smooth", said, remarks)
    alike = gaussian.high > 0
    tail = " A smooth fall-off describes the data as well." if alike else " A smooth fall-off describes them worse."
    open_below = evidence.low <= 0 or (evidence.low < evidence.resolution and evidence.high > 2 * evidence.low)
    if not np.isfinite(evidence.bound):
        said = f"Switching depends on {evidence.quantity}, but these data do not tell below which radius."
        return Verdict("not told", said, remarks)
    if open_below:
        bound = f"{evidence.bound:.3g} {u} (one-sided {50 + 50 * evidence.level:.4g} %)"
        return Verdict("upper bound", f"The contact radius is at most {bound}.{tail}", remarks)
    between = f"({level} {evidence.low:.3g} to {evidence.high:.3g} {u})"
    return Verdict("radius", f"The contact radius is {evidence.estimate:.3g} {u} {between}.{tail}", remarks)


def _remarks(evidence: Evidence, rules: VerdictRules) -> list[str]:
    remarks = []
    if evidence.halves_z > rules.max_halves_z:
        remarks.append(f"Two halves of the tracks differ by {evidence.halves_z:.1f} standard errors.")
    if evidence.low < evidence.resolution:
        remarks.append(
            f"Below some {evidence.resolution:.3g} {evidence.unit} noise and motion within a frame hide it: only "
            "the product of its cube and k_on is measured there."
        )
    if evidence.sharing is not None:
        test = evidence.sharing
        remarks.append(
            f"Radii and rates of their own gain the groups {test.statistic / 2:.3g} nats over shared ones (p "
            f"{test.p:.2g}, from {test.experiments} simulated experiments in which they are shared)."
        )
    best = max((row for row in evidence.laws if row.law not in ("none", "step")), key=lambda row: row.held_out)
    differs = best.held_out_low > 0 or best.held_out_high < 0
    compared = ("better than" if best.held_out > 0 else "worse than") if differs else "as well as"
    gain = f"{best.held_out:+.1f} nats [{best.held_out_low:+.1f}, {best.held_out_high:+.1f}]"
    remarks.append(f"A {best.law} law describes tracks that it was not fitted to {compared} a sharp radius ({gain}).")
    return remarks
