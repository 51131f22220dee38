"""The tracks pipeline, small, for each other task, with a model of its own: parameters alone choose them."""

from pathlib import Path

import pytest

from contactlens.ops.workspace import create_workspace
from contactlens.tracks.models.checkpoint import load_model
from stage_script import run_stages
from tiny_pipeline import TINY, registered

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "name", "changes"),
    [
        ("epms2_to_ms2", "unet", {"decoder_depth": 3}),
        ("epms2_to_states", "transformer", {}),
        ("ms2_to_ms2_vae", "bernoulli_vae", {}),
        ("toy", "unet_resnet", {}),
    ],
)
def test_another_task_and_model_by_parameters_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: str, name: str, changes: dict[str, int]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    other = {"tracks": {"task": task, "model": {"name": name, **changes}}}
    named = {"tracks": {rules: {"registered_model": "tiny"} for rules in ("state_promotion", "loading_promotion")}}
    workspace = create_workspace(tmp_path / "workspace", [TINY, other, named], ROOT, "tracks")
    run_stages(workspace)
    assert "<h1" in (workspace / "reports/report.html").read_text()
    _, spec = load_model(workspace / "models/tracks/model.safetensors")
    assert (spec.task, spec.model.name) == (task, name)
    assert spec.model.decoder_depth - spec.model.encoder_depth == bool(changes)
    assert list(registered(tmp_path / "mlflow.db")["versions"]) == ["1"]
