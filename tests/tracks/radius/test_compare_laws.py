"""The laws beside each other: one that contains another is not left below it."""

from typing import Any

import numpy as np
import pytest
from radius_inputs import REPORTER, experiment

from contactlens.tracks.radius import compare
from contactlens.tracks.radius.config import RadiusConfig
from contactlens.tracks.radius.fit import Fit, Penalty, fit_law
from contactlens.tracks.radius.measure import prepare
from contactlens.tracks.radius.model.likelihood import Likelihood


@pytest.mark.slow
def test_a_monotone_law_on_a_side_peak_is_searched_again_from_the_flat_one(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = RadiusConfig(tracks=None, samples=64, workers=1)
    likelihood = prepare(experiment(12, 81, seed=3, radius=150.0), REPORTER, settings, seed=0).likelihood
    step, prior = fit_law(likelihood)

    def astray(own: Likelihood, starts: list[np.ndarray] | None = None) -> tuple[Fit, Penalty]:
        fit, penalty = fit_law(own, starts)
        if own.law == "monotone" and starts is None:
            fit.log_likelihood[:] -= 1000.0
        return fit, penalty

    def rows(search: Any) -> dict[str, float]:
        monkeypatch.setattr(compare, "fit_law", search)
        return {row.law: row.log_likelihood for row in compare.compare_laws(likelihood, step, prior, 1.96).rows}

    found, usual = rows(astray), rows(fit_law)
    assert found["monotone"] > usual["monotone"] - 4.0 > found["none"] + 40.0, "of some 55 nats that distance tells"
    assert {law: found[law] for law in ("none", "gaussian", "logistic")} == {
        law: usual[law] for law in ("none", "gaussian", "logistic")
    }
