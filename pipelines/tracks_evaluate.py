"""Score the network beside its baselines on the test split, before and after recalibration -> metrics.json, …"""

import torch

from contactlens.files import read_json, write_json
from contactlens.ops.params import load_params
from contactlens.ops.provenance import provenance
from contactlens.ops.registry import metric_values
from contactlens.ops.stage import stage
from contactlens.ops.tracking import stage_run
from contactlens.tracks.baselines import fit_baselines
from contactlens.tracks.batch import TrackBatch
from contactlens.tracks.dataset import batch_of
from contactlens.tracks.evaluate import (
    NETWORK,
    GaussianFrames,
    SplitPredictions,
    evaluate,
    nested_metrics,
    prediction_table,
    write_evaluation,
)
from contactlens.tracks.fit import predict
from contactlens.tracks.models.checkpoint import load_model
from contactlens.tracks.tasks import model_input
from contactlens.tracks.track_set import TrackSet

INPUTS = ["data/tracks", "models/tracks/splits.json", "models/tracks/model.safetensors"]
REPORTS = "reports/tracks"


def main() -> None:
    params = load_params()
    tracks, splits = TrackSet.read(INPUTS[0]), read_json(INPUTS[1])
    batches = {name: batch_of(tracks, ids) for name, ids in splits.items()}
    model, spec = load_model(INPUTS[2])
    task, test = spec.resolved_task, batches["test"]

    def network(batch: TrackBatch) -> GaussianFrames:
        x = model_input(task, batch)
        return GaussianFrames(*predict(model, x, batch.observed, params.tracks.fit.batch_size))

    baselines = fit_baselines(
        batches["train"],
        batches["validation"],
        params.tracks.baselines,
        params.seed,
        model.contact_radius if task.signal_input else None,
    )
    forms = {NETWORK: network} | {
        name: lambda batch, one=one: GaussianFrames(*one.predict(batch)) for name, one in baselines.items()
    }
    models = {name: SplitPredictions(form(batches["calibration"]), form(test)) for name, form in forms.items()}
    evaluation = evaluate(batches["calibration"], test, models, params.tracks.evaluate, params.seed)
    with torch.no_grad():
        contact = model.gate(model_input(task, test)).numpy()
    predictions = prediction_table(tracks, test, models[NETWORK].test, evaluation.recalibration, contact)
    write_json("models/tracks/recalibration.json", evaluation.recalibration.to_json())
    write_evaluation(evaluation, predictions, REPORTS)
    with stage_run("evaluate", params.tracks.evaluate, provenance(params.seed, INPUTS)) as run:
        run.log_metrics(metric_values(nested_metrics(evaluation.metrics)))


if __name__ == "__main__":
    stage(main)
