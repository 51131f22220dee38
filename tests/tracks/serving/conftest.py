"""A model as one network and as an ensemble, and each as the registry hands it out."""

import shutil
from pathlib import Path

import pytest
from served_model import Served, copied, made

from contactlens.tracks.serving.served import log_served_model


@pytest.fixture(scope="session", params=["network_recalibrated", "ensemble"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Served:
    return made(request.param, tmp_path_factory.mktemp("served"))


@pytest.fixture(scope="session")
def logged(served: Served, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model's folder as a registry hands it out; the files that it was made of are gone."""
    mlflow = pytest.importorskip("mlflow")
    folder = tmp_path_factory.mktemp("logged")
    gone = folder / "made"
    gone.mkdir()
    files = copied(served, gone)
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    with mlflow.start_run(experiment_id=mlflow.create_experiment("served", (folder / "kept").as_uri())):
        info = log_served_model(files, served.tracks)
    fetched = Path(mlflow.artifacts.download_artifacts(info.model_uri, dst_path=str(folder / "fetched")))
    mlflow.set_tracking_uri(before)
    shutil.rmtree(gone)
    return fetched
