"""The stage that registers the DNA model, on a real MLflow store: later stages get the champion's files alone."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
import torch
from tiny_fine_tuning import CONFIG, TRAINER

from contactlens.base.errors import InputError
from contactlens.base.files import read_json, write_json
from contactlens.calibration.classification import Platt, classification_scores
from contactlens.dna.data.batch import batch_of
from contactlens.dna.data.config import CheckLimits
from contactlens.dna.data.genome import Genome
from contactlens.dna.data.window_set import WindowSet
from contactlens.dna.explanation.attributions import Attributions, read_attributions_by, write_attributions
from contactlens.dna.models.caduceus import Caduceus, CaduceusConfig
from contactlens.dna.models.caduceus.config import SsmConfig
from contactlens.dna.models.classifier import WindowClassifier, save_classifier
from contactlens.dna.models.config import HeadConfig
from contactlens.dna.training.config import FineTuneConfig
from contactlens.dna.training.fit import predict
from contactlens.ops.registry.register import Registered
from contactlens.ops.registry.rules import ClassifierRules
from contactlens.ops.runs.tracking import mlflow_client
from stage_script import load_script

LENGTH, N = 60, 40
IDS = [f"w{i}" for i in range(N)]
TEST, EXPLAINED = IDS[10:], [IDS[k] for k in (31, 7, 12)]
RULES = ClassifierRules("dna", "network_recalibrated", ("cnn_recalibrated",), min_auroc=0.3, max_ece=0.9)
OWN = {"learning_rate": 0.01, "weight_decay": 0.0, "batch_size": 8, "max_epochs": 1, "patience": 1, "warmup_share": 0.0}
FINE_TUNE = replace(CONFIG, trainer=replace(TRAINER, **OWN))
GOOD, POOR = 5, 2  # seeds of networks


@dataclass(frozen=True)
class Section:
    window_bp: int


@dataclass(frozen=True)
class Dna:
    fine_tune: FineTuneConfig
    promotion: ClassifierRules
    motifs: Section
    checks: CheckLimits = CheckLimits(0.1, 0.1, 1.0, 1.0, 1)  # noqa: RUF009 (frozen)

    swept = ()

    def rules(self, task: str) -> ClassifierRules:
        return self.promotion

    def section_changes(self, values: dict[str, Any]) -> dict[str, Any]:
        return {}


@dataclass(frozen=True)
class Params:
    seed: int
    dna: Dna


def params(name: str, seed: int = 1, **rules: Any) -> Params:
    promotion = replace(RULES, registered_model=name, **rules)
    return Params(seed, Dna(FINE_TUNE, promotion, Section(200)))


def a_model(seed: int, task: Any = "pair") -> WindowClassifier:
    torch.manual_seed(seed)
    backbone = Caduceus(CaduceusConfig(d_model=8, n_layer=1, ssm_cfg=SsmConfig(d_state=4)))
    return WindowClassifier(backbone, task, HeadConfig(8)).eval()


def windows_of(task: Any = "pair") -> WindowSet:
    """Windows along two chromosomes, the label is what the good network says of them, and one planted motif each."""
    rng = np.random.default_rng(0)
    chromosomes = {name: "".join(rng.choice(list("ACGT"), N * LENGTH)) for name in ("c1", "c2")}
    start = LENGTH * np.arange(N)
    table = pd.DataFrame({"window_id": IDS, "chrom": np.where(np.arange(N) % 2, "c1", "c2"), "win_start": start})
    table = table.assign(win_end=start + LENGTH, enh_rel_start=0, enh_rel_end=25, prom_rel_start=30, prom_rel_end=60)
    table = table.assign(label=0, record=table["chrom"], record_start=0)
    planted = pd.DataFrame({"window_id": IDS, "motif_id": "MA0139.1", "name": "CTCF", "start": 5, "end": 24})
    planted = planted.assign(strand="+", element="enhancer")
    pairs = WindowSet("pair", table, Genome.of(chromosomes), "toy", {}, planted)
    logit = predict(a_model(GOOD), batch_of(pairs), 8)
    windows = table.assign(label=(logit > np.median(logit)).astype(np.int64))
    if task == "region":
        windows = windows.drop(columns=[name for name in windows if "_rel_" in name])
    return replace(pairs, task=task, windows=windows)


def write_outputs(folder: Path, seed: int, task: Any = "pair", splits: Any = None) -> None:
    """What the stages before leave in `folder`, of the network of this seed."""
    models, reports = folder / "models/dna", folder / "reports/dna"
    model, windows, platt = a_model(seed, task), windows_of(task), Platt(1.5, 0.1)
    windows.write(folder / "data/dna")
    write_json(models / "splits.json", splits or {"train": IDS[:10], "test": TEST})
    save_classifier(model, models / "classifier")
    write_json(models / "recalibration.json", platt.to_json())
    test = windows.select(TEST)
    logit = platt(predict(model, batch_of(test), FINE_TUNE.trainer.batch_size))
    scores = classification_scores(test.windows["label"].to_numpy(), logit, 5)
    row = {name: {"estimate": float(score(np.ones((1, logit.size)))[0]), "low": None} for name, score in scores.items()}
    row["auroc_minus_cnn_recalibrated"] = {"estimate": 0.2, "low": 0.1, "high": 0.3}
    write_json(reports / "metrics.json", {"network_recalibrated": row})
    history = pd.DataFrame({"epoch": [0, 1], "train_loss": [0.7, 0.6], "validation_auroc": [0.5, float("nan")]})
    history.to_csv(reports / "history.csv", index=False)
    for name in ("best_pretraining", "best_params"):
        (models / f"{name}.yaml").write_text("{}\n")
    for name in ("metrics", "pretraining_trials", "trials", "roc_per_epoch", "faithfulness", "method_checks"):
        (reports / f"{name}.csv").write_text(f"{name}\n")
    write_json(reports / "validation.json", {"passed": True})
    (reports / "data_docs").mkdir(exist_ok=True)
    (reports / "data_docs" / "index.html").write_text("docs")
    rng = np.random.default_rng(seed)
    contributions = rng.normal(size=(len(EXPLAINED), LENGTH, 4)).astype(np.float32)
    found = Attributions(np.array(EXPLAINED), rng.normal(size=3), contributions, np.ones(contributions.shape))
    write_attributions(reports / "attributions.npz", {"lrp": found})


class Step(NamedTuple):
    done: Registered
    files: dict[str, bytes]  # of the champion's folder
    aliases: dict[str, int]
    stages: dict[int, str]

    @property
    def champion(self) -> Any:
        return json.loads(self.files["champion.json"])


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
        patch.delenv("MLFLOW_RUN_ID", raising=False)
        mlflow_client().search_experiments()
        shutil.copy(folder / "mlflow.db", folder / "empty.db")  # to make one takes MLflow longer than all else here
        yield folder


@pytest.fixture(autouse=True)
def _store(store: Path) -> None:
    """Every test here writes to the module's store."""


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return load_script("dna_register")


