"""Sweep the contact regularisation and the calibration of the likelihood -> best_params.yaml, trials.csv."""

from dataclasses import replace
from pathlib import Path

import yaml

from contactlens.base.files import read_json, write_aside
from contactlens.ops.params import Params, TracksParams, load_params
from contactlens.ops.runs.provenance import code_hash, dvc_hash, provenance
from contactlens.ops.stage import stage
from contactlens.ops.sweep.run import SweepTracking, run_sweep
from contactlens.tracks.data.dataset import batch_of
from contactlens.tracks.data.track_set import TrackSet
from contactlens.tracks.training.config import TrainingConfig
from contactlens.tracks.training.trial import TrialData, train_trial

DATA = "data/tracks"
SPLITS = "models/tracks/splits.json"
INPUTS = [DATA, SPLITS]


def of_trial(tracks: TracksParams) -> TrainingConfig:
    """The training of params.yaml within the budget of one trial."""
    return tracks.training.with_fit(max_epochs=tracks.sweep.max_epochs, threads=tracks.sweep.cpus_per_trial)


def sweep(params: Params) -> None:
    tracks, splits = TrackSet.read(DATA), read_json(SPLITS)
    bare = replace(tracks, frames=tracks.frames.iloc[:0], truth=None)  # the trials need its units, not its rows
    train, validation = batch_of(tracks, splits["train"]), batch_of(tracks, splits["validation"])
    code = code_hash("tracks", "training", "calibration", "base", "ops")
    identity = [dvc_hash(DATA), dvc_hash(SPLITS), code, repr(params.tracks.training)]
    result = run_sweep(
        train_trial,
        TrialData(of_trial(params.tracks), bare, train, validation, params.seed),
        params.tracks.search,
        params.seed,
        states=Path(".sweeps"),
        identity=identity,
        tracking=SweepTracking("tracks", params.tracks, provenance(params.seed, INPUTS)),
    )
    with write_aside("reports/tracks/trials.csv") as aside:
        result.trials.to_csv(aside, index=False)
    with write_aside("models/tracks/best_params.yaml") as aside:
        aside.write_text(yaml.safe_dump(result.best, sort_keys=True))


def main() -> None:
    sweep(load_params())


if __name__ == "__main__":
    stage(main, lambda params: of_trial(params.tracks).fit)
