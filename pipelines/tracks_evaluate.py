"""Score network and ensemble beside their baselines on the test split, raw and recalibrated -> metrics.json, …"""

from contactlens.base.files import read_json, write_json
from contactlens.ops.params import load_params
from contactlens.ops.registry.register import metric_values
from contactlens.ops.runs.provenance import provenance
from contactlens.ops.runs.tracking import stage_run
from contactlens.ops.stage import stage
from contactlens.tracks.data.dataset import batch_of
from contactlens.tracks.data.track_set import TrackSet
from contactlens.tracks.evaluation import EvaluatedModel, evaluate_task
from contactlens.tracks.evaluation.table import nested_metrics
from contactlens.tracks.models.checkpoint import load_model
from contactlens.tracks.models.ensemble import load_ensemble

INPUTS = ["data/tracks", "models/tracks/splits.json", "models/tracks/model.safetensors", "models/tracks/ensemble"]


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
    write_json("models/tracks/recalibration.json", evaluation.recalibration)
    evaluation.write("reports/tracks")
    with stage_run("evaluate", params.tracks.evaluation, provenance(params.seed, INPUTS)) as run:
        run.log_metrics(metric_values(nested_metrics(evaluation.metrics)))


if __name__ == "__main__":
    stage(main)