def run(script: ModuleType, folder: Path, settings: Params) -> Step:
    """The stage in `folder`, and what it left."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(script, "load_params", lambda: settings)
        kept = folder / "kept"
        done = script.register(settings, WindowSet.read("data/dna"), kept)
    champion = folder / "models/dna/champion"
    files = {str(p.relative_to(champion)): p.read_bytes() for p in sorted(champion.rglob("*")) if p.is_file()}
    client = mlflow_client()
    aliases = {alias: int(v) for alias, v in client.get_registered_model(done.name).aliases.items()}
    versions = client.search_model_versions(f"name = '{done.name}'")
    return Step(done, files, aliases, {int(version.version): version.tags["stage"] for version in versions})


@pytest.fixture(scope="module")
def story(script: ModuleType, store: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Step]:
    """One model name over time; the folders hold what each network's pipeline left."""
    good, poor = (tmp_path_factory.mktemp(name) for name in ("good", "poor"))
    write_outputs(good, GOOD)
    write_outputs(poor, POOR)
    steps = {
        "first": run(script, poor, params("story")),
        "again": run(script, poor, params("story")),
        "better": run(script, good, params("story")),
        "worse": run(script, poor, params("story", seed=2)),
        "equal": run(script, good, params("story", seed=3)),
    }
    other_motifs = params("story", seed=3)
    other_motifs = replace(other_motifs, dna=replace(other_motifs.dna, motifs=Section(100)))
    return {**steps, "other motifs": run(script, good, other_motifs)}


def test_an_empty_store_is_filled_once(story: dict[str, Step]) -> None:
    first, again = story["first"], story["again"]
    assert first.done.created and first.done.decision.promote
    assert (first.aliases, first.stages) == ({"candidate": 1, "champion": 1}, {1: "Production"})
    assert replace(again.done, created=True) == first.done and not again.done.created
    assert again[1:] == first[1:]


