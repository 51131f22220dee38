"""What travels beside a classifier's weights: how it was evaluated, and what it was trained on."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from pydantic import TypeAdapter

from contactlens.base.errors import InputError
from contactlens.base.files import read_json, require_file, write_json
from contactlens.dna.data.config import CheckLimits
from contactlens.dna.data.window_set import WindowSet
from contactlens.expectations.drift import Quantity, drift_table

FILE = "serving.json"
MOST_HELD_OUT = 2000  # windows drawn to say how far held-out ones are from the training set
Array = np.ndarray
Interval = dict[str, float | None]


@dataclass(frozen=True)
class TrainingWindows:
    """source: of the window set; window_bp: bases of every window; windows, chromosomes: in the training split;
    held_out: windows in the others"""

    source: str
    window_bp: int
    windows: int
    chromosomes: int
    held_out: int
    quantities: list[Quantity]

    @classmethod
    def of(cls, windows: WindowSet, train: Sequence[str], seed: int) -> "TrainingWindows":
        """The named windows of a set, with the rest of it held out."""
        inside = windows.windows["window_id"].isin(train).to_numpy()
        held_out = np.flatnonzero(~inside)
        if held_out.size > MOST_HELD_OUT:
            held_out = np.sort(np.random.default_rng(seed).choice(held_out, MOST_HELD_OUT, replace=False))
        quantities = [
            Quantity.of(name, unit, [values[inside]], list(values[held_out][:, None]), seed)
            for (name, unit), values in _per_window(windows).items()
        ]
        return cls(
            source=windows.source,
            window_bp=windows.length,
            windows=int(inside.sum()),
            chromosomes=int(windows.windows.loc[inside, "chrom"].nunique()),
            held_out=int((~inside).sum()),
            quantities=quantities,
        )

    def drift(self, windows: WindowSet) -> pd.DataFrame:
        """New windows beside the training set: see `drift_table`. No label is looked at."""
        new = {quantity: list(values[:, None]) for quantity, values in _per_window(windows).items()}
        return drift_table(self.quantities, new)


def _per_window(windows: WindowSet) -> dict[tuple[str, str], Array]:
    """A value (N,) for each window, by the name and unit of the quantity: composition, and the elements of pairs."""
    bases = windows.sequences()
    unknown = np.array([1 - sum(map(one.count, "ACGT")) / len(one) for one in bases])
    gc = np.array([(one.count("G") + one.count("C")) / max(sum(map(one.count, "ACGT")), 1) for one in bases])
    found = {("GC content", "of known bases"): gc, ("unknown bases", "of the window"): unknown}
    if windows.task == "pair":
        for name, element in (("enh", "enhancer"), ("prom", "promoter")):
            width = windows.windows[f"{name}_rel_end"] - windows.windows[f"{name}_rel_start"]
            found[f"{element} width", "bp"] = width.to_numpy(dtype=np.float64)
        found["enhancer-promoter distance", "bp"] = windows.distances()
    return found


@dataclass(frozen=True)
class Description:
    """Of a classifier as it is served.

    evaluated: row of metrics.json that the rules of promotion read
    metrics: of that row on the test split, {metric: {estimate, low, high}}
    training: what it was trained on
    limits: what was acceptable in those windows
    """

    evaluated: str
    metrics: dict[str, Interval]
    training: TrainingWindows
    limits: CheckLimits

    @classmethod
    def of(
        cls,
        windows: WindowSet,
        train: Sequence[str],
        *,
        evaluated: str,
        metrics: Mapping[str, Interval],
        limits: CheckLimits,
        seed: int,
    ) -> "Description":
        """Of a classifier that was trained on the named windows of a set; the others of the set were held out."""
        return cls(evaluated, dict(metrics), TrainingWindows.of(windows, train, seed), limits)

    def write(self, path: Path | str) -> None:
        write_json(path, asdict(self))

    @classmethod
    def read(cls, path: Path | str) -> "Description":
        """Raises InputError where the file is missing or is not what `write` writes."""
        require_file(Path(path))
        try:
            return TypeAdapter(cls).validate_json(json.dumps(read_json(path)))
        except ValueError as error:
            raise InputError(f"{path}: not the description of a served classifier ({error})") from error
