"""The MLflow registry, brought in line with the pipeline's files: one version per content, promoted by rules.

DVC does not know MLflow's store, so `sync_registry` looks at the registry itself: on a fresh clone with a
full DVC cache and an empty store it fills it, and where all is there already it changes nothing.
"""

import hashlib
import json
import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contactlens.base.errors import InputError
from contactlens.base.files import read_json
from contactlens.ops.registry.rules import Beside, Decision, Metrics, NotComparable, Rules
from contactlens.ops.runs.described import DATA_TAG, GROUP_TAG, describe_registered
from contactlens.ops.runs.provenance import dvc_hash
from contactlens.ops.runs.tracking import EXPERIMENT, StageRun, flat_params, mlflow_client, stage_run

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.models.model import ModelInfo

HASH_TAG = "content_hash"
DECISION_TAG = "promotion"
ATTACHED_TAG = "attached"
ORIGIN_TAGS = ("git_commit", GROUP_TAG, DATA_TAG)  # beginnings of what a version tells as its run does
WEIGHTS_FOLDER = "weights"
CHAMPION, CANDIDATE = "champion", "candidate"
LOOKS_TAG = "test_looks"  # of a version; of the registered model one for each test split, with its digest
# The champion on the candidate's test data, from the folder of its weights; InputError says why it can't be scored.
ScoreChampion = Callable[[Path], Beside]


