"""Bring the MLflow registry in line with the pipeline's files, decide promotion and take out the champion's files:
-> models/tracks/champion, registered.json.
"""

from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from contactlens.base.errors import InputError
from contactlens.base.files import read_json, write_json
from contactlens.ops.params import Params, apply_best, load_params
from contactlens.ops.registry.champion import ANALYSIS, TRAINING, standing, write_champion, write_registered
from contactlens.ops.registry.fitted_to import fitted_ids, refuse_fitted_to, split_digest, write_fitted_to
from contactlens.ops.registry.register import Candidate, Registered, looks_at_test, sync_registry
from contactlens.ops.registry.rules import Beside, Difference, PromotionRules, Score
from contactlens.ops.runs.provenance import provenance
from contactlens.ops.stage import stage
from contactlens.reporting.card import looks_sentence, origin_sentence
from contactlens.tracks.data.batch import TrackBatch
from contactlens.tracks.data.dataset import batch_of
from contactlens.tracks.data.split import is_split_by_group
from contactlens.tracks.data.track_set import TrackSet
from contactlens.tracks.evaluation.loading import loading_f1
from contactlens.tracks.evaluation.signal import paired_difference
from contactlens.tracks.models.checkpoint import ModelSpec, load_model
from contactlens.tracks.models.tasks import model_input, state_of
from contactlens.tracks.models.track_model import TrackModel
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


def comparable_champion(weights: Path, spec: ModelSpec, test: TrackBatch) -> TracksModel:
    """The champion in the form in which it is served, where it can be scored on the candidate's test tracks.

    Raises InputError that says what it is of another task, driver, unit or frame interval, or was fitted to.
    """
    refuse_fitted_to(weights, contents(test))
    model = TracksModel.read(weights)
    other = model.spec
    for what, its, own in (
        ("task", other.task, spec.task),
        ("driver", str(other.driver), str(spec.driver)),
        ("signal's unit", other.signal_unit, spec.signal_unit),
    ):
        if its != own:
            raise InputError(f"its {what} is {its}, not {own}")
    if not same_interval(other.frame_interval_s, spec.frame_interval_s):
        raise InputError(f"its frames are {other.frame_interval_s:g} s apart, not {spec.frame_interval_s:g} s")
    return model


def less_champion(
    own: TracksModel, champion: TracksModel, tracks: TrackSet, test: TrackBatch, score: Score, params: Params
) -> Difference:
    """Score on the test tracks of what the candidate serves less that of what the champion serves, by resampling of
    groups, tracks and seeds."""
    groups = test.groups if is_split_by_group(tracks) else test.track_ids
    first, second = own.signal(test).form, champion.signal(test).form
    found = paired_difference(first, second, test, score, params.tracks.evaluate, params.seed, groups)
    return Difference(*map(float, found))


def state_auroc(model: TrackModel, test: TrackBatch) -> float:
    """AUROC of the state, which recalibration leaves as it is."""
    from sklearn.metrics import roc_auc_score

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
    chosen = apply_best(params.tracks, yaml.safe_load(Path(BEST).read_text()), BEST)
    write_json(kept / TRAINING, asdict(chosen.training))
    fitted = write_fitted_to(kept, contents(batch_of(tracks, fitted_ids(splits))))
    candidate = Candidate(
        log_model=lambda: log_served_model(served, tracks),
        weights=[*served, fitted],
        metrics=REPORTS / "metrics.json",
        history=REPORTS / "history.csv",
        params={"seed": params.seed, "tracks": {k: v for k, v in asdict(chosen).items() if k != AFTERWARDS}},
        tags=provenance(params.seed, INPUTS),
        artifacts={**ARTIFACTS, ANALYSIS: [*served, kept / TRAINING], "card": [kept / CARD]},
        test_split=split_digest(contents(test)),
    )
    own = TracksModel.of_files(served)
    looks, origin = looks_at_test(candidate, rules.registered_model), origin_sentence(candidate.tags, DATA)
    (kept / CARD).write_text(model_card(rules.registered_model, own, splits, looks, origin))

    def beside(weights: Path) -> Beside:
        champion, task = comparable_champion(weights, spec, test), spec.resolved_task
        if task.target == "state":
            return state_auroc(champion.network, test)
        if task.latent:
            if tracks.truth is None:
                raise InputError("the true loading times are not known")
            validation, config = batch_of(tracks, splits["validation"]), params.tracks.evaluate_loading
            return loading_f1(champion.network, tracks, validation, test, BATCH_SIZE, config)
        score = rules.score if isinstance(rules, PromotionRules) else "nll"
        return less_champion(own, champion, tracks, test, score, params)

    done = sync_registry(candidate, rules, beside)
    write_champion(candidate, done, rules.evaluated, "models/tracks/champion")
    write_registered(candidate, done, "models/tracks/registered.json")
    return done


def main() -> None:
    with TemporaryDirectory() as kept:
        done = register(load_params(), Path(kept))
    state = "registered" if done.created else "was registered before"
    print(f"{done.name} version {done.version} {state}; {standing(done)}")
    print("\n".join(f"  {reason}" for reason in done.decision.reasons))
    print(f"  {looks_sentence(done.test_looks)}")


if __name__ == "__main__":
    stage(main)
