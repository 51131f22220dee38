"""The laws side by side: by log likelihood, paired over tracks, and on tracks that were not fitted."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contactlens.tracks.radius.check import fit_part
from contactlens.tracks.radius.fit import Fit, Penalty, fit_law, rows_of
from contactlens.tracks.radius.model.laws import LAWS, MONOTONE_PIECES, Law
from contactlens.tracks.radius.model.likelihood import Likelihood

Floats = NDArray[Any]


@dataclass(frozen=True)
class LawRow:
    """One law against the step: log likelihoods in nats; differences are the law's less the step's.

    low, high: of the difference of the log likelihoods, normal over tracks
    held_out, held_out_low, held_out_high: the same on the half of the tracks that was not fitted, both ways summed
    """

    law: Law
    log_likelihood: float
    difference: float
    low: float
    high: float
    held_out: float
    held_out_low: float
    held_out_high: float


@dataclass(frozen=True)
class Comparison:
    rows: list[LawRow]
    fits: dict[Law, tuple[Fit, Penalty]]
    halves: list[Fit]

    def row(self, law: Law) -> LawRow:
        return next(row for row in self.rows if row.law == law)


def compare_laws(likelihood: Likelihood, step: Fit, prior: Penalty, z: float) -> Comparison:
    """All laws fitted to all tracks, and each to every second one and scored on the others.

    z: half-width of an interval in standard errors
    """
    n = len(likelihood.signal)
    halves = [np.arange(0, n, 2), np.arange(1, n, 2)]
    fits: dict[Law, tuple[Fit, Penalty]] = {"step": (step, prior)}
    for law in LAWS:
        if law != "step":
            fits[law] = fit_law(
                replace(likelihood, law=law), [_start_of(law, step)] if law in ("gaussian", "logistic") else None
            )
    if _total(fits["monotone"][0]) < _total(fits["none"][0]):  # which it contains: a search that ended on a side peak
        fits["monotone"] = fit_law(replace(likelihood, law="monotone"), [_nearly_flat(fits["none"][0])])
    parts = {law: [fit_part(replace(likelihood, law=law), rows, *fits[law]) for rows in halves] for law in LAWS}
    unseen = {law: _held_out(replace(likelihood, law=law), parts[law], halves) for law in LAWS}
    rows = []
    for law in LAWS:
        paired = _paired(fits[law][0].log_likelihood - step.log_likelihood, z)
        rows.append(
            LawRow(law, float(fits[law][0].log_likelihood.sum()), *paired, *_paired(unseen[law] - unseen["step"], z))
        )
    return Comparison(rows, fits, parts["step"])


def _start_of(law: Law, step: Fit) -> Floats:
    """A smooth law that resembles the fitted step: half as likely at about its radius."""
    theta = step.theta.copy()
    theta[0] += -0.35 if law == "gaussian" else -0.1
    return np.insert(theta, 3, np.log(0.2)) if law == "logistic" else theta


def _total(fit: Fit) -> float:
    return float(fit.log_likelihood.sum())


def _nearly_flat(none: Fit) -> Floats:
    """Steps of a tenth of the mean rate on the fitted mean rate at every distance."""
    steps = np.full(MONOTONE_PIECES, none["log_mean_rate"] + np.log(0.1))
    steps[-1] = none["log_mean_rate"]
    return np.concatenate([steps, none.theta[1:]])


def _held_out(likelihood: Likelihood, parts: list[Fit], halves: list[NDArray[np.int64]]) -> Floats:
    scores = np.empty(len(likelihood.signal))
    for fitted, scored in ((0, 1), (1, 0)):
        scores[halves[scored]] = rows_of(likelihood, halves[scored])(parts[fitted].theta, False)[0]
    return scores


def _paired(difference: Floats, z: float) -> tuple[float, float, float]:
    total = float(difference.sum())
    spread = z * float(difference.std(ddof=1) * np.sqrt(len(difference)))
    return total, total - spread, total + spread