def test_a_version_keeps_everything(story: dict[str, Step], tmp_path: Path) -> None:
    client, run_id = mlflow_client(), story["first"].done.run_id
    run = client.get_run(run_id)
    assert client.get_experiment(run.info.experiment_id).name == "dna"
    assert run.data.params["dna.promotion.min_auroc"] == "0.3"
    assert [(m.step, m.value) for m in client.get_metric_history(run_id, "train_loss")] == [(0, 0.7), (1, 0.6)]
    assert [m.step for m in client.get_metric_history(run_id, "validation_auroc")] == [0]
    root = Path(client.download_artifacts(run_id, "", str(tmp_path)))
    found = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    classifier = ("config.json", "model.safetensors", "classifier.json", "head.safetensors")
    assert found >= {f"weights/classifier/{name}" for name in classifier}
    assert found >= {f"weights/{name}" for name in ("recalibration.json", "metrics.json")}
    assert found >= {f"tables/{name}.csv" for name in ("metrics", "history", "roc_per_epoch", "faithfulness")}
    assert found >= {"validation/validation.json", "validation/data_docs/index.html", "promotion.json"}
    assert found >= {f"analysis/{name}" for name in story["first"].files if name != "champion.json"}
    tags = client.get_model_version("story", "1").tags
    card = (root / "card" / "model_card.md").read_text()
    told = f"Made at commit `{tags['git_commit']}` from `data/dna` of DVC hash `{tags['dvc/data/dna']}`."
    assert told in card and run.data.tags["dvc/data/dna"] == tags["dvc/data/dna"]


def test_a_better_model_takes_over_with_its_own_attributions(story: dict[str, Step]) -> None:
    first, better = story["first"], story["better"]
    assert (better.aliases, better.stages) == ({"candidate": 2, "champion": 2}, {1: "Archived", 2: "Production"})
    assert better.champion["metrics"]["auroc"]["estimate"] == 1 > first.champion["metrics"]["auroc"]["estimate"]
    assert better.champion["champion"] != first.champion["champion"]
    assert better.files["attributions.npz"] != first.files["attributions.npz"]


def test_a_worse_model_leaves_every_byte_of_the_champions_folder(story: dict[str, Step]) -> None:
    better, worse = story["better"], story["worse"]
    assert worse.done.created and not worse.done.decision.promote
    assert worse.aliases == {"candidate": 3, "champion": 2}
    assert worse.files == better.files
    failed = [reason for reason in worse.done.decision.reasons if reason.startswith("failed")]
    assert len(failed) == 1 and "is not at least the champion's on the same data, 1" in failed[0]


def test_the_same_network_under_other_params_equals_the_champion_exactly(story: dict[str, Step]) -> None:
    """Scoring the champion from its registered files gives the very number of the evaluation."""
    equal = story["equal"]
    assert equal.aliases == {"candidate": 4, "champion": 4}
    assert "passed: AUROC of network_recalibrated, 1, is at least the champion's" in " ".join(equal.champion["reasons"])


def test_how_motifs_are_sought_makes_no_other_version(story: dict[str, Step]) -> None:
    assert not story["other motifs"].done.created
    assert story["other motifs"].files == story["equal"].files


def test_champion_json_tells_nothing_of_the_store(story: dict[str, Step]) -> None:
    champion = story["better"].champion
    assert set(champion) == {"champion", "metrics", "reasons"}
    assert len(champion["champion"]) == 64 and all(reason.startswith("passed") for reason in champion["reasons"])
    assert story["better"].done.run_id.encode() not in story["better"].files["champion.json"]


def test_the_motif_stage_can_read_what_it_needs(story: dict[str, Step], tmp_path: Path) -> None:
    for name, content in story["worse"].files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    found = WindowSet.read(tmp_path / "windows")
    expected = windows_of().select(EXPLAINED)
    assert found.sequences() == expected.sequences()
    assert found.genome.lengths == {f"window_{i}": LENGTH for i in range(3)}
    kept = [name for name in expected.windows if not name.startswith("record")]
    pd.testing.assert_frame_equal(found.windows[kept], expected.windows[kept], check_dtype=False)
    assert found.planted is not None and set(found.planted["window_id"]) == set(EXPLAINED)
    assert read_attributions_by(tmp_path / "attributions.npz", "lrp").window_ids.tolist() == EXPLAINED


