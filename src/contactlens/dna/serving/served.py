"""The classifier of windows as the registry serves it: a table of sequences in, a table of probabilities out.

MLflow keeps this file as the model's code, beside the package, and runs it to load the model: nothing is pickled.
"""

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.special import expit

from contactlens.base.errors import InputError
from contactlens.base.files import read_json
from contactlens.calibration.classification import Platt
from contactlens.dna.data.batch import ELEMENT_BOUNDS, REGIONS, WindowBatch, batch_of
from contactlens.dna.data.genome import Genome
from contactlens.dna.data.window_set import Task, WindowSet
from contactlens.dna.models.classifier import WindowClassifier, load_classifier
from contactlens.dna.training.fit import predict

if TYPE_CHECKING:
    from mlflow.models.model import ModelInfo

BATCH_SIZE = 16
# What this file and all that it imports need.
PACKAGES = ("torch", "numpy", "pandas", "pyarrow", "scipy", "scikit-learn", "numba", "safetensors")


def input_columns(task: Task) -> list[str]:
    """Columns of the table that is served: `sequence`, for pairs also the elements' places in it."""
    return ["sequence", *(column for place in _places(task) for column in place)]


def _places(task: Task) -> list[tuple[str, str]]:
    return [ELEMENT_BOUNDS[region] for region in REGIONS[task] if region in ELEMENT_BOUNDS]


def served_table(windows: WindowSet) -> pd.DataFrame:
    """The windows as the served model takes them."""
    columns = input_columns(windows.task)
    return windows.windows.assign(sequence=windows.sequences())[columns].reset_index(drop=True)


class ServedClassifier:
    """A classifier with its recalibration, on the CPU."""

    def __init__(self, model: WindowClassifier, recalibration: Platt) -> None:
        self.model, self.recalibration = model, recalibration

    @classmethod
    def read(cls, classifier: Path | str, recalibration: Path | str) -> "ServedClassifier":
        """From the folder of `save_classifier` and recalibration.json."""
        return cls(load_classifier(classifier), Platt.from_json(read_json(recalibration)))

    def predict(self, table: pd.DataFrame) -> pd.DataFrame:
        """`logit`, and `probability` after recalibration, for each row.

        table: `sequence`, of any length and either case; for pairs also enh_rel_start, enh_rel_end, prom_rel_start,
            prom_rel_end, 0-based and half-open from the sequence's first base
        Raises InputError, with the rows, for an empty sequence and an element that does not lie inside its own.
        """
        length = table["sequence"].str.len().to_numpy(dtype=np.float64, na_value=0)
        _refuse(length == 0, "no sequence")
        for first, last in _places(self.model.task):
            start, end = table[first].to_numpy(), table[last].to_numpy()
            inside = (start >= 0) & (start < end) & (end <= length)
            _refuse(~inside, f"{first} to {last} is empty, or not inside of the sequence")
        logit = np.empty(len(table))
        for one in np.unique(length):
            rows = np.flatnonzero(length == one)
            logit[rows] = predict(self.model, self._batch(table.iloc[rows]), BATCH_SIZE)
        return pd.DataFrame({"logit": logit, "probability": expit(self.recalibration(logit))}, index=table.index)

    def _batch(self, table: pd.DataFrame) -> WindowBatch:
        """Rows of one length, each a record of its own."""
        records = {str(row): sequence for row, sequence in enumerate(table["sequence"])}
        names, length = list(records), len(records["0"])
        windows = table.reset_index(drop=True).assign(
            window_id=names, record=names, chrom="", win_start=0, win_end=length, record_start=0, label=0
        )
        return batch_of(WindowSet(self.model.task, windows, Genome.of(records), "table", {}, None))


def _refuse(wrong: np.ndarray, why: str) -> None:
    if wrong.any():
        rows = ", ".join(str(row) for row in np.flatnonzero(wrong)[:5])
        raise InputError(f"rows {rows} ({int(wrong.sum())} of {wrong.size}): {why}")


def log_served_classifier(classifier: Path, recalibration: Path, windows: WindowSet) -> "ModelInfo":
    """Log the model to the active run, with the package that it needs, and give MLflow's description of it.

    windows: of the classifier's task; the first two become the example of its input.
    """
    import mlflow.pyfunc
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    kinds = {name: "string" if name == "sequence" else "long" for name in input_columns(windows.task)}
    return mlflow.pyfunc.log_model(
        name="model",
        python_model=__file__,
        artifacts={"classifier": str(classifier), "recalibration": str(recalibration)},
        code_paths=[str(Path(__file__).parents[2])],
        signature=ModelSignature(
            inputs=Schema([ColSpec(kind, name) for name, kind in kinds.items()]),
            outputs=Schema([ColSpec("double", name) for name in ("logit", "probability")]),
        ),
        input_example=served_table(windows.select(windows.windows["window_id"].tolist()[:2])),
        pip_requirements=[f"{name}=={version(name).split('+')[0]}" for name in PACKAGES],
    )


def mlflow_model() -> Any:
    """`ServedClassifier` behind MLflow's interface."""
    from mlflow.pyfunc import PythonModel

    class Model(PythonModel):
        def load_context(self, context: Any) -> None:
            self.served = ServedClassifier.read(context.artifacts["classifier"], context.artifacts["recalibration"])

        def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> pd.DataFrame:
            return self.served.predict(model_input)

    return Model()


# As the model's code this file runs under a name of MLflow's making; imported, it must do without MLflow.
if __name__ != "contactlens.dna.serving.served":
    from mlflow.models import set_model

    set_model(mlflow_model())
