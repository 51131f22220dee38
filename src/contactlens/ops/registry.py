"""The MLflow registry, brought in line with the pipeline's files: one version per content, promoted by rules.

DVC does not know MLflow's store, so `sync_registry` looks at the registry itself: on a fresh clone with a
full DVC cache and an empty store it fills it, and where all is there already it changes nothing.
"""

import copy
import hashlib
import json
import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from contactlens.files import read_json
from contactlens.ops.registry_rules import Decision, Metrics, PromotionRules, decide
from contactlens.ops.tracking import EXPERIMENT, StageRun, flat_params, mlflow_client, stage_run

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

HASH_TAG = "content_hash"
DECISION_TAG = "promotion"
WEIGHTS_FOLDER = "weights"
CHAMPION, CANDIDATE = "champion", "candidate"


@dataclass(frozen=True)
class Candidate:
    """What a registered version is made of.

    model: takes x (B, C, T) and observed (B, T), as the pipeline's models do
    example: (B, C, T) float32 with B >= 2 and the T that the served model will take; NaN where a frame is
        missing
    weights, metrics, history: model.safetensors, metrics.json, history.csv
    recalibration: what turns the model's prediction into the judged one, kept beside the weights
    params: nested; its flattened form is logged
    tags: provenance
    artifacts: folder in MLflow -> files or folders of figures, attributions, reports, validation
    """

    model: nn.Module
    example: np.ndarray
    weights: Path
    recalibration: Path
    metrics: Path
    history: Path
    params: Any
    tags: Mapping[str, str]
    artifacts: Mapping[str, Sequence[Path]]

    def content_hash(self) -> str:
        """SHA-256 over weights, metrics and params."""
        params = json.dumps(flat_params(self.params), sort_keys=True).encode()
        parts = [self.weights.read_bytes(), self.metrics.read_bytes(), params]
        return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


@dataclass(frozen=True)
class Registered:
    """A version in the registry; `created` is False where it was there before."""

    name: str
    version: int
    run_id: str
    decision: Decision
    created: bool


