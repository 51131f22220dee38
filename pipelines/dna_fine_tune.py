"""Train the head and the last layers with the sweep's best values -> models/dna/classifier, history.csv, …"""

from functools import partial
from pathlib import Path

import pandas as pd

from contactlens.base.files import read_json, write_aside
from contactlens.base.torch_setup import seed_everything
from contactlens.dna.data.batch import stored
from contactlens.dna.data.window_set import WindowSet
from contactlens.dna.evaluation.evaluate import roc_by_epoch
from contactlens.dna.models.backbone import load_backbone
from contactlens.dna.models.classifier import WindowClassifier, save_classifier
from contactlens.dna.training.fit import fine_tune
from contactlens.ops.params import apply_best, apply_best_pretraining, load_params
from contactlens.ops.params.strict import read_yaml
from contactlens.ops.ray_training import run_training
from contactlens.ops.runs.provenance import provenance
from contactlens.ops.runs.tracking import stage_run
from contactlens.ops.stage import stage
from contactlens.training.state import kept_until_done

INPUTS = [
    *("data/dna", "models/dna/splits.json", "models/dna/pretrained", "models/dna/best_params.yaml"),
    "models/dna/best_pretraining.yaml",
]
CHECKPOINTS = ".checkpoints/fine_tune"  # one an epoch while the stage is unfinished


def main() -> None:
    with kept_until_done(CHECKPOINTS) as checkpoints:
        train_classifier(checkpoints)


def train_classifier(checkpoints: Path) -> None:
    params = load_params()
    pretrained = apply_best_pretraining(params.dna, read_yaml(INPUTS[4]), INPUTS[4])
    chosen = apply_best(pretrained, read_yaml(INPUTS[3]), INPUTS[3])
    config = chosen.fine_tune
    windows, splits = WindowSet.read(INPUTS[0]), read_json(INPUTS[1])
    train, validation = (stored(windows, splits[name]) for name in ("train", "validation"))
    seed_everything(params.seed, config.trainer.threads)
    backbone = load_backbone(INPUTS[2]).backbone
    model = WindowClassifier(backbone, windows.task, chosen.head, chosen.context_bp)
    with stage_run("fine_tune", chosen, provenance(params.seed, INPUTS), "dna") as run:
        log = run.epoch_logger()
        tune = partial(fine_tune, model, train, validation, config, params.seed)
        done = run_training(tune, config, params.seed, checkpoints, log, "dna.fine_tune.workers")
        log.flush()
    done.model.window_bp = windows.length
    save_classifier(done.model, "models/dna/classifier")
    tables = {
        "history": pd.DataFrame(done.training.history),
        "roc_per_epoch": roc_by_epoch(windows.select(validation.window_ids), done.validation_logits),
    }
    for name, table in tables.items():
        with write_aside(f"reports/dna/{name}.csv") as aside:
            table.to_csv(aside, index=False)


if __name__ == "__main__":
    stage(main, lambda params: params.dna.fine_tune.trainer)