@dataclass(frozen=True)
class Candidate:
    """What a registered version is made of.

    log_model: logs the model as it will be served to the active run
    weights: files and folders that hold the evaluated model, kept as they are in the run's `weights` folder
    metrics, history: metrics.json, history.csv; the latter with a column `epoch` and, for several fits, `seed`
    params: nested; its flattened form is logged
    tags: provenance
    artifacts: folder in MLflow -> files or folders of figures, attributions, reports, validation
    test_split: digest of the test examples, by which the decisions that they were used for are counted
    """

    log_model: "Callable[[], ModelInfo]"
    weights: Sequence[Path]
    metrics: Path
    history: Path
    params: Any
    tags: Mapping[str, str]
    artifacts: Mapping[str, Sequence[Path]]
    test_split: str

    def content_hash(self) -> str:
        """SHA-256 over weights, metrics and params."""
        files = [[path.name, dvc_hash(path)] for path in (*self.weights, self.metrics)]
        return hashlib.sha256(json.dumps([files, flat_params(self.params)], sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Registered:
    """A version in the registry; `created` is False where it was there before.

    test_looks: decisions of this registered model that its test split had been used for by its own, which counts too
    """

    name: str
    version: int
    run_id: str
    decision: Decision
    created: bool
    test_looks: int


@dataclass(frozen=True)
class Champion:
    """The version that carries the alias `champion`, and why it was promoted."""

    version: int
    run_id: str
    content_hash: str
    reasons: list[str]

    def download(self, artifact: str, folder: Path | str) -> Path:
        """A file or folder of its run, copied into `folder`. Raises InputError where the run does not have it."""
        import mlflow
        from mlflow.exceptions import MlflowException

        try:
            return Path(
                mlflow.artifacts.download_artifacts(run_id=self.run_id, artifact_path=artifact, dst_path=str(folder))
            )
        except (MlflowException, OSError) as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise InputError(
                f"champion, version {self.version}: its run {self.run_id} does not give {artifact} ({reason})"
            ) from error


def sync_registry(
    candidate: Candidate, rules: Rules, score_champion: ScoreChampion, experiment: str = EXPERIMENT
) -> Registered:
    """Make sure that `candidate` is a registered version with its promotion decided, and give it.

    score_champion: score, as `rules` take it, of the present champion on the candidate's own test data
    The version carries alias `candidate`, then `champion` if the rules let it, the tags `content_hash`,
    `stage` (Production, Staging, Archived), `promotion` (the decision with its reasons, also promotion.json in
    its run) and, as its run does, `git_commit`, `pipeline_run` and the DVC hashes of the data.

    Raises InputError where metrics.json is not one.
    """
    client, name = mlflow_client(), rules.registered_model
    metrics, content = read_metrics(candidate.metrics), candidate.content_hash()
    version = _find(client, name, content)
    created = version is None
    if version is None:
        version = _register(client, candidate, metrics, name, content, experiment)
    if DECISION_TAG in version.tags:
        decision = Decision(**json.loads(version.tags[DECISION_TAG]))
    else:
        _count_look(client, version, candidate.test_split)
        decision = _promote(client, version, metrics, rules, score_champion)
    looks = looks_at_test(candidate, name)
    return Registered(name, int(version.version), str(version.run_id), decision, created, looks)


def looks_at_test(candidate: Candidate, name: str) -> int:
    """How many decisions of the registered model the candidate's test split has been used for, this one included."""
    client = mlflow_client()
    version = _find(client, name, candidate.content_hash())
    if version is not None and LOOKS_TAG in version.tags:
        return int(version.tags[LOOKS_TAG])
    return _looks_before(client, name, candidate.test_split) + 1


def _count_look(client: "MlflowClient", version: "ModelVersion", test_split: str) -> None:
    """The test split is used for this version's decision: once, however often that is redone after a kill."""
    if LOOKS_TAG in version.tags:
        return
    looks = str(_looks_before(client, version.name, test_split) + 1)
    client.set_registered_model_tag(version.name, f"{LOOKS_TAG}.{test_split}", looks)
    client.set_model_version_tag(version.name, version.version, LOOKS_TAG, looks)


def _looks_before(client: "MlflowClient", name: str, test_split: str) -> int:
    found = client.search_registered_models(f"name = '{name}'")
    return int(found[0].tags.get(f"{LOOKS_TAG}.{test_split}", 0)) if found else 0


def find_champion(name: str) -> Champion | None:
    """The champion of a registered model; None where no version has been promoted."""
    client = mlflow_client()
    aliases = client.get_registered_model(name).aliases
    if CHAMPION not in aliases:
        return None
    version = client.get_model_version(name, aliases[CHAMPION])
    decision = json.loads(version.tags.get(DECISION_TAG, "{}"))
    reasons = decision.get("reasons", [])
    return Champion(int(version.version), str(version.run_id), version.tags.get(HASH_TAG, ""), reasons)


def attach(name: str, content: str, artifacts: Mapping[str, Sequence[Path]]) -> bool:
    """Add files that were made after the registration, such as the report, to the run of the version with this content
    hash; False where it has these already.

    Raises InputError where there is no such version.
    """
    client = mlflow_client()
    version = _find(client, name, content)
    if version is None:
        raise InputError(f"{name}: no version with content hash {content}; run the stage that registers it")
    present = {folder: [path for path in paths if path.exists()] for folder, paths in artifacts.items()}
    hashes = [[folder, path.name, dvc_hash(path)] for folder, paths in present.items() for path in paths]
    attached = hashlib.sha256(json.dumps(hashes).encode()).hexdigest()
    if version.tags.get(ATTACHED_TAG) == attached:
        return False
    for folder, paths in present.items():
        for path in paths:
            client.log_artifact(str(version.run_id), str(path), folder)
    client.set_model_version_tag(name, version.version, ATTACHED_TAG, attached)
    return True


def read_metrics(path: Path) -> Metrics:
    """metrics.json, {model: {metric: {estimate, low, high}}} with numbers or null; InputError for anything else."""
    try:
        content = read_json(path)
        for model, row in content.items():
            for metric, ends in row.items():
                if not all(value is None or isinstance(value, (int, float)) for value in ends.values()):
                    raise ValueError(f"{model}, {metric}: not all numbers")
    except (OSError, ValueError, AttributeError) as error:
        expected = "{model: {metric: {estimate, low, high}}} with numbers or null"
        raise InputError(f"{path}: must hold {expected} ({error})") from error
    return content


def metric_values(metrics: Metrics) -> dict[str, float]:
    """metrics.json flattened: `network/nll`, `network/nll_low`, `network/nll_high`; no absent numbers."""
    return {
        f"{model}/{metric}{'' if end == 'estimate' else '_' + end}": float(value)
        for model, row in metrics.items()
        for metric, ends in row.items()
        for end, value in ends.items()
        if value is not None
    }


def _find(client: "MlflowClient", name: str, content: str) -> "ModelVersion | None":
    found = client.search_model_versions(f"name = '{name}' and tags.{HASH_TAG} = '{content}'")
    return found[0] if found else None


def _register(
    client: "MlflowClient", candidate: Candidate, metrics: Metrics, name: str, content: str, experiment: str
) -> "ModelVersion":
    """One run with everything, and the version with its hash last: what is cut short leaves no version."""
    import mlflow

    with stage_run("register", candidate.params, {**candidate.tags, HASH_TAG: content}, experiment) as run:
        _log_history(run, candidate.history)
        for folder, paths in candidate.artifacts.items():
            for path in paths:
                client.log_artifact(run.run_id, str(path), folder)
        for path in (*candidate.weights, candidate.metrics):
            client.log_artifact(run.run_id, str(path), WEIGHTS_FOLDER)
        logged = candidate.log_model()
        mlflow.log_metrics(metric_values(metrics), model_id=logged.model_id)
        carried = client.get_run(run.run_id).data.tags
        origin = {key: value for key, value in carried.items() if key.startswith(ORIGIN_TAGS)}
        version = mlflow.register_model(logged.model_uri, name, tags={**origin, HASH_TAG: content})
    return version


def _log_history(run: StageRun, history: Path) -> None:
    """history.csv as curves, `validation_nll/seed_3`: one group of charts per quantity, one line per seed."""
    import pandas as pd

    with run.epoch_logger() as log:
        for row in pd.read_csv(history).to_dict("records"):
            line = f"/seed_{int(row['seed'])}" if "seed" in row else ""
            values = {name: value for name, value in row.items() if name not in ("seed", "epoch")}
            present = {f"{name}{line}": value for name, value in values.items() if not math.isnan(value)}
            log({"epoch": row["epoch"], **present})


def _promote(
    client: "MlflowClient", version: "ModelVersion", metrics: Metrics, rules: Rules, score_champion: ScoreChampion
) -> Decision:
    """Decide, move aliases and tags, log why. The decision's tag comes last: without it all is redone."""
    name, number = version.name, version.version
    client.set_registered_model_alias(name, CANDIDATE, number)
    champion = find_champion(name)
    if champion is not None and champion.version == int(number):
        champion = None
    decision = rules.decide(metrics, None if champion is None else _beside_champion(champion, score_champion))
    if decision.promote:
        if champion is not None:
            client.set_model_version_tag(name, str(champion.version), "stage", "Archived")
        client.set_registered_model_alias(name, CHAMPION, number)
    client.set_model_version_tag(name, number, "stage", "Production" if decision.promote else "Staging")
    client.update_model_version(name, number, "\n".join(decision.reasons))
    describe_registered(client, str(version.run_id), version, decision.reasons, decision.promote)
    client.log_dict(str(version.run_id), {**asdict(decision), "rules": asdict(rules)}, "promotion.json")
    client.set_model_version_tag(name, number, DECISION_TAG, json.dumps(asdict(decision)))
    return decision


def _beside_champion(champion: Champion, score_champion: ScoreChampion) -> Beside:
    with tempfile.TemporaryDirectory() as folder:
        try:
            return score_champion(champion.download(WEIGHTS_FOLDER, folder))
        except InputError as error:
            return NotComparable(str(error))
