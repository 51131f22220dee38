"""A small network and a small ensemble trained for two epochs, saved as the pipeline saves them, and new tracks."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from contactlens.base.files import write_json
from contactlens.calibration.config import RecalibrationConfig
from contactlens.calibration.normal_scores import recalibration_fitted
from contactlens.ops.params import load_params
from contactlens.tracks.data.dataset import batch_of
from contactlens.tracks.data.track_set import TrackSet
from contactlens.tracks.models.checkpoint import load_model, save_model
from contactlens.tracks.models.ensemble import load_ensemble, save_ensemble
from contactlens.tracks.models.tasks import model_input
from contactlens.tracks.serving.description import Description
from contactlens.tracks.serving.model import TracksModel
from contactlens.tracks.simulation.simulate import SimulationConfig, simulate
from contactlens.tracks.training.predictive import predict_signal
from contactlens.tracks.training.training import spec_of, train_model

PARAMS = Path(__file__).parents[2] / "params.yaml"
WEIGHTS, RECALIBRATION, DESCRIPTION = "model.safetensors", "recalibration.json", "serving.json"
HEADS = {"network_recalibrated": "gaussian", "ensemble": "mixture", "ensemble_recalibrated": "mixture"}
ENSEMBLES = ("ensemble", "ensemble_recalibrated")
of_an_ensemble = pytest.mark.parametrize(
    "served",
    ["ensemble", pytest.param("network_recalibrated", marks=pytest.mark.slow)],
    indirect=True,
    scope="session",
)
METRICS = {"nll": {"estimate": 2.5, "low": 2.4, "high": 2.6}}


class Served(NamedTuple):
    """folder: with the files of a model; tracks: 24, of which 8 trained it; new: 5 more."""

    folder: Path
    tracks: TrackSet
    new: TrackSet
    form: str

    @property
    def files(self) -> list[Path]:
        """As they are logged, the weights first."""
        return sorted(self.folder.iterdir(), key=lambda path: path.name != WEIGHTS)

    @property
    def model(self) -> TracksModel:
        return TracksModel.read(self.folder)


def tracks_named(tracks: TrackSet, ids: list[str]) -> TrackSet:
    frames = tracks.frames[tracks.frames["track_id"].isin(ids)].reset_index(drop=True)
    return replace(tracks, frames=frames, truth=None)


def copied(served: Served, folder: Path) -> list[Path]:
    """The model's files in another folder."""
    for path in served.files:
        (shutil.copytree if path.is_dir() else shutil.copyfile)(path, folder / path.name)
    return [folder / path.name for path in served.files]


def made(form: str, folder: Path) -> Served:
    """A network's and, of an ensemble, two seeds' files in the folder."""
    params = load_params(PARAMS)
    tracks = simulate(SimulationConfig(n_tracks=24, n_frames=61), seed=1)
    ids = tracks.frames["track_id"].unique().tolist()
    train, validation, calibration = (batch_of(tracks, part) for part in (ids[:8], ids[8:12], ids[12:]))
    config = params.tracks.training.with_fit(max_epochs=2, threads=1, device="cpu")
    config = replace(config, model=replace(config.model, head=replace(config.model.head, name=HEADS[form])))
    spec = spec_of(config, tracks, train)
    members = [train_model(spec, config, train, validation, seed).model for seed in (1, 2)[: 1 + (form in ENSEMBLES)]]
    save_model(members[0], spec, folder / WEIGHTS)
    if form in ENSEMBLES:
        save_ensemble(members, spec, folder / "ensemble")
    network, _ = load_model(folder / WEIGHTS)
    model = load_ensemble(folder / "ensemble")[0] if form in ENSEMBLES else network
    before = predict_signal(model, model_input(network.task, calibration), calibration.observed, 16)
    y = calibration.signal.numpy()[calibration.observed.numpy()].astype(np.float64)
    recalibration = recalibration_fitted(y, before, RecalibrationConfig(5, 3, 20))
    write_json(folder / RECALIBRATION, recalibration.to_json())
    described = Description.of(
        network,
        tracks,
        ids[:8],
        evaluated=form,
        metrics=METRICS,
        limits=params.tracks.checks,
        explain=replace(params.tracks.explain, ig_steps=48),  # a little-trained network bends more on the way
        seed=params.seed,
    )
    described.write(folder / DESCRIPTION)
    new = simulate(SimulationConfig(n_tracks=5, n_frames=61), seed=2)
    return Served(folder, tracks, replace(new, truth=None), form)
