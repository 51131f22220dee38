"""Every MLflow run that a pipeline script makes carries where it came from, data included as dvc.yaml lists it."""

import ast
import runpy
from pathlib import Path

import pytest

from contactlens.ops.params.strict import read_yaml
from contactlens.ops.runs.tracking import mlflow_client, stage_run
from contactlens.ops.sweep.tracking import SweepRuns

ROOT = Path(__file__).parents[3]
SCRIPTS = sorted((ROOT / "pipelines").glob("*.py"))
MAKERS = {"stage_run", "SweepTracking", "Candidate"}  # what makes runs, each with the tags it is given
PROVENANCE = {"git_commit": "abc", "lock_sha256": "def", "seed": "7", "dvc/data": "0123"}


def calls(tree: ast.AST, names: set[str]) -> list[ast.Call]:
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
    return [node for node in found if isinstance(node.func, ast.Name) and node.func.id in names]


MAKING = [path for path in SCRIPTS if calls(ast.parse(path.read_text()), MAKERS)]


def test_the_scripts_that_make_runs_are_known() -> None:
    """No script has another way: each that names MLflow at all does so through these."""
    assert {path.stem for path in MAKING} == {
        *("tracks_sweep", "tracks_train", "tracks_evaluate", "tracks_radius", "tracks_register"),
        *(
            "dna_pretrain_sweep",
            "dna_pretrain",
            "dna_sweep",
            "dna_fine_tune",
            "dna_evaluate",
            "dna_register",
            "dna_motifs",
        ),
    }
    assert [path.name for path in SCRIPTS if "mlflow" in path.read_text().replace("MLflow", "").lower()] == []


@pytest.mark.parametrize("script", MAKING, ids=lambda path: path.stem)
def test_every_run_is_made_with_the_provenance_of_the_stages_inputs(script: Path) -> None:
    tree = ast.parse(script.read_text())
    for made in calls(tree, MAKERS):
        [tags] = calls(made, {"provenance"})
        assert ast.unparse(tags.args[1]) == "INPUTS"


@pytest.mark.parametrize("script", MAKING, ids=lambda path: path.stem)
def test_the_inputs_are_those_of_dvc_yaml(script: Path) -> None:
    deps = read_yaml(ROOT / "dvc.yaml")["stages"][script.stem]["deps"]
    data = {path for path in deps if not path.startswith(("pipelines/", "src/"))}
    assert {str(path) for path in runpy.run_path(str(script))["INPUTS"]} == data


def test_stage_sweep_and_trial_carry_tags_and_the_whole_params_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    monkeypatch.setenv("SERVICE_PASSWORD", "correct-horse")
    monkeypatch.chdir(tmp_path)
    text = "seed: 1  # of everything\nremote: http://me:battery-staple@host/x\nother: correct-horse\n"
    Path("params.yaml").write_text(text)
    secret = {"remote": "http://me:battery-staple@host/x", "other": "correct-horse"}
    with stage_run("train", secret, PROVENANCE, "tracks") as stage:
        pass
    sweep = SweepRuns.open("tracks", "sweep", secret, PROVENANCE, "loss", tmp_path)
    trial = sweep.trial(0, "fixed", secret)
    client = mlflow_client()
    for run_id in (stage.run_id, sweep.parent, trial):
        run = client.get_run(run_id)
        assert PROVENANCE.items() <= run.data.tags.items()
        assert run.data.params == {"remote": "http://me:***@host/x", "other": "***"}
        assert "battery-staple" not in str(run.to_dictionary())
    for run_id in (stage.run_id, sweep.parent):
        kept = Path(client.download_artifacts(run_id, "params.yaml", str(tmp_path))).read_text()
        assert kept == "seed: 1  # of everything\nremote: http://me:***@host/x\nother: ***\n"
