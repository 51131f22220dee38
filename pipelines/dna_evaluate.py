"""Score the classifier beside its baselines on the test chromosomes -> metrics.json, roc.csv, …"""

from contactlens.base.files import read_json, write_json
from contactlens.base.torch_setup import resolve_device, seed_everything
from contactlens.calibration.classification import logit_of
from contactlens.dna.data.batch import stored
from contactlens.dna.data.names import CEILING
from contactlens.dna.data.window_set import WindowSet
from contactlens.dna.evaluation.baselines import fit_baselines
from contactlens.dna.evaluation.evaluate import NETWORK, SplitLogits, evaluate, nested_metrics, write_evaluation
from contactlens.dna.models.classifier import load_classifier
from contactlens.dna.simulation.ceiling import ceiling_logits, has_ceiling
from contactlens.dna.training.fit import predict
from contactlens.ops.params import load_params
from contactlens.ops.registry.register import metric_values
from contactlens.ops.runs.provenance import provenance
from contactlens.ops.runs.tracking import stage_run
from contactlens.ops.stage import stage

INPUTS = ["data/dna", "models/dna/splits.json", "models/dna/classifier"]


def main() -> None:
    params = load_params()
    windows, splits = WindowSet.read(INPUTS[0]), read_json(INPUTS[1])
    parts = {name: windows.select(ids) for name, ids in splits.items()}
    trainer = params.dna.fine_tune.trainer
    seed_everything(params.seed, trainer.threads)
    model = load_classifier(INPUTS[2]).to(resolve_device(trainer.device))
    scored = [parts["calibration"], parts["test"]]
    logits = {NETWORK: SplitLogits(*(predict(model, stored(part), trainer.batch_size) for part in scored))}
    baselines = fit_baselines(parts["train"], parts["validation"], params.dna.baselines, params.seed)
    for name, baseline in baselines.items():
        logits[name] = SplitLogits(*(logit_of(baseline.predict(part)) for part in scored))
    if has_ceiling(windows):
        logits[CEILING] = SplitLogits(*map(ceiling_logits, scored))
    evaluation = evaluate(scored[0], scored[1], logits, params.dna.evaluate, params.seed)
    write_json("models/dna/recalibration.json", evaluation.recalibration.to_json())
    write_evaluation(evaluation, "reports/dna")
    with stage_run("evaluate", params.dna.evaluate, provenance(params.seed, INPUTS), "dna") as run:
        run.log_metrics(metric_values(nested_metrics(evaluation.metrics)))


if __name__ == "__main__":
    stage(main, lambda params: params.dna.fine_tune.trainer)
