"""A small network trained for two epochs, saved as the pipeline saves it, and tracks that it has not seen."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from contactlens.base.files import write_json
from contactlens.calibration import Recalibration, RecalibrationConfig
from contactlens.ops.params import load_params
from contactlens.tracks.data.dataset import batch_of
from contactlens.tracks.data.track_set import TrackSet
from contactlens.tracks.models.checkpoint import load_model, save_model
from contactlens.tracks.models.tasks import model_input
from contactlens.tracks.serving.description import Description
from contactlens.tracks.serving.model import TracksModel
from contactlens.tracks.serving.served import log_served_model
from contactlens.tracks.simulation.simulate import SimulationConfig, simulate
from contactlens.tracks.training.fit import predict
from contactlens.tracks.training.training import spec_of, train_model

PARAMS = Path(__file__).parents[3] / "params.yaml"
FILES = ("model.safetensors", "recalibration.json", "serving.json")
METRICS = {"nll": {"estimate": 2.5, "low": 2.4, "high": 2.6}}


class Served(NamedTuple):
    """folder: with the files of a model; tracks: 24, of which 8 trained it; new: 5 more."""

    folder: Path
    tracks: TrackSet
    new: TrackSet

    @property
    def model(self) -> TracksModel:
        return TracksModel.read(self.folder)


def tracks_named(tracks: TrackSet, ids: list[str]) -> TrackSet:
    frames = tracks.frames[tracks.frames["track_id"].isin(ids)].reset_index(drop=True)
    return replace(tracks, frames=frames, truth=None)


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Served:
    folder = tmp_path_factory.mktemp("served")
    params = load_params(PARAMS)
    tracks = simulate(SimulationConfig(n_tracks=24, n_frames=61), seed=1)
    ids = tracks.frames["track_id"].unique().tolist()
    train, validation, calibration = (batch_of(tracks, part) for part in (ids[:8], ids[8:12], ids[12:]))
    config = params.tracks.training.with_fit(max_epochs=2, threads=1, device="cpu")
    spec = spec_of(config, tracks, train)
    save_model(train_model(spec, config, train, validation, 1).model, spec, folder / "model.safetensors")
    network, _ = load_model(folder / "model.safetensors")
    mean, sd = predict(network, model_input(network.task, calibration), calibration.observed, 16)
    seen = calibration.observed.numpy()
    y = calibration.signal.numpy()[seen].astype(np.float64)
    recalibration = Recalibration.fit(y, mean[seen], sd[seen], RecalibrationConfig(5, 3, 20))
    write_json(folder / "recalibration.json", recalibration.to_json())
    described = Description.of(
        network,
        tracks,
        ids[:8],
        evaluated="network_recalibrated",
        metrics=METRICS,
        limits=params.tracks.checks,
        explain=params.tracks.explain,
        seed=params.seed,
    )
    described.write(folder / "serving.json")
    new = simulate(SimulationConfig(n_tracks=5, n_frames=61), seed=2)
    return Served(folder, tracks, replace(new, truth=None))


@pytest.fixture(scope="session")
def logged(served: Served, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model's folder as a registry hands it out; the files that it was made of are gone."""
    mlflow = pytest.importorskip("mlflow")
    folder = tmp_path_factory.mktemp("logged")
    made = folder / "made"
    made.mkdir()
    for name in FILES:
        shutil.copyfile(served.folder / name, made / name)
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    with mlflow.start_run(experiment_id=mlflow.create_experiment("served", (folder / "kept").as_uri())):
        info = log_served_model([made / name for name in FILES], served.tracks)
    fetched = Path(mlflow.artifacts.download_artifacts(info.model_uri, dst_path=str(folder / "fetched")))
    mlflow.set_tracking_uri(before)
    shutil.rmtree(made)
    return fetched
