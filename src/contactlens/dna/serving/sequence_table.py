"""Windows as a table of sequences, and what a classifier says of each row."""

import numpy as np
import pandas as pd
from scipy.special import expit

from contactlens.base.errors import InputError
from contactlens.calibration.classification import Platt
from contactlens.dna.data.batch import ELEMENT_BOUNDS, REGIONS, WindowBatch, batch_of
from contactlens.dna.data.genome import Genome
from contactlens.dna.data.names import Task
from contactlens.dna.data.window_set import WindowSet
from contactlens.dna.models.classifier import WindowClassifier
from contactlens.dna.training.fit import predict

BATCH_SIZE = 16


def input_columns(task: Task) -> list[str]:
    """Columns of the table: `sequence`, for pairs also the elements' places in it."""
    return ["sequence", *(column for place in _places(task) for column in place)]


def _places(task: Task) -> list[tuple[str, str]]:
    return [ELEMENT_BOUNDS[region] for region in REGIONS[task] if region in ELEMENT_BOUNDS]


def sequence_table(windows: WindowSet) -> pd.DataFrame:
    """The windows as a model takes them without their genome."""
    columns = input_columns(windows.task)
    return windows.windows.assign(sequence=windows.sequences())[columns].reset_index(drop=True)


def predict_table(model: WindowClassifier, recalibration: Platt, table: pd.DataFrame) -> pd.DataFrame:
    """`logit`, and `probability` after recalibration, for each row; on the CPU.

    table: `sequence`, of any length and either case; for pairs also enh_rel_start, enh_rel_end, prom_rel_start,
        prom_rel_end, 0-based and half-open from the sequence's first base

    Raises InputError, with the rows, for an empty sequence and an element that does not lie inside its own; and where
    a column is missing.
    """
    missing = [name for name in input_columns(model.task) if name not in table]
    if missing:
        named = ", ".join(map(repr, missing))
        raise InputError(f"table: no column {named}; it has {', '.join(map(str, table.columns))}")
    length = lengths_of(table)
    refuse_rows(length == 0, "no sequence")
    for first, last in _places(model.task):
        start, end = table[first].to_numpy(), table[last].to_numpy()
        inside = (start >= 0) & (start < end) & (end <= length)
        refuse_rows(~inside, f"{first} to {last} is empty, or not inside of the sequence")
    logit = np.empty(len(table))
    for one in np.unique(length):
        rows = np.flatnonzero(length == one)
        logit[rows] = predict(model, _batch(table.iloc[rows], model.task), BATCH_SIZE)
    return pd.DataFrame({"logit": logit, "probability": expit(recalibration(logit))}, index=table.index)


def lengths_of(table: pd.DataFrame) -> np.ndarray:
    """Bases of each row's sequence (N,) float64; 0 where there is none."""
    return table["sequence"].str.len().to_numpy(dtype=np.float64, na_value=0)


def _batch(table: pd.DataFrame, task: Task) -> WindowBatch:
    """Rows of one length, each a record of its own."""
    records = {str(row): sequence for row, sequence in enumerate(table["sequence"])}
    names, length = list(records), len(records["0"])
    windows = table.reset_index(drop=True).assign(
        window_id=names, record=names, chrom="", win_start=0, win_end=length, record_start=0, label=0
    )
    return batch_of(WindowSet(task, windows, Genome.of(records), "table", {}, None))


def refuse_rows(wrong: np.ndarray, why: str) -> None:
    if wrong.any():
        rows = ", ".join(str(row) for row in np.flatnonzero(wrong)[:5])
        raise InputError(f"rows {rows} ({int(wrong.sum())} of {wrong.size}): {why}")
