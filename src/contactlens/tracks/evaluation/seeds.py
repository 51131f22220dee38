"""Scores of an ensemble whose interval holds its seeds too: other seeds would have made another ensemble.

A replicate draws as many seeds as there are, with replacement, and scores the ensemble of those drawn.
"""

from collections.abc import Mapping

import numpy as np
import torch

from contactlens.calibration.bootstrap import Metric
from contactlens.calibration.scores import Predictive
from contactlens.tracks.models.ensemble import MixedDistribution
from contactlens.tracks.training.predictive import CHUNK, HeadPredictive

Array = np.ndarray


def seed_metrics(track: Array, y: Array, form: Predictive, replicates: int, seed: int) -> dict[str, Metric]:
    """`nll` and `crps` of an ensemble; none of what is no ensemble.

    track: (n,) int codes from 0; y: (n,) the signal
    A metric's replicate r is of the seeds that it has drawn, so it goes with resamples of as many replicates, in any
    difference; its estimate is of all seeds.
    """
    members = _members(form)
    if members < 2 or not isinstance(form, HeadPredictive):
        return {}
    drawn = np.random.default_rng(seed).multinomial(members, np.full(members, 1 / members), size=replicates)
    shares, which = np.unique(np.vstack([np.ones(members, dtype=int), drawn]), axis=0, return_inverse=True)
    sums = _sums(track, y, form, shares / members)
    return {name: _metric(table, which.ravel()) for name, table in sums.items()}


def _members(form: Predictive) -> int:
    mixed = form.read(form.channels[:1]) if isinstance(form, HeadPredictive) else None
    return len(mixed.members) if isinstance(mixed, MixedDistribution) else 0


def _metric(sums: Array, which: Array) -> Metric:
    """sums: (tracks, S + 1) of each of S ensembles, then frames; which: (1 + R,) the ensemble of all seeds, then those
    of the replicates."""

    def value(total: Array) -> Array:
        chosen = total[which[0]] if total.ndim == 1 else total[np.arange(len(total)), which[1:]]
        return np.asarray(chosen / total[..., -1])

    return Metric(sums, value)


@torch.no_grad()
def _sums(track: Array, y: Array, form: HeadPredictive, shares: Array) -> Mapping[str, Array]:
    """Sums over each track of the scores of the ensembles with these shares (S, M) of the members, and its frames."""
    sums = {name: np.zeros((track.max() + 1, len(shares) + 1)) for name in SCORES}
    signal = torch.as_tensor(y, dtype=torch.float64)
    codes = torch.as_tensor(track)
    for channels, own, code in zip(*(one.split(CHUNK) for one in (form.channels, signal, codes)), strict=True):
        mixed = form.read(channels)
        assert isinstance(mixed, MixedDistribution)
        for name, score in SCORES.items():
            np.add.at(sums[name], code.numpy(), np.insert(score(mixed, own, shares), len(shares), 1, axis=1))
    return sums


def _nll(mixed: MixedDistribution, y: torch.Tensor, shares: Array) -> Array:
    """(n, S)."""
    logs = torch.stack([one.log_density(y) for one in mixed.members])
    weights = torch.as_tensor(shares, dtype=logs.dtype).log()
    return torch.stack([-torch.logsumexp(logs + own[:, None], dim=0) for own in weights], dim=1).numpy()


def _crps(mixed: MixedDistribution, y: torch.Tensor, shares: Array) -> Array:
    """(n, S). The CRPS of a mixture is quadratic in its shares: that of the members and their pairs gives it for any.

    With c_i of a member and c_ij of two in equal shares: sum_i w_i c_i - 4 sum_{i<j} w_i w_j ((c_i + c_j) / 2 - c_ij).
    """
    single = [one.crps(y).numpy() for one in mixed.members]
    found = np.stack(single, axis=1) @ shares.T
    for i in range(len(single)):
        for j in range(i):
            pair = MixedDistribution((mixed.members[i], mixed.members[j])).crps(y).numpy()
            gain = (single[i] + single[j]) / 2 - pair
            found -= 4 * np.outer(gain, shares[:, i] * shares[:, j])
    return found


SCORES = {"nll": _nll, "crps": _crps}
