"""Real traces with published promoter states, and how far a model's states agree with them.

The table holds fragments of eve4+6 traces of Drosophila embryos with the soft-decoded P(on) of a two-state
compound-state hidden Markov model (Zhao et al., Nat. Commun. 2024): columns fragment, embryo, time_s, knirps_au,
ms2_au, p_on. Those states are another model's decoding of the same MS2, not a truth.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.metrics import roc_auc_score

from contactlens.calibration.bootstrap import interval, mean_metric, resample_counts
from contactlens.tracks.data.batch import TrackBatch
from contactlens.tracks.data.importing.column_mapping import ColumnMapping
from contactlens.tracks.data.importing.table import import_table
from contactlens.tracks.data.importing.table_file import read_columns
from contactlens.tracks.data.track_set import TrackSet

Array = np.ndarray
PUBLISHED = "p_on"
ON = 0.5  # published P(on) from which a frame counts as on
KNIRPS_COLUMNS = ColumnMapping(
    track=["fragment"],
    group=["embryo"],
    time="time_s",
    time_unit="s",
    scalar="knirps_au",
    driver_unit="a.u.",
    signal="ms2_au",
)


class PublishedStates(NamedTuple):
    """track_set: one track a fragment, one group an embryo; p_on: track_id, frame, p_on of every observed frame."""

    track_set: TrackSet
    p_on: pd.DataFrame

    def grid(self, batch: TrackBatch) -> Array:
        """Published P(on) of the batch's tracks, (N, T); 0 where a frame was not observed."""
        row = pd.Index(batch.track_ids).get_indexer(pd.Index(self.p_on["track_id"]))
        frame = self.p_on["frame"] - self.p_on.groupby("track_id")["frame"].transform("min")
        grid = np.zeros(tuple(batch.observed.shape))
        grid[row[row >= 0], frame[row >= 0]] = self.p_on.loc[row >= 0, PUBLISHED]
        return grid


class Agreement(NamedTuple):
    """by_embryo: embryo, fragments, frames, auroc, spearman. overall: metric, estimate, low, high of their mean."""

    by_embryo: pd.DataFrame
    overall: pd.DataFrame


def import_states(path: Path | str) -> PublishedStates:
    """Read the table of published states.

    Raises InputError, naming file, column and rows, for what can't be read as tracks, and for a P(on) that is missing
    or no probability.
    """
    track_set = import_table(path, KNIRPS_COLUMNS).track_set
    table = read_columns(path, ["fragment", "time_s", PUBLISHED], ["fragment"])
    p_on = table.numbers(PUBLISHED)
    table.refuse(PUBLISHED, ~p_on.between(0, 1).to_numpy(), "cells are no probability")
    rows = pd.DataFrame({"track_id": table.text(["fragment"]), "time_s": table.numbers("time_s"), PUBLISHED: p_on})
    known = track_set.frames[["track_id", "frame", "time_s"]].merge(rows, on=["track_id", "time_s"], validate="1:1")
    return PublishedStates(track_set, known.drop(columns="time_s"))


def agreement(
    p_on: Array,
    published: Array,
    observed: Array,
    embryo: list[str],
    replicates: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Agreement:
    """Agreement of a model's P(on) with the published one, embryo by embryo.

    AUROC takes the published state at P(on) 0.5 for the truth; Spearman's correlation takes both as they are. The mean
    is over embryos, each counted once, and its percentile interval resamples embryos: frames of an embryo resemble
    each other, and fragments overlap. An embryo whose published states are all on or all off has no AUROC and does not
    count in its mean.

    p_on, published: (N, T); observed: (N, T) bool; embryo: N names
    """
    fragment = pd.DataFrame({"embryo": embryo, "frames": observed.sum(axis=1)})
    rows = []
    for name, members in fragment.groupby("embryo", sort=True):
        valid = observed[members.index]
        scores = _scores(p_on[members.index][valid], published[members.index][valid])
        rows.append((name, len(members), int(members["frames"].sum()), *scores))
    by_embryo = pd.DataFrame(rows, columns=["embryo", "fragments", "frames", "auroc", "spearman"])
    means = [(name, *_mean(by_embryo[name], replicates, confidence, seed)) for name in ("auroc", "spearman")]
    return Agreement(by_embryo, pd.DataFrame(means, columns=["metric", "estimate", "low", "high"]))


def _scores(p_on: Array, published: Array) -> tuple[float, float]:
    on = published >= ON
    auroc = float(roc_auc_score(on, p_on)) if on.any() and not on.all() else np.nan
    return auroc, float(stats.spearmanr(p_on, published).statistic)


def _mean(values: pd.Series, replicates: int, confidence: float, seed: int) -> tuple[float, float, float]:
    known = values.dropna().to_numpy()
    draws = resample_counts(known.size, replicates, seed)
    found = interval(mean_metric(np.arange(known.size), known), draws, confidence)
    return float(found.estimate), float(found.low), float(found.high)
