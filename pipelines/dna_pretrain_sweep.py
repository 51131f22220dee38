"""Sweep the pre-training on the training chromosomes -> models/dna/best_pretraining.yaml, pretraining_trials.csv."""

from pathlib import Path

import pandas as pd
import yaml

from contactlens.base.files import read_json, write_aside
from contactlens.dna.data.window_set import WindowSet
from contactlens.dna.models.config import PRETRAIN
from contactlens.dna.training.pretraining_sweep import of_trial
from contactlens.dna.training.pretraining_trial import PretrainingTrialData, pretrain_trial
from contactlens.ops.params import Params, load_params
from contactlens.ops.runs.provenance import code_hash, dvc_hash, provenance
from contactlens.ops.stage import stage
from contactlens.ops.sweep.run import SweepResult, SweepTracking, run_sweep
from contactlens.training.search import Values

INPUTS = ["data/dna", "models/dna/splits.json", "reports/dna/validation.json"]
STATES = Path(".sweeps")


def sweep(params: Params) -> SweepResult:
    dna, windows, splits = params.dna, WindowSet.read(INPUTS[0]), read_json(INPUTS[1])
    train, validation = (windows.select(splits[name]).records() for name in ("train", "validation"))
    pretrain = of_trial(dna.pretrain, dna.pretrain_sweep)
    return run_sweep(
        pretrain_trial,
        PretrainingTrialData(pretrain, dna.backbone.network, train, validation, params.seed),
        dna.pretraining_search,
        params.seed,
        states=STATES,
        identity=[*map(dvc_hash, INPUTS), code_hash("dna", "training", "base", "ops"), repr((pretrain, dna.backbone))],
        tracking=SweepTracking("dna", dna, provenance(params.seed, INPUTS), "pretrain_sweep"),
    )


def write(trials: pd.DataFrame, best: Values) -> None:
    with write_aside("reports/dna/pretraining_trials.csv") as aside:
        trials.to_csv(aside, index=False)
    with write_aside("models/dna/best_pretraining.yaml") as aside:
        aside.write_text(yaml.safe_dump(best, sort_keys=True))


def main() -> None:
    params = load_params()
    search = params.dna.pretraining_search
    if not search.total or params.dna.backbone.source != PRETRAIN:
        write(pd.DataFrame(columns=search.columns), {})
        return
    result = sweep(params)
    write(result.trials, result.best)


if __name__ == "__main__":
    stage(main, lambda params: of_trial(params.dna.pretrain, params.dna.pretrain_sweep).trainer)
