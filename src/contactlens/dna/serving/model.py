"""A trained classifier of windows, on new windows: probabilities and explanations as tables."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from contactlens.base.errors import InputError
from contactlens.base.files import read_json
from contactlens.calibration.classification import Platt
from contactlens.dna.data.window_set import Task, WindowSet
from contactlens.dna.models.classifier import DESCRIPTION, WindowClassifier, load_classifier
from contactlens.dna.serving.served import ServedClassifier, input_columns, served_table

CLASSIFIER, RECALIBRATION = "classifier", "recalibration.json"
PLACES = ["window_id", "chrom", "win_start", "win_end"]


@dataclass(frozen=True)
class WindowsInfo:
    """task: `pair` (an enhancer and a promoter in each window) or `region`; columns: of a table to predict"""

    task: Task
    columns: list[str]


class WindowsModel:
    """A classifier with the recalibration that it was judged with."""

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
            raise InputError(f"{recalibration}: no such file; the classifier was judged with its recalibration")
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
        if windows.task != self.info.task:
            raise InputError(f"{windows.source}: windows of task {windows.task}, but the model's is {self.info.task}")
        places = windows.windows[PLACES].reset_index(drop=True)
        return places.join(self.served.predict(served_table(windows)))