def test_another_store_gives_the_same_bytes(
    story: dict[str, Step], store: Path, script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_outputs(tmp_path, POOR)
    shutil.copy(store / "empty.db", tmp_path / "other.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/other.db")
    assert run(script, tmp_path, params("story")).files == story["first"].files


def test_without_a_champion_the_candidate_is_analysed(script: ModuleType, tmp_path: Path) -> None:
    write_outputs(tmp_path, POOR)
    step = run(script, tmp_path, params("nobody", min_auroc=0.99))
    assert {"attributions.npz", "windows/windows.parquet"} <= set(step.files) and step.aliases == {"candidate": 1}
    assert step.champion == {"champion": None, "reasons": step.done.decision.reasons}
    assert any(reason.startswith("failed") for reason in step.champion["reasons"])


def test_a_champion_of_another_task_or_without_its_files_stops_promotion(script: ModuleType, tmp_path: Path) -> None:
    write_outputs(tmp_path, GOOD)
    first = run(script, tmp_path, params("tasks"))
    write_outputs(tmp_path, GOOD, task="region")
    region = run(script, tmp_path, params("tasks", min_auroc=0.0, must_beat=(), max_ece=1.0))
    assert first.done.decision.promote and not region.done.decision.promote
    assert "can't be scored on these data" in " ".join(region.done.decision.reasons)
    assert region.files == first.files
    artifacts = mlflow_client().get_run(first.done.run_id).info.artifact_uri.removeprefix("file://")
    shutil.rmtree(Path(artifacts) / "analysis")
    with pytest.raises(InputError, match=r"champion, version 1: its run .* does not give analysis"):
        run(script, tmp_path, params("tasks", min_auroc=0.0, must_beat=(), max_ece=1.0))


def test_a_champion_is_not_evaluated_on_windows_that_it_was_fitted_to(script: ModuleType, tmp_path: Path) -> None:
    """Another split of the same data: the champion's score there would be that of training windows."""
    write_outputs(tmp_path, POOR, splits={"train": IDS[:10], "calibration": IDS[10:12], "test": IDS[12:]})
    first = run(script, tmp_path, params("splits"))
    write_outputs(tmp_path, GOOD, splits={"train": IDS[20:], "test": IDS[11:20]})
    other = run(script, tmp_path, params("splits"))
    assert first.done.decision.promote and not other.done.decision.promote
    assert "the model was fitted to" in " ".join(other.done.decision.reasons)
    write_outputs(tmp_path, GOOD, splits={"train": IDS[:10], "test": IDS[12:20]})
    fair = run(script, tmp_path, params("splits"))
    assert fair.done.decision.promote and "the champion's on the same data" in " ".join(fair.done.decision.reasons)


def test_metrics_without_the_number_are_registered_and_not_promoted(script: ModuleType, tmp_path: Path) -> None:
    write_outputs(tmp_path, GOOD)
    metrics = read_json(tmp_path / "reports/dna/metrics.json")
    metrics["network_recalibrated"]["auroc"] = {"estimate": None, "low": 0.9}
    write_json(tmp_path / "reports/dna/metrics.json", metrics)
    step = run(script, tmp_path, params("no number"))
    assert step.done.created and step.champion["champion"] is None
    assert sum(reason.startswith("failed: AUROC") for reason in step.champion["reasons"]) == 1


def test_malformed_metrics_are_refused_and_nothing_is_registered(script: ModuleType, tmp_path: Path) -> None:
    write_outputs(tmp_path, GOOD)
    write_json(tmp_path / "reports/dna/metrics.json", {"network_recalibrated": {"auroc": 0.9}})
    with pytest.raises(InputError, match=r"reports/dna/metrics\.json: must hold"):
        run(script, tmp_path, params("malformed"))
    assert mlflow_client().search_model_versions("name = 'malformed'") == []
    assert not (tmp_path / "models/dna/champion").exists()


def test_the_stage_prints_what_it_did(
    story: dict[str, Step], script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_outputs(tmp_path, POOR)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        patch.setattr(script, "load_params", lambda: params("story", seed=2))
        script.main()
    printed = capsys.readouterr().out
    assert "story version 3 was registered before; not promoted; the champion is version 4" in printed
    assert "failed: AUROC of network_recalibrated" in printed
