"""A trained classifier of windows, on new windows: probabilities and explanations as tables."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from contactlens.base.errors import InputError
from contactlens.base.files import read_json
from contactlens.calibration.classification import Platt
from contactlens.dna.data.batch import batch_of
from contactlens.dna.data.window_set import Task, WindowSet
from contactlens.dna.models.classifier import DESCRIPTION, WindowClassifier, load_classifier
from contactlens.dna.serving.served import ServedClassifier, input_columns, served_table

CLASSIFIER, RECALIBRATION = "classifier", "recalibration.json"
METHOD, ROWS_PER_PASS = "lrp", 8
PLACES = ["window_id", "chrom", "win_start", "win_end"]


@dataclass(frozen=True)
class WindowsInfo:
    """task: `pair` (an enhancer and a promoter in each window) or `region`; columns: of a table to predict"""

    task: Task
    columns: list[str]


class WindowsModel:
    """A classifier with the recalibration that it was evaluated with."""

    def __init__(self, classifier: WindowClassifier, recalibration: Platt) -> None:
        self.served = ServedClassifier(classifier, recalibration)

    @classmethod
    def read(cls, folder: Path | str) -> "WindowsModel":
        """From a folder with classifier/ and recalibration.json, such as models/dna, or from its classifier/.

        Raises InputError where a file is missing or damaged.
        """
        folder = Path(folder)
        classifier = folder if (folder / DESCRIPTION).is_file() else folder / CLASSIFIER
        recalibration = classifier.with_name(RECALIBRATION)
        if not recalibration.is_file():
            raise InputError(f"{recalibration}: no such file; the classifier was evaluated with its recalibration")
        return cls(load_classifier(classifier), Platt.from_json(read_json(recalibration)))

    @property
    def info(self) -> WindowsInfo:
        task = self.served.model.task
        return WindowsInfo(task, input_columns(task))

    def predict(self, windows: WindowSet | pd.DataFrame) -> pd.DataFrame:
        """A row for each window: of a window set window_id, chrom, win_start, win_end, then logit and probability.

        windows: a window set; or a table with `info.columns`: `sequence`, for pairs also the elements' places in it

        One classifier can't tell how unsure it is of itself, so there is no epistemic part.
        Raises InputError where the windows are of another task, or a row has no sequence, or no element in it.
        """
        if isinstance(windows, pd.DataFrame):
            return self.served.predict(windows)
        self._require_task(windows)
        places = windows.windows[PLACES].reset_index(drop=True)
        return places.join(self.served.predict(served_table(windows)))

    def explain(self, windows: WindowSet, method: str = METHOD, *, ig_steps: int = 32) -> pd.DataFrame:
        """Contributions of each base to the logit, before recalibration: a row a base with window_id, chrom, position
        (0-based), base, contribution and hypothetical_A to _T, what each base would contribute in its place.

        method: one of those of `contactlens dna attribute`; ig_steps: nodes of those along a path

        Raises InputError for an unknown method, and where the windows are of another task.
        """
        from contactlens.dna.explanation.methods import METHODS, AttributionSettings, attribute

        self._require_task(windows)
        if method not in METHODS:
            raise InputError(f"no attribution method {method!r}; there are {', '.join(METHODS)}")
        settings, batch = AttributionSettings(ig_steps, ROWS_PER_PASS), batch_of(windows)
        values = attribute(self.served.model, batch.ids, batch.regions, method, settings)  # (N, L, 4)
        table = windows.windows
        L = values.shape[1]
        bases = np.array([list(sequence.upper()) for sequence in windows.sequences()])  # (N, L)
        found = pd.DataFrame(
            {
                "window_id": np.repeat(table["window_id"].to_numpy(), L),
                "chrom": np.repeat(table["chrom"].to_numpy(), L),
                "position": (table["win_start"].to_numpy()[:, None] + np.arange(L)).ravel(),
                "base": bases.ravel(),
            }
        )
        own = np.stack([np.where(bases == base, values[..., i], 0.0) for i, base in enumerate("ACGT")]).sum(axis=0)
        columns = {f"hypothetical_{base}": values[..., i].ravel() for i, base in enumerate("ACGT")}
        return found.assign(contribution=own.ravel(), **columns)

    def _require_task(self, windows: WindowSet) -> None:
        if windows.task != self.info.task:
            raise InputError(f"{windows.source}: windows of task {windows.task}, but the model's is {self.info.task}")
