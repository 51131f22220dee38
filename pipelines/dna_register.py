"""Bring the MLflow registry in line with the pipeline's files, decide promotion and take out the champion's files, or
where there is no champion the candidate's: -> models/dna/champion, registered.json.
"""

from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from contactlens.base.errors import InputError
from contactlens.base.files import read_json
from contactlens.base.torch_setup import resolve_device, seed_everything
from contactlens.calibration.classification import Platt, auroc_score
from contactlens.dna.data.batch import stored
from contactlens.dna.data.genome import Genome
from contactlens.dna.data.genome_tracks import chromosome_sizes
from contactlens.dna.data.window_set import WindowSet
from contactlens.dna.evaluation.evaluate import NETWORK
from contactlens.dna.explanation.attributions import read_attributions
from contactlens.dna.models.classifier import load_classifier
from contactlens.dna.serving.card import CARD, model_card
from contactlens.dna.serving.description import FILE as SERVING
from contactlens.dna.serving.description import Description
from contactlens.dna.serving.served import log_served_classifier
from contactlens.dna.training.config import TrainerConfig
from contactlens.dna.training.fit import predict
from contactlens.ops.params import Params, apply_best, apply_best_pretraining, load_params
from contactlens.ops.params.strict import read_yaml
from contactlens.ops.registry.champion import ANALYSIS, standing, write_champion, write_registered
from contactlens.ops.registry.fitted_to import fitted_ids, refuse_fitted_to, split_digest, write_fitted_to
from contactlens.ops.registry.register import Candidate, Registered, sync_registry
from contactlens.ops.runs.provenance import provenance
from contactlens.ops.stage import stage
from contactlens.reporting.card import origin_sentence

EXPERIMENT = "dna"
DATA, SPLITS = "data/dna", "models/dna/splits.json"
CLASSIFIER, RECALIBRATION = Path("models/dna/classifier"), Path("models/dna/recalibration.json")
PRETRAINING, BEST = "models/dna/best_pretraining.yaml", "models/dna/best_params.yaml"
REPORTS = Path("reports/dna")
ATTRIBUTIONS, METHOD_CHECKS = REPORTS / "attributions.npz", REPORTS / "method_checks.csv"
ARTIFACTS = {
    "tables": [
        REPORTS / f"{name}.csv"
        for name in ("metrics", "pretraining_trials", "trials", "history", "roc_per_epoch", "faithfulness")
    ],
    "validation": [REPORTS / "validation.json", REPORTS / "data_docs"],
}
FILES = [path for paths in ARTIFACTS.values() for path in paths]
EXPLAINED = [ATTRIBUTIONS, METHOD_CHECKS]
INPUTS: list[Path | str] = [
    *(DATA, SPLITS, CLASSIFIER, PRETRAINING, BEST, RECALIBRATION, REPORTS / "metrics.json"),
    *FILES,
    *EXPLAINED,
]
AFTERWARDS = "motifs"  # the one section that no part of a version depends on


def attributed_windows(windows: WindowSet) -> WindowSet:
    """The attributed windows, each a record of its own: a version keeps them, not the chromosomes around them."""
    chosen = windows.select(next(iter(read_attributions(ATTRIBUTIONS).values())).window_ids.tolist())
    records = {f"window_{row}": sequence for row, sequence in enumerate(chosen.sequences())}
    table = chosen.windows.assign(record=list(records), record_start=chosen.windows["win_start"])
    settings = chosen.settings | {"chromosome_sizes": chromosome_sizes(chosen)}  # the records are mere pieces
    return WindowSet(chosen.task, table, Genome.of(records), chosen.source, settings, chosen.planted)


def contents(windows: WindowSet) -> list[bytes]:
    """What makes each window the same example wherever it comes from: its bases."""
    return [sequence.encode() for sequence in windows.sequences()]


def test_auroc(weights: Path, test: WindowSet, trainer: TrainerConfig, evaluated: str) -> float:
    """AUROC of another classifier on the candidate's test windows, recalibrated as it was itself where that is what is
    evaluated. Raises InputError where it can't predict them, or was fitted to some of them."""
    refuse_fitted_to(weights, contents(test))
    try:
        model = load_classifier(weights / CLASSIFIER.name).to(resolve_device(trainer.device))
        recalibration = Platt.from_json(read_json(weights / RECALIBRATION.name))
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"its files can't be read ({error})") from error
    if model.task != test.task:
        raise InputError(f"its task is {model.task}, not {test.task}")
    batch = stored(test)
    logit = predict(model, batch, trainer.batch_size)
    score = auroc_score(batch.label.double().numpy(), logit if evaluated == NETWORK else recalibration(logit))
    return float(score(np.ones((1, len(batch))))[0])


def register(params: Params, windows: WindowSet, kept: Path) -> Registered:
    """Register what the pipeline has made and write the champion's folder; `kept` takes the attributed windows."""
    trainer, splits = params.dna.fine_tune.trainer, read_json(SPLITS)
    pretrained = apply_best_pretraining(params.dna, read_yaml(PRETRAINING), PRETRAINING)
    chosen = apply_best(pretrained, read_yaml(BEST), BEST)
    test = windows.select(splits["test"])
    rules = params.dna.rules(windows.task)
    attributed_windows(windows).write(kept / "windows")
    metrics = read_json(REPORTS / "metrics.json").get(rules.evaluated, {})
    fitted = write_fitted_to(kept, contents(windows.select(fitted_ids(splits))))
    described = Description.of(
        windows,
        splits["train"],
        evaluated=rules.evaluated,
        metrics=metrics,
        limits=params.dna.checks,
        seed=params.seed,
    )
    described.write(kept / SERVING)
    beside = [RECALIBRATION, kept / SERVING]
    candidate = Candidate(
        log_model=lambda: log_served_classifier(CLASSIFIER, [*beside, METHOD_CHECKS], test),
        weights=[CLASSIFIER, *beside, fitted],
        metrics=REPORTS / "metrics.json",
        history=REPORTS / "history.csv",
        params={"seed": params.seed, "dna": {k: v for k, v in asdict(chosen).items() if k != AFTERWARDS}},
        tags=provenance(params.seed, INPUTS),
        artifacts={
            **ARTIFACTS,
            ANALYSIS: [*EXPLAINED, kept / "windows", CLASSIFIER, *beside],
            "card": [kept / CARD],
        },
        test_split=split_digest(contents(test)),
    )
    origin = origin_sentence(candidate.tags, DATA)
    (kept / CARD).write_text(model_card(rules.registered_model, windows, splits, rules.evaluated, metrics, origin))
    done = sync_registry(
        candidate, rules, lambda weights: test_auroc(weights, test, trainer, rules.evaluated), EXPERIMENT
    )
    write_champion(candidate, done, rules.evaluated, "models/dna/champion", or_candidate=True)
    write_registered(candidate, done, "models/dna/registered.json")
    return done


def main() -> None:
    params = load_params()
    seed_everything(params.seed, params.dna.fine_tune.trainer.threads)
    with TemporaryDirectory() as kept:
        done = register(params, WindowSet.read(DATA), Path(kept))
    state = "registered" if done.created else "was registered before"
    print(f"{done.name} version {done.version} {state}; {standing(done)}")
    print("\n".join(f"  {reason}" for reason in done.decision.reasons))


if __name__ == "__main__":
    stage(main, lambda params: params.dna.fine_tune.trainer)
