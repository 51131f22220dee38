"""Sweep the contact regularisation and the calibration of the likelihood -> best_params.yaml, trials.csv."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from contactlens.base.files import read_json, write_aside
from contactlens.calibration import mace, pit, quantile_levels
from contactlens.ops.params import Params, apply_best, load_params, swept_values
from contactlens.ops.runs.provenance import code_hash, dvc_hash, provenance
from contactlens.ops.stage import stage
from contactlens.ops.sweep.run import SweepTracking, run_sweep
from contactlens.tracks.data.batch import TrackBatch
from contactlens.tracks.data.dataset import batch_of
from contactlens.tracks.data.track_set import TrackSet
from contactlens.tracks.models import TrackModel
from contactlens.tracks.models.tasks import model_input
from contactlens.tracks.training.fit import predict
from contactlens.tracks.training.training import spec_of, train_model

DATA = "data/tracks"
SPLITS = "models/tracks/splits.json"
INPUTS = [DATA, SPLITS]


def train_trial(values: dict[str, Any], data: Any, report: Any, folder: Path) -> dict[str, float]:
    """One trial: params.yaml with the trial's values, trained on one thread, scored on the validation split."""
    params, tracks, train, validation = data
    chosen = apply_best(params.tracks, values)
    budget = params.tracks.sweep
    config = chosen.training.with_fit(max_epochs=budget.max_epochs, threads=budget.cpus_per_trial)
    trained = train_model(
        spec_of(config, tracks, train), config, train, validation, params.seed, folder / "state.pt", report
    )
    best = trained.result.history[trained.result.best_epoch]
    return {
        "epochs": len(trained.result.history),
        "radius": trained.model.contact_radius,
        "validation_nll": best["validation_nll"],
        "validation_crps": best["validation_crps"],
        **calibration_error(trained.model, validation, config.fit.batch_size),
    }


def calibration_error(model: TrackModel, validation: TrackBatch, batch_size: int) -> dict[str, float]:
    """MACE of a predicted signal; nothing for a predicted state."""
    if model.task.target == "state":
        return {}
    mean, sd = predict(model, model_input(model.task, validation), validation.observed, batch_size)
    seen = validation.observed.numpy()
    pits = pit(validation.signal.numpy()[seen], mean[seen], sd[seen])
    return {"validation_mace": mace(pits, quantile_levels(99))}


def sweep(params: Params) -> None:
    tracks, splits = TrackSet.read(DATA), read_json(SPLITS)
    train, validation = batch_of(tracks, splits["train"]), batch_of(tracks, splits["validation"])
    bare = replace(tracks, frames=tracks.frames.iloc[:0], truth=None)  # the trials need its units, not its rows
    identity = [
        dvc_hash(DATA),
        dvc_hash(SPLITS),
        code_hash("tracks", "calibration", "base", "ops"),
        repr(params.tracks.training),
    ]
    result = run_sweep(
        train_trial,
        (params, bare, train, validation),
        params.tracks.search,
        swept_values(params.tracks),
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
    stage(main, lambda params: params.tracks.training.with_fit(threads=params.tracks.sweep.cpus_per_trial).fit)
