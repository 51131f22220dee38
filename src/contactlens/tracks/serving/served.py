"""The model of tracks as the registry serves it: a table of frames in, a table of what was evaluated out.

MLflow keeps this file as the model's code, beside the package, and runs it to load the model: nothing is pickled.
"""

from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import pandas as pd

from contactlens.base.errors import InputError
from contactlens.tracks.data.track_set import TrackSet
from contactlens.tracks.serving.frame_table import needed_columns
from contactlens.tracks.serving.model import WEIGHTS, TracksModel

if TYPE_CHECKING:
    from mlflow.models.model import ModelInfo

# What this file and all that it imports need.
PACKAGES = ("torch", "numpy", "pandas", "pyarrow", "scipy", "scikit-learn", "safetensors", "pydantic")
KINDS = {"track_id": "string", "frame": "long", "on": "boolean"}  # the others are double
EXAMPLE_FRAMES = 24


def served_table(model: TracksModel, tracks: TrackSet) -> pd.DataFrame:
    """The tracks as the served model takes them, in the model's units; a missing frame has no row."""
    taken = model.taken(tracks)
    return taken.frames[["track_id", "frame", *needed_columns(model.spec)]].reset_index(drop=True)


def served_prediction(model: TracksModel, tracks: Any) -> pd.DataFrame:
    """What `model` says of a table or an array of tracks (see `tracks_of`); None where a number is not known, as JSON
    has no NaN."""
    table = model.predict(tracks)
    for name in [name for name in table if table[name].isna().any()]:
        table[name] = table[name].astype(object).where(table[name].notna(), None)
    return table


def log_served_model(files: Sequence[Path], tracks: TrackSet) -> "ModelInfo":
    """Log the model to the active run, with the package that it needs, and give MLflow's description of it.

    files: model.safetensors, recalibration.json, serving.json and, where that is served, ensemble; wherever they lie
    tracks: of which the first frames of two become the example of its input
    """
    import mlflow.pyfunc

    model = TracksModel.of_files(files)
    info = model.info
    example = served_table(model, _two(tracks))
    return mlflow.pyfunc.log_model(
        name="model",
        python_model=__file__,
        artifacts={path.stem: str(path) for path in files},
        code_paths=[str(Path(__file__).parents[2])],
        signature=_signature(example, model.predict(example)),
        input_example=example,
        metadata={
            "driver": info.driver,
            "driver_unit": info.driver_unit,
            "signal_unit": info.signal_unit,
            "frame_interval_s": info.frame_interval_s,
            "evaluated": info.evaluated,
        },
        pip_requirements=[f"{name}=={version(name).split('+')[0]}" for name in PACKAGES],
    )


def _two(tracks: TrackSet) -> TrackSet:
    frames = tracks.frames[tracks.frames["track_id"].isin(tracks.frames["track_id"].unique()[:2])]
    first = frames.groupby("track_id").cumcount() < EXAMPLE_FRAMES
    return replace(tracks, frames=frames[first].reset_index(drop=True), truth=None)


def _signature(taken: pd.DataFrame, given: pd.DataFrame) -> Any:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    def schema(table: pd.DataFrame) -> Schema:
        return Schema([ColSpec(KINDS.get(name, "double"), name) for name in map(str, table)])

    return ModelSignature(inputs=schema(taken), outputs=schema(given))


def mlflow_model() -> Any:
    """`TracksModel` behind MLflow's interface."""
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
    from mlflow.pyfunc import PythonModel

    class Model(PythonModel):
        def load_context(self, context: Any) -> None:
            self.model = TracksModel.read(Path(context.artifacts["model"]).with_name(WEIGHTS))
            self.one_at_a_time = Lock()

        def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> pd.DataFrame:
            """Of a table; and, of the model without MLflow's check of columns (`unwrap_python_model()`), of an
            array. Requests that come at once wait: the networks use every core, and threads of many slow each other."""
            try:
                with self.one_at_a_time:
                    return served_prediction(self.model, model_input)
            except InputError as error:
                raise MlflowException(str(error), error_code=INVALID_PARAMETER_VALUE) from None

    return Model()


# As the model's code this file runs under a name of MLflow's making; imported, it must do without MLflow.
if __name__ != "contactlens.tracks.serving.served":
    from mlflow.models import set_model

    set_model(mlflow_model())
