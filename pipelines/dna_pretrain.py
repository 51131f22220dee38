"""Pre-train a small backbone on the training chromosomes with the sweep's best values, or take one that is not, or a
checkpoint -> models/dna/pretrained.
"""

from functools import partial
from pathlib import Path

import pandas as pd
import torch

from contactlens.base.files import read_json, write_aside
from contactlens.base.torch_setup import seed_everything
from contactlens.dna.data.window_set import WindowSet
from contactlens.dna.models.backbone import load_backbone, new_backbone, save_backbone
from contactlens.dna.models.config import PRETRAIN, RANDOM
from contactlens.dna.training.pretrain import context_loss, pretrain
from contactlens.ops.params import DnaParams, apply_best_pretraining, load_params
from contactlens.ops.params.strict import read_yaml
from contactlens.ops.ray_training import run_training
from contactlens.ops.runs.provenance import provenance
from contactlens.ops.runs.tracking import stage_run
from contactlens.ops.stage import stage
from contactlens.training.state import kept_until_done

INPUTS = [
    *("data/dna", "models/dna/splits.json", "data/import_dna", "reports/dna/validation.json"),
    "models/dna/best_pretraining.yaml",
]
MODEL, REPORTS = "models/dna/pretrained", Path("reports/dna")
CHECKPOINTS = ".checkpoints/pretrain"  # one an epoch while the stage is unfinished
HISTORY = ["epoch", "train_loss", "validation_loss", "validation_perplexity", "validation_accuracy"]
FLANKS = (0, 1, 2, 3, 4, 5)  # bases on either side that the baselines see


def train(params: DnaParams, seed: int, checkpoints: Path) -> None:
    windows, splits = WindowSet.read(INPUTS[0]), read_json(INPUTS[1])
    sequences, held_out = (windows.select(splits[name]).records() for name in ("train", "validation"))
    config = apply_best_pretraining(params, read_yaml(INPUTS[4]), INPUTS[4]).pretrain
    seed_everything(seed, config.trainer.threads)
    with stage_run("pretrain", config, provenance(seed, INPUTS), "dna") as run:
        log = run.epoch_logger()
        job = partial(pretrain, sequences, held_out, params.backbone.network, config, seed, scored=params.pretrain)
        done = run_training(job, config, seed, checkpoints, log, "dna.pretrain.workers")
        log.flush()
    save_backbone(done.model, MODEL)
    losses = {f"{2 * n}_bases_of_context": context_loss(sequences, held_out, n) for n in FLANKS}
    write(done.training.history, {"network": done.training.best_score, **losses})


def write(history: list[dict[str, float]], losses: dict[str, float]) -> None:
    """Both tables, with their columns even where a checkpoint was taken and nothing trained."""
    tables = {
        "pretrain_history": pd.DataFrame(history, columns=HISTORY),
        "pretrain_loss": pd.DataFrame(losses.items(), columns=["model", "loss"]),
    }
    for name, table in tables.items():
        with write_aside(REPORTS / f"{name}.csv") as aside:
            table.to_csv(aside, index=False)


def main() -> None:
    params = load_params()
    if params.dna.backbone.source == PRETRAIN:
        with kept_until_done(CHECKPOINTS) as checkpoints:
            train(params.dna, params.seed, checkpoints)
        return
    if params.dna.backbone.source == RANDOM:
        torch.manual_seed(params.seed)
        model = new_backbone(params.dna.backbone.network)
    else:
        model = load_backbone(params.dna.backbone.source)
    save_backbone(model, MODEL)
    write([], {})


if __name__ == "__main__":
    stage(main, lambda params: params.dna.pretrain.trainer)
