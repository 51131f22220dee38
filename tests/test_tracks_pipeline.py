"""The tracks pipeline, small: it runs, runs nothing again, gives the same bytes from scratch, fills any registry."""

import os
import runpy
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import yaml

import contactlens
from contactlens.base.errors import InputError
from contactlens.base.files import read_json
from contactlens.ops.params import apply_best, load_params
from contactlens.ops.registry.fitted_to import write_fitted_to
from contactlens.ops.runs.tracking import flat_params, mlflow_client
from contactlens.ops.workspace import create_workspace, run_pipeline
from contactlens.tracks.data.dataset import batch_of
from contactlens.tracks.data.track_set import TrackSet
from contactlens.tracks.models.checkpoint import load_model
from pipeline_runs import files_of, lock_of, repro, stages_run
from same_prediction import assert_same_prediction
from stage_script import run_stages
from tiny_pipeline import TINY, registered

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pipeline")
    workspace = create_workspace(folder / "workspace", [TINY], ROOT, "tracks")
    os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/first.db"
    try:
        assert run_pipeline(workspace, ROOT) == 0
    finally:
        del os.environ["MLFLOW_TRACKING_URI"]
    return workspace


@pytest.mark.slow
def test_every_stage_left_its_outputs_and_the_model_is_registered(finished: Path) -> None:
    outputs = lock_of(finished)
    models = {"models/tracks/model.safetensors", "models/tracks/ensemble"}
    assert {"data/tracks", *models, "reports/report.html"} <= set(outputs)
    html = (finished / "reports" / "report.html").read_text()
    assert "<script" not in html and len(html) <= 5_000_000
    registry = registered(finished.parent / "first.db")
    assert list(registry["versions"]) == ["1"]
    assert registry["aliases"]["candidate"] == "1"
    assert "NLL of ensemble less that of " in registry["versions"]["1"]["promotion"]


