"""What MLflow's pages say: of an experiment what to look at, of a run which data it read, of its pipeline which runs
belong together."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow import MlflowClient

NOTE_TAG = "mlflow.note.content"  # MLflow shows it as the description
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
    """Say what to look at, unless someone has written a description of their own."""
    note = EXPERIMENT_NOTES.get(name)
    if note is not None and NOTE_TAG not in client.get_experiment(experiment_id).tags:
        client.set_experiment_tag(experiment_id, NOTE_TAG, note.strip())


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


def registered_note(name: str, version: str, reasons: list[str], promoted: bool) -> str:
    """Of the run of a registered version: promoted or not and why, and where model, card and report are."""
    rules = "\n".join(f"- {reason}" for reason in reasons)
    verdict = "promoted to champion" if promoted else "not promoted"
    return (
        f"**[{name} version {version}](#/models/{name}/versions/{version}): {verdict}.**\n\n{rules}\n\n"
        "Artifacts: `card/model_card.md`, `report/report.html`, `figures/`, `tables/`, `attributions/`."
    )
