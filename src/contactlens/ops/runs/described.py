"""What MLflow's pages say: of an experiment what to look at, of a run which data it read, of its pipeline which runs
belong together."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

NOTE_TAG = "mlflow.note.content"  # MLflow shows it as the description
KIND_TAG, TRAINED = "mlflow.experimentKind", "custom_model_development"  # so MLflow opens its pages of model training
GROUP_TAG = "pipeline_run"
DATA_TAG = "dvc/data/"
CONTEXTS = {"evaluate": "evaluation", "register": "evaluation", "motifs": "explanation"}
TRAINING = "training"
MOST_DIGEST = 36  # characters that MLflow keeps: an MD5 with DVC's `.dir` fits

EXPERIMENT_NOTES = {
    "tracks": """
**E-P separation and MS2.** One run a pipeline stage; all stages of one `make run` share the tag `pipeline_run`
(*Group by: pipeline_run*).

- **Is there a contact radius?** The run `radius`: metrics `contact_radius`, `_low`, `_high`; the gate's midpoint
  in `train` is no length.
- **Which settings?** Tick the trials of a `sweep` and *Compare*: `final_validation_nll` over `lambda_contact`.
- **Is it better than simpler models?** The run `evaluate`: `ensemble/nll_minus_...` below zero, its interval in
  `_low` and `_high`.
- **What is served?** The run `register`: the model, `card/model_card.md`, `report/report.html`, `figures/`; its note
  says whether it was promoted and why.
""",
    "dna": """
**Windows of an enhancer and a promoter.** One run a pipeline stage; all stages of one `make run` share the tag
`pipeline_run` (*Group by: pipeline_run*).

- **Does the network beat simpler models?** The run `evaluate`: `network/auroc_minus_...` above zero, its interval in
  `_low` and `_high`.
- **Which motifs?** The run `motifs`, and `figures/figures/motifs.png` of the run `register`.
- **Had training converged?** `pretrain` and `fine_tune`: *Model metrics*.
- **What is served?** The run `register`: the model, `card/model_card.md`, `report/report.html`; its note says whether
  it was promoted and why.
""",
}


def describe_experiment(client: "MlflowClient", experiment_id: str, name: str) -> None:
    """Say what to look at, and that models are trained here, unless someone has said otherwise."""
    if name not in EXPERIMENT_NOTES:
        return
    said = client.get_experiment(experiment_id).tags
    for tag, text in ((NOTE_TAG, EXPERIMENT_NOTES[name].strip()), (KIND_TAG, TRAINED)):
        if tag not in said:
            client.set_experiment_tag(experiment_id, tag, text)


def group_of(tags: Mapping[str, str], params_file: Path) -> dict[str, str]:
    """The tag that the stages of one pipeline share: the same code, seed and params.yaml; none without the latter."""
    if not params_file.is_file():
        return {}
    same = [tags.get("git_commit", ""), tags.get("seed", ""), params_file.read_text(encoding="utf-8")]
    return {GROUP_TAG: hashlib.sha256(json.dumps(same).encode()).hexdigest()[:8]}


def log_datasets(client: "MlflowClient", run_id: str, stage: str, tags: Mapping[str, str]) -> None:
    """The folders of data that a run read, as MLflow datasets: named by path, their digest is DVC's hash."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    data = {key.removeprefix("dvc/"): digest for key, digest in tags.items() if key.startswith(DATA_TAG)}
    inputs = [
        DatasetInput(
            Dataset(
                name=path,
                digest=digest[:MOST_DIGEST],
                source_type="dvc",
                source=json.dumps({"path": path, "md5": digest}),
                profile=json.dumps({"dvc_md5": digest}),
            ),
            [InputTag("mlflow.data.context", CONTEXTS.get(stage, TRAINING))],
        )
        for path, digest in data.items()
    ]
    if inputs:
        client.log_inputs(run_id, inputs)


def describe_registered(
    client: "MlflowClient", run_id: str, version: "ModelVersion", reasons: list[str], promoted: bool
) -> None:
    """Call the run of a registered version by what became of it; its note says why, and where model, card and report
    are."""
    rules = "\n".join(f"- {reason}" for reason in reasons)
    verdict, name, number = "promoted" if promoted else "not promoted", version.name, version.version
    note = (
        f"**[{name} version {number}](#/models/{name}/versions/{number}): {verdict}.**\n\n{rules}\n\n"
        "Artifacts: `card/model_card.md`, `report/report.html`, `figures/`, `tables/`, `attributions/`."
    )
    client.set_tag(run_id, NOTE_TAG, note)
    client.update_run(run_id, name=f"register version {number}: {verdict}")