@pytest.mark.slow
def test_the_registered_version_shows_the_parameters_that_it_was_trained_with(
    finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{finished.parent}/first.db")
    given = load_params(finished / "params.yaml").tracks
    chosen = apply_best(given, yaml.safe_load((finished / "models/tracks/best_params.yaml").read_text()))
    version = mlflow_client().get_model_version_by_alias("tiny", "candidate")
    shown = mlflow_client().get_run(version.run_id).data.params
    assert chosen.model != given.model
    for name in ("model", "gate", "loss", "fit"):
        section = flat_params({"tracks": {name: getattr(chosen, name)}})
        assert {key: shown[key] for key in section} == section
    card = mlflow_client().download_artifacts(version.run_id, "card/model_card.md")
    assert version.tags["git_commit"] in Path(card).read_text() and version.tags["dvc/data/tracks"].endswith(".dir")


@pytest.mark.slow
def test_recalibration_costs_no_likelihood(finished: Path) -> None:
    metrics = read_json(finished / "reports/tracks/metrics.json")
    for form in ("network", "ensemble"):
        raw, recalibrated = (metrics[name]["nll"]["estimate"] for name in (form, f"{form}_recalibrated"))
        assert recalibrated < raw + 0.05, form


@pytest.mark.slow
def test_a_second_run_looks_at_the_registry_alone(finished: Path) -> None:
    assert stages_run(repro(finished, "first.db")) == {"tracks_register"}


@pytest.mark.slow
def test_motifs_are_searched_in_the_champion_and_else_the_reason_is_kept(finished: Path) -> None:
    champion = read_json(finished / "models/tracks/champion/champion.json")
    summary = read_json(finished / "reports/tracks/motifs/summary.json")
    assert champion["champion"] is None and any(reason.startswith("failed: ") for reason in champion["reasons"])
    assert summary == {"patterns": 0, "reason": "no model passes the rules of promotion", "rules": champion["reasons"]}


@pytest.mark.slow
def test_the_registered_model_says_of_the_test_tracks_what_was_evaluated(
    finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{finished.parent}/first.db")
    evaluated = pd.read_parquet(finished / "reports/tracks/predictions.parquet").set_index(["track_id", "frame"])
    tracks = TrackSet.read(finished / "data/tracks")
    test = tracks.frames[tracks.frames["track_id"].isin(evaluated.index.unique("track_id"))]
    model = contactlens.load("models:/tiny@candidate")
    found = model.predict(test.drop(columns="ms2")).set_index(["track_id", "frame"]).loc[evaluated.index]
    assert_same_prediction(found, evaluated, {"mean": "mean", "sd": "sd", "q05": "low90", "q95": "high90"})
    assert_same_prediction(found, evaluated, {name: name for name in ("sd", "aleatoric", "epistemic")})
    assert (found["epistemic"] > 0).all()


@pytest.mark.slow
def test_the_report_is_in_the_run_of_the_registered_version(finished: Path) -> None:
    reports = list(finished.parent.glob("mlartifacts/**/report/report.html"))
    assert [path.read_bytes() for path in reports] == [(finished / "reports/report.html").read_bytes()]


@pytest.mark.slow
def test_with_a_full_cache_and_an_empty_store_the_registry_is_filled(
    finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{finished.parent}/second.db")
    for name in ("data/tracks", "models", "reports"):
        shutil.rmtree(finished / name)
    assert run_pipeline(finished, ROOT) == 0
    first, second = (registered(finished.parent / f"{name}.db") for name in ("first", "second"))
    assert second["aliases"] == first["aliases"]
    assert second["versions"]["1"]["content_hash"] == first["versions"]["1"]["content_hash"]


@pytest.mark.slow
def test_from_scratch_every_output_has_the_same_bytes(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one process, which takes its hashes of data and models from the first run's lock."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{finished.parent}/again.db")
    again = create_workspace(finished.parent / "again", [TINY], ROOT, "tracks")
    shutil.copy(finished / "dvc.lock", again)
    run_stages(again)
    first, second = files_of(finished), files_of(again)
    assert {path for path in first if first[path] != second.get(path)} == set()
    assert set(first) == set(second) and len(first) > 30


@pytest.mark.slow
def test_a_champion_is_scored_as_the_evaluation_scored_it(finished: Path, tmp_path: Path) -> None:
    """The rule compares NLLs on the same data, so the registered files must give the number that was evaluated."""
    register = runpy.run_path(str(ROOT / "pipelines" / "tracks_register.py"))
    folder = finished / "models" / "tracks"
    test = batch_of(TrackSet.read(finished / "data/tracks"), read_json(folder / "splits.json")["test"])
    _, spec = load_model(folder / "model.safetensors")
    metrics = read_json(finished / "reports/tracks/metrics.json")
    y = test.signal.numpy()[test.observed.numpy()].astype("float64")
    champion = register["comparable_champion"]
    with pytest.raises(InputError, match="does not tell what the model was fitted to"):
        champion(folder, spec, test)
    weights = shutil.copytree(folder, tmp_path / "weights")
    write_fitted_to(weights, [])
    # Without a description the files that are there say which form is served.
    for evaluated, missing in (
        ("ensemble_recalibrated", None),
        ("ensemble", "recalibration.json"),
        ("network", "ensemble"),
    ):
        if missing is not None:
            remove(weights / missing)
        for score in ("nll", "crps"):
            expected = metrics[evaluated][score]["estimate"]
            found = getattr(champion(weights, spec, test).signal(test).form, score)(y).mean()
            assert found == pytest.approx(expected, rel=1e-5)
    slower = replace(spec, frame_interval_s=2 * spec.frame_interval_s)
    with pytest.raises(InputError, match="its frames are 30 s apart, not 60 s"):
        champion(weights, slower, test)
    with pytest.raises(InputError, match=r"its signal's unit is a\.u\., not counts"):
        champion(weights, replace(spec, signal_unit="counts"), test)
    with pytest.raises(InputError, match="its task is ep_to_ms2, not toy"):
        champion(weights, replace(spec, task="toy"), test)


def remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()