class ServedModel(nn.Module):
    """A model of (x, observed) as one of x alone, NaN for a missing frame: (B, C, T) -> (B, 2, T)."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        return self.model(torch.nan_to_num(x), torch.isfinite(x).all(dim=1))


def sync_registry(
    candidate: Candidate,
    rules: PromotionRules,
    score_champion: Callable[[Path], float | None],
    experiment: str = EXPERIMENT,
) -> Registered:
    """Make sure that `candidate` is a registered version with its promotion decided, and give it.

    score_champion: NLL of the present champion on the candidate's own test data, from the folder of its
        weights; None where it can't predict them
    The version carries alias `candidate`, then `champion` if the rules let it, the tags `content_hash`,
    `stage` (Production, Staging, Archived) and `promotion` (the decision with its reasons, also
    promotion.json in its run).
    """
    client, name = mlflow_client(), rules.registered_model
    content = candidate.content_hash()
    version = _find(client, name, content)
    created = version is None
    if version is None:
        version = _register(client, candidate, name, content, experiment)
    if DECISION_TAG in version.tags:
        decision = Decision(**json.loads(version.tags[DECISION_TAG]))
    else:
        decision = _promote(client, version, read_json(candidate.metrics), rules, score_champion)
    return Registered(name, int(version.version), str(version.run_id), decision, created)


def _find(client: "MlflowClient", name: str, content: str) -> "ModelVersion | None":
    found = client.search_model_versions(f"name = '{name}' and tags.{HASH_TAG} = '{content}'")
    return found[0] if found else None


def _register(client: "MlflowClient", candidate: Candidate, name: str, content: str, experiment: str) -> "ModelVersion":
    """One run with everything, and the version with its hash last: what is cut short leaves no version."""
    import mlflow

    with stage_run("register", candidate.params, {**candidate.tags, HASH_TAG: content}, experiment) as run:
        _log_history(run, candidate.history)
        for folder, paths in candidate.artifacts.items():
            for path in paths:
                client.log_artifact(run.run_id, str(path), folder)
        for path in (candidate.weights, candidate.recalibration, candidate.metrics):
            client.log_artifact(run.run_id, str(path), WEIGHTS_FOLDER)
        logged = log_served_model(candidate.model, candidate.example)
        mlflow.log_metrics(metric_values(read_json(candidate.metrics)), model_id=logged.model_id)
        version = mlflow.register_model(logged.model_uri, name, tags={HASH_TAG: content})
    return version


def log_served_model(model: nn.Module, example: np.ndarray) -> Any:
    """Log `ServedModel(model)` to the active run as a torch.export archive and give MLflow's description of
    it.

    The archive holds a graph and raw tensors, and MLflow refuses one with pickles in it, so loading it runs
    no code. B is free, T is the example's: pad shorter tracks with NaN.
    """
    import mlflow.pytorch
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    _, C, T = example.shape
    number = np.dtype("float32")
    served = ServedModel(copy.deepcopy(model)).cpu().eval()
    return mlflow.pytorch.log_model(
        served,
        name="model",
        signature=ModelSignature(
            inputs=Schema([TensorSpec(number, (-1, C, T))]), outputs=Schema([TensorSpec(number, (-1, 2, T))])
        ),
        input_example=example.astype(np.float32),
        serialization_format="pt2",
        pip_requirements=[f"torch=={torch.__version__.split('+')[0]}", f"numpy=={np.__version__}"],
    )


def metric_values(metrics: Metrics) -> dict[str, float]:
    """metrics.json flattened: `network/nll`, `network/nll_low`, `network/nll_high`; no absent numbers."""
    return {
        f"{model}/{metric}{'' if end == 'estimate' else '_' + end}": float(value)
        for model, row in metrics.items()
        for metric, ends in row.items()
        for end, value in ends.items()
        if value is not None
    }


def _log_history(run: StageRun, history: Path) -> None:
    """history.csv as curves, `validation_nll/seed_3`: one group of charts per quantity, one line per seed."""
    with run.epoch_logger() as log:
        for row in pd.read_csv(history).to_dict("records"):
            values = {name: value for name, value in row.items() if name not in ("seed", "epoch")}
            present = {f"{name}/seed_{int(row['seed'])}": v for name, v in values.items() if not math.isnan(v)}
            log({"epoch": row["epoch"], **present})


def _promote(
    client: "MlflowClient",
    version: "ModelVersion",
    metrics: Metrics,
    rules: PromotionRules,
    score_champion: Callable[[Path], float | None],
) -> Decision:
    """Decide, move aliases and tags, log why. The decision's tag comes last: without it all is redone."""
    name, number = version.name, version.version
    client.set_registered_model_alias(name, CANDIDATE, number)
    champion = _champion(client, name)
    if champion is not None and champion.version == number:
        champion = None
    decision = decide(metrics, rules, None if champion is None else _champion_nll(champion, score_champion))
    if decision.promote:
        if champion is not None:
            client.set_model_version_tag(name, champion.version, "stage", "Archived")
        client.set_registered_model_alias(name, CHAMPION, number)
    client.set_model_version_tag(name, number, "stage", "Production" if decision.promote else "Staging")
    client.update_model_version(name, number, "\n".join(decision.reasons))
    client.log_dict(str(version.run_id), {**asdict(decision), "rules": asdict(rules)}, "promotion.json")
    client.set_model_version_tag(name, number, DECISION_TAG, json.dumps(asdict(decision)))
    return decision


def _champion(client: "MlflowClient", name: str) -> "ModelVersion | None":
    aliases = client.get_registered_model(name).aliases
    return client.get_model_version(name, aliases[CHAMPION]) if CHAMPION in aliases else None


def _champion_nll(champion: "ModelVersion", score_champion: Callable[[Path], float | None]) -> float:
    """The champion's NLL on the candidate's data, NaN where it can't be had."""
    import mlflow
    from mlflow.exceptions import MlflowException

    with tempfile.TemporaryDirectory() as folder:
        try:
            weights = mlflow.artifacts.download_artifacts(
                run_id=champion.run_id, artifact_path=WEIGHTS_FOLDER, dst_path=folder
            )
        except (MlflowException, OSError):
            return math.nan
        nll = score_champion(Path(weights))
    return math.nan if nll is None else nll
