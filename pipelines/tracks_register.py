"""Bring the MLflow registry in line with the pipeline's files, decide promotion and take out the champion's files:
-> models/tracks/champion, registered.json.
"""

import math
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import yaml
from sklearn.metrics import roc_auc_score

from contactlens.base.errors import InputError
from contactlens.base.files import read_json, write_json
from contactlens.ops.params import Params, apply_best, load_params
from contactlens.ops.registry.champion import ANALYSIS, TRAINING, write_champion, write_registered
from contactlens.ops.registry.fitted_to import fitted_ids, refuse_fitted_to, write_fitted_to
from contactlens.ops.registry.register import Candidate, Registered, sync_registry
from contactlens.ops.registry.rules import PromotionRules, Score
from contactlens.ops.runs.provenance import provenance
from contactlens.ops.stage import stage
from contactlens.tracks.data.batch import TrackBatch
from contactlens.tracks.data.dataset import batch_of
from contactlens.tracks.data.track_set import TrackSet
from contactlens.tracks.evaluation.loading import loading_f1
from contactlens.tracks.models import TrackModel
from contactlens.tracks.models.checkpoint import ModelSpec, load_model
from contactlens.tracks.models.tasks import model_input, state_of
from contactlens.tracks.serving.card import CARD, model_card
from contactlens.tracks.serving.conform import same_interval
from contactlens.tracks.serving.description import FILE as DESCRIPTION
from contactlens.tracks.serving.description import Description
from contactlens.tracks.serving.model import TracksModel
from contactlens.tracks.serving.served import log_served_model
from contactlens.tracks.training.fit import predict_state

DATA, SPLITS, MODEL = "data/tracks", "models/tracks/splits.json", "models/tracks/model.safetensors"
ENSEMBLE = "models/tracks/ensemble"
RECALIBRATION, BEST = "models/tracks/recalibration.json", "models/tracks/best_params.yaml"
AFTERWARDS = "motifs"  # the one section that no part of a version depends on
REPORTS = Path("reports/tracks")
BATCH_SIZE = 16
ATTRIBUTIONS = [
    "attribution.npz",
    "attribution_methods.csv",
    "lag_profile.csv",
    "faithfulness.csv",
    "deletion_curve.csv",
    "insertion_curve.csv",
]
ARTIFACTS = {
    "attributions": [REPORTS / name for name in ATTRIBUTIONS],
    "tables": [REPORTS / name for name in ("metrics.csv", "evaluation", "trials.csv", "seeds.csv", "history.csv")],
    "validation": [REPORTS / "validation.json", REPORTS / "data_docs"],
}
FILES = [path for paths in ARTIFACTS.values() for path in paths]
INPUTS: list[Path | str] = [DATA, SPLITS, MODEL, ENSEMBLE, BEST, RECALIBRATION, REPORTS / "metrics.json", *FILES]


def contents(batch: TrackBatch) -> list[bytes]:
    """What makes each track the same example wherever it comes from: its driver and signal at the observed frames."""
    tracks = zip(batch.driver.transpose(1, 2), batch.signal, batch.observed, strict=True)
    return [
        driver[observed].numpy().tobytes() + signal[observed].numpy().tobytes() for driver, signal, observed in tracks
    ]


def test_score(
    weights: Path,
    spec: ModelSpec,
    test: TrackBatch,
    score: Score,
    latents: Callable[[TrackModel], float] | None = None,
) -> float | None:
    """Score, as the rules of promotion take it, of another model of this kind on the candidate's test tracks, in the
    form in which that is served; None where it takes other data, does another task or was fitted to some of them.

    latents: the score of a model's latents
    """
    try:
        refuse_fitted_to(weights, contents(test))
        model = TracksModel.read(weights)
    except (InputError, OSError):
        return None
    other = model.spec
    if (other.task, other.driver, other.signal_unit) != (spec.task, spec.driver, spec.signal_unit):
        return None
    if not same_interval(other.frame_interval_s, spec.frame_interval_s):
        return None
    if spec.resolved_task.target == "state":
        return test_auroc(model.network, test)
    if latents is not None and spec.resolved_task.latent:
        return latents(model.network)
    y = test.signal.numpy()[test.observed.numpy()].astype(np.float64)
    return float(getattr(model.signal(test).form, score)(y).mean())


def test_auroc(model: TrackModel, test: TrackBatch) -> float:
    """AUROC of the state, which recalibration leaves as it is."""
    probability = predict_state(model, model_input(model.task, test), test.observed, BATCH_SIZE)
    observed = test.observed.numpy()
    return float(roc_auc_score(state_of(test).numpy()[observed], probability[observed]))


def register(params: Params, kept: Path) -> Registered:
    """Register what the pipeline has made and write the champion's folder; `kept` takes what travels with the model."""
    tracks, splits = TrackSet.read(DATA), read_json(SPLITS)
    test, rules = batch_of(tracks, splits["test"]), params.tracks.rules
    model, spec = load_model(MODEL)
    described = Description.of(
        model,
        tracks,
        splits["train"],
        evaluated=rules.evaluated,
        metrics=dict(read_json(REPORTS / "metrics.json").get(rules.evaluated, {})),
        limits=params.tracks.checks,
        explain=params.tracks.explain,
        seed=params.seed,
    )
    described.write(kept / DESCRIPTION)
    ensemble = [Path(ENSEMBLE)] if rules.evaluated.startswith(Path(ENSEMBLE).name) else []
    served = [Path(MODEL), *ensemble, Path(RECALIBRATION), kept / DESCRIPTION]
    (kept / CARD).write_text(model_card(rules.registered_model, TracksModel.of_files(served), splits))
    chosen = apply_best(params.tracks, yaml.safe_load(Path(BEST).read_text()), BEST).training
    write_json(kept / TRAINING, asdict(chosen))
    fitted = write_fitted_to(kept, contents(batch_of(tracks, fitted_ids(splits))))
    candidate = Candidate(
        log_model=lambda: log_served_model(served, tracks),
        weights=[*served, fitted],
        metrics=REPORTS / "metrics.json",
        history=REPORTS / "history.csv",
        params={"seed": params.seed, "tracks": {k: v for k, v in asdict(params.tracks).items() if k != AFTERWARDS}},
        tags=provenance(params.seed, INPUTS),
        artifacts={**ARTIFACTS, ANALYSIS: [*served, kept / TRAINING], "card": [kept / CARD]},
    )
    score = rules.score if isinstance(rules, PromotionRules) else "nll"  # of a state it is the AUROC, of latents the F1

    def latents(network: TrackModel) -> float:
        config = params.tracks.evaluate_loading
        if tracks.truth is None:
            return math.nan
        return loading_f1(network, tracks, batch_of(tracks, splits["validation"]), test, BATCH_SIZE, config)

    done = sync_registry(candidate, rules, lambda weights: test_score(weights, spec, test, score, latents))
    write_champion(candidate, done, rules.evaluated, "models/tracks/champion")
    write_registered(candidate, done, "models/tracks/registered.json")
    return done


def main() -> None:
    with TemporaryDirectory() as kept:
        done = register(load_params(), Path(kept))
    state = "registered" if done.created else "was registered before"
    print(f"{done.name} version {done.version} {state}; {'champion' if done.decision.promote else 'not promoted'}")
    print("\n".join(f"  {reason}" for reason in done.decision.reasons))


if __name__ == "__main__":
    stage(main)
