"""Sweep the fine-tuning on a part of the labelled windows -> models/dna/best_params.yaml, trials.csv."""

from pathlib import Path

import pandas as pd
import yaml

from contactlens.base.files import read_json, write_aside
from contactlens.dna.data.batch import stored
from contactlens.dna.data.window_set import WindowSet
from contactlens.dna.models.backbone import load_backbone
from contactlens.dna.training.sweep import of_trial
from contactlens.dna.training.trial import TrialData, cache_before, drawn, train_trial
from contactlens.ops.cluster_address import cluster_address
from contactlens.ops.params import Params, apply_best_pretraining, load_params
from contactlens.ops.params.strict import read_yaml
from contactlens.ops.runs.provenance import code_hash, dvc_hash, provenance
from contactlens.ops.stage import stage
from contactlens.ops.sweep.run import SweepResult, SweepTracking, run_sweep
from contactlens.training.search import Values
from contactlens.training.state import kept_until_done

INPUTS = ["data/dna", "models/dna/splits.json", "models/dna/pretrained", "models/dna/best_pretraining.yaml"]
STATES = Path(".sweeps")
FROZEN = STATES / "dna_frozen"  # what the frozen blocks give, while the sweep is unfinished


def data_of_trials(params: Params, frozen: Path) -> TrialData:
    windows, splits = WindowSet.read(INPUTS[0]), read_json(INPUTS[1])
    sizes = {"train": params.dna.sweep.train_windows, "validation": params.dna.sweep.validation_windows}
    train, validation = (stored(windows, drawn(splits[name], n, params.seed)) for name, n in sizes.items())
    return TrialData(
        of_trial(params.dna.training, params.dna.sweep),
        windows.task,
        load_backbone(INPUTS[2]).backbone,
        train,
        validation,
        params.seed,
        params.dna.evaluate.calibration_bins,
        frozen.absolute(),
    )


def sweep(params: Params, frozen: Path) -> SweepResult:
    data = data_of_trials(params, frozen)
    if cluster_address() is None:  # elsewhere a worker may have another device, whose states are its own
        cache_before(data)
    described = apply_best_pretraining(params.dna, read_yaml(INPUTS[3]), INPUTS[3])
    code = code_hash("dna", "training", "calibration", "base", "ops")
    return run_sweep(
        train_trial,
        data,
        params.dna.search,
        params.seed,
        states=STATES,
        identity=[*map(dvc_hash, INPUTS), code, repr(params.dna.training), str(data.calibration_bins)],
        tracking=SweepTracking("dna", described, provenance(params.seed, INPUTS)),
    )


def write(trials: pd.DataFrame, best: Values) -> None:
    with write_aside("reports/dna/trials.csv") as aside:
        trials.to_csv(aside, index=False)
    with write_aside("models/dna/best_params.yaml") as aside:
        aside.write_text(yaml.safe_dump(best, sort_keys=True))


def main() -> None:
    params = load_params()
    if not params.dna.search.total:
        write(pd.DataFrame(columns=params.dna.search.columns), {})
        return
    with kept_until_done(FROZEN) as frozen:
        result = sweep(params, frozen)
    write(result.trials, result.best)


if __name__ == "__main__":
    stage(main, lambda params: of_trial(params.dna.training, params.dna.sweep).fine_tune.trainer)
