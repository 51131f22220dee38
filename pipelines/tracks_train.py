"""Train with the sweep's best values from several seeds -> model.safetensors (best on validation), ensemble (all)."""

from pathlib import Path

import pandas as pd

from contactlens.base.files import read_json, write_aside
from contactlens.ops.params import apply_best, load_params
from contactlens.ops.params.strict import read_yaml
from contactlens.ops.runs.provenance import provenance
from contactlens.ops.runs.tracking import stage_run
from contactlens.ops.stage import stage
from contactlens.tracks.data.dataset import batch_of
from contactlens.tracks.data.track_set import TrackSet
from contactlens.tracks.models.checkpoint import save_model
from contactlens.tracks.models.ensemble import save_ensemble
from contactlens.tracks.training.training import best_of, members_of, spec_of, train_seeds
from contactlens.training.state import kept_until_done

INPUTS = ["data/tracks", "models/tracks/splits.json", "models/tracks/best_params.yaml"]
CHECKPOINTS = ".checkpoints/train"  # one a seed while the stage is unfinished


def main() -> None:
    with kept_until_done(CHECKPOINTS) as checkpoints:
        train_network(checkpoints)


def train_network(checkpoints: Path) -> None:
    params = load_params()
    chosen = apply_best(params.tracks, read_yaml(INPUTS[2]), INPUTS[2])
    tracks, splits = TrackSet.read(INPUTS[0]), read_json(INPUTS[1])
    train, validation = batch_of(tracks, splits["train"]), batch_of(tracks, splits["validation"])
    spec = spec_of(chosen.training, tracks, train)
    seeds = [params.seed + i for i in range(chosen.train.n_seeds)]
    with stage_run("train", chosen, provenance(params.seed, INPUTS)) as run:
        loggers = {seed: run.epoch_logger(f"seed_{seed}/") for seed in seeds}

        def on_epoch(seed: int, log: dict[str, float]) -> None:
            loggers[seed](log)

        runs = train_seeds(spec, chosen.training, train, validation, seeds, checkpoints, on_epoch)
        for logger in loggers.values():
            logger.flush()
        best = best_of(runs)
        run.log_metrics({"validation_nll": best.result.best_score, "gate_midpoint": best.model.gate_midpoint})
    save_model(best.model, spec, "models/tracks/model.safetensors")
    save_ensemble(members_of(runs, chosen.train, spec.resolved_task), spec, "models/tracks/ensemble")
    history = [{"seed": one.seed, **log} for one in runs for log in one.result.history]
    with write_aside("reports/tracks/history.csv") as aside:
        pd.DataFrame(history).astype({"epoch": int}).to_csv(aside, index=False)
    with write_aside("reports/tracks/seeds.csv") as aside:
        pd.DataFrame([one.summary() for one in runs]).to_csv(aside, index=False)


if __name__ == "__main__":
    stage(main, lambda params: params.tracks.fit)
