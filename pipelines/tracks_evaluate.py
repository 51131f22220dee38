"""Score network and ensemble beside their baselines on the test split, raw and recalibrated -> metrics.json, …

Where it is asked for, the chosen configuration is cross-validated by group as well -> evaluation/cross_validation.csv.
"""

import hashlib
from dataclasses import replace
from pathlib import Path

import pandas as pd

from contactlens.base.files import read_json, write_json
from contactlens.ops.params import Params, apply_best, load_params
from contactlens.ops.params.strict import read_yaml
from contactlens.ops.registry.register import metric_values
from contactlens.ops.runs.provenance import code_hash, dvc_hash, provenance
from contactlens.ops.runs.tracking import stage_run
from contactlens.ops.stage import stage
from contactlens.tracks.data.dataset import batch_of
from contactlens.tracks.data.split import cross_validation_splits
from contactlens.tracks.data.track_set import TrackSet
from contactlens.tracks.evaluation.cross_validation import CrossValidated, cross_validation_tables, run_fold
from contactlens.tracks.evaluation.evaluate import evaluate_task
from contactlens.tracks.evaluation.table import EvaluatedModel, nested_metrics
from contactlens.tracks.models.checkpoint import load_model
from contactlens.tracks.models.ensemble import load_ensemble
from contactlens.training.state import kept_until_done

INPUTS = [
    *("data/tracks", "models/tracks/splits.json", "models/tracks/model.safetensors", "models/tracks/ensemble"),
    "models/tracks/best_params.yaml",
]
FOLDS = ".checkpoints/cross_validation"  # while the stage is unfinished


def main() -> None:
    params = load_params()
    tracks, splits = TrackSet.read(INPUTS[0]), read_json(INPUTS[1])
    batches = {name: batch_of(tracks, ids) for name, ids in splits.items()}
    model, _ = load_model(INPUTS[2])
    ensemble, _ = load_ensemble(INPUTS[3])
    evaluated = EvaluatedModel(
        model,
        tracks,
        batches,
        params.tracks.fit.batch_size,
        ensemble=ensemble if len(ensemble.members) > 1 else None,
        served=params.tracks.rules.evaluated,
    )
    evaluation = evaluate_task(evaluated, params.tracks.evaluation, params.seed)
    with kept_until_done(FOLDS) as folds:
        evaluation = replace(evaluation, tables={**evaluation.tables, **cross_validate(params, tracks, folds)})
        write_json("models/tracks/recalibration.json", evaluation.recalibration)
        evaluation.write("reports/tracks")
    with stage_run("evaluate", params.tracks.evaluation, provenance(params.seed, INPUTS)) as run:
        run.log_metrics(metric_values(nested_metrics(evaluation.metrics)))


def cross_validate(params: Params, tracks: TrackSet, folds: Path) -> dict[str, pd.DataFrame]:
    """Tables by name; none where params.yaml asks for none. A fold that has ended in `folds` is not run again."""
    if (asked := params.tracks.cross_validation) == "none":
        return {}
    from contactlens.ops.parallel import run_pieces  # with Ray, which the default does without

    chosen = apply_best(params.tracks, read_yaml(INPUTS[4]), INPUTS[4])
    training = chosen.training.with_fit(threads=chosen.sweep.cpus_per_trial)
    splits = cross_validation_splits(tracks, asked, chosen.split, params.seed)
    shared = CrossValidated(tracks, training, chosen.train, chosen.evaluation, params.seed)
    described = [dvc_hash(INPUTS[0]), code_hash("tracks", "training", "calibration", "base"), repr(splits)]
    described += [repr(part) for part in (training, chosen.train, chosen.evaluation, params.seed)]
    state = folds / hashlib.sha256("".join(described).encode()).hexdigest()[:16]
    folders = run_pieces(run_fold, splits, shared, chosen.sweep, state, "folds")
    tables = cross_validation_tables(folders, chosen.evaluate, params.seed)
    with stage_run("cross_validate", chosen, provenance(params.seed, INPUTS)) as run:
        run.log_metrics(metric_values(nested_metrics(tables.metrics)))
    parts = {} if tables.parts is None else {"cross_validation_parts": tables.parts}
    return {"cross_validation": tables.metrics, "cross_validation_groups": tables.groups, **parts}


if __name__ == "__main__":
    stage(main)
