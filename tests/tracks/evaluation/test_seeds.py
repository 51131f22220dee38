"""Scores of resampled seeds against those of the ensembles that each replicate means."""

import numpy as np
import pytest
import torch

from contactlens.calibration.bootstrap import Metric, Resamples, difference, mean_metric
from contactlens.tracks.evaluation.seeds import seed_metrics
from contactlens.tracks.models.ensemble import MixedDistribution
from contactlens.tracks.models.heads.mixture import Mixture
from contactlens.tracks.training.predictive import HeadPredictive

TRACKS, FRAMES, MEMBERS, REPLICATES = 12, 20, 3, 300


def member(number: int, size: int, spread: float) -> Mixture:
    rng = np.random.default_rng(number)
    weights = torch.as_tensor(rng.dirichlet([1, 1], size)).log()
    means = torch.as_tensor(rng.normal(spread * number, 1, (size, 2)))
    return Mixture(weights, means, torch.as_tensor(rng.normal(0, 0.3, (size, 2))))


def ensemble(spread: float = 0.4) -> tuple[np.ndarray, np.ndarray, HeadPredictive]:
    size = TRACKS * FRAMES
    members = [member(i, size, spread) for i in range(MEMBERS)]
    whole = MixedDistribution(tuple(members))

    def read(channels: torch.Tensor) -> MixedDistribution:
        rows = channels[:, -1].long()
        parts = [Mixture(one.log_weights[rows], one.means[rows], one.logvars[rows]) for one in members]
        return MixedDistribution(tuple(parts))

    channels = torch.cat([whole.channels(), torch.arange(size, dtype=torch.float64)[:, None]], dim=1)
    y = np.random.default_rng(9).normal(0.5, 1.2, size)
    return np.repeat(np.arange(TRACKS), FRAMES), y, HeadPredictive(channels, read)


def test_estimate_and_replicates_are_scores_of_the_ensembles_of_the_drawn_seeds() -> None:
    track, y, form = ensemble()
    found = seed_metrics(track, y, form, REPLICATES, seed=4)
    assert float(found["nll"].estimate) == pytest.approx(form.nll(y).mean())
    assert float(found["crps"].estimate) == pytest.approx(form.crps(y).mean())
    counts = np.ones((REPLICATES, TRACKS))
    replicates = {name: metric.value(counts @ metric.sums) for name, metric in found.items()}
    drawn = np.random.default_rng(4).multinomial(MEMBERS, np.full(MEMBERS, 1 / MEMBERS), size=REPLICATES)
    parts = form.read(form.channels).members
    signal = torch.as_tensor(y)
    for shares in ([3, 0, 0], [0, 2, 1], [1, 1, 1]):
        own = MixedDistribution(tuple(part for part, times in zip(parts, shares, strict=True) for _ in range(times)))
        rows = (drawn == shares).all(axis=1)
        assert rows.any()
        np.testing.assert_allclose(replicates["nll"][rows], -own.log_density(signal).mean().item())
        np.testing.assert_allclose(replicates["crps"][rows], own.crps(signal).mean().item())


def width(metric: Metric, resamples: Resamples) -> float:
    found = resamples.interval(metric)
    return float(found.high - found.low)


def test_seeds_that_differ_widen_a_paired_interval_and_equal_ones_do_not() -> None:
    resamples = Resamples.draw(TRACKS, REPLICATES, 0.95, seed=1)
    for spread, wider in ((1.5, True), (0.0, False)):
        track, y, form = ensemble(spread)
        if not wider:  # the same network three times
            one = form.read(form.channels).members[0]
            form = HeadPredictive(form.channels, lambda channels, one=one: MixedDistribution((one,) * MEMBERS))
        baseline = mean_metric(track, np.abs(y))
        alone = difference(mean_metric(track, form.nll(y)), baseline)
        both = difference(seed_metrics(track, y, form, REPLICATES, seed=4)["nll"], baseline)
        ratio = width(both, resamples) / width(alone, resamples)
        assert ratio > 1.2 if wider else ratio == pytest.approx(1)


def test_one_network_has_no_seeds_to_resample() -> None:
    track, y, form = ensemble()
    alone = HeadPredictive(form.channels, lambda channels: form.read(channels).members[0])
    assert seed_metrics(track, y, alone, REPLICATES, seed=4) == {}
