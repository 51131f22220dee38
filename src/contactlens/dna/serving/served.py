"""The classifier of windows as the registry serves it: a table of sequences in, a table of probabilities out.

MLflow keeps this file as the model's code, beside the package, and runs it to load the model: nothing is pickled.
"""

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from contactlens.base.errors import InputError
from contactlens.dna.data.window_set import WindowSet
from contactlens.dna.serving.model import WindowsModel
from contactlens.dna.serving.sequence_table import input_columns, sequence_table

if TYPE_CHECKING:
    from mlflow.models.model import ModelInfo

# What this file and all that it imports need.
PACKAGES = ("torch", "numpy", "pandas", "pyarrow", "scipy", "scikit-learn", "numba", "safetensors", "pydantic")


def log_served_classifier(classifier: Path, beside: list[Path], windows: WindowSet) -> "ModelInfo":
    """Log the model to the active run, with the package that it needs, and give MLflow's description of it.

    classifier: the folder of `save_classifier`
    beside: recalibration.json, serving.json and method_checks.csv, wherever they lie
    windows: of the classifier's task; the first two become the example of its input
    """
    import mlflow.pyfunc
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    kinds = {name: "string" if name == "sequence" else "long" for name in input_columns(windows.task)}
    return mlflow.pyfunc.log_model(
        name="model",
        python_model=__file__,
        artifacts={path.stem: str(path) for path in (classifier, *beside)},
        code_paths=[str(Path(__file__).parents[2])],
        signature=ModelSignature(
            inputs=Schema([ColSpec(kind, name) for name, kind in kinds.items()]),
            outputs=Schema([ColSpec("double", name) for name in ("logit", "probability")]),
        ),
        input_example=sequence_table(windows.select(windows.windows["window_id"].tolist()[:2])),
        pip_requirements=[f"{name}=={version(name).split('+')[0]}" for name in PACKAGES],
    )


def mlflow_model() -> Any:
    """`WindowsModel` behind MLflow's interface."""
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
    from mlflow.pyfunc import PythonModel

    class Model(PythonModel):
        def load_context(self, context: Any) -> None:
            self.model = WindowsModel.read(context.artifacts["classifier"])

        def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> pd.DataFrame:
            try:
                return self.model.predict(model_input)
            except InputError as error:
                raise MlflowException(str(error), error_code=INVALID_PARAMETER_VALUE) from None

    return Model()


# As the model's code this file runs under a name of MLflow's making; imported, it must do without MLflow.
if __name__ != "contactlens.dna.serving.served":
    from mlflow.models import set_model

    set_model(mlflow_model())
