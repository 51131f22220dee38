"""A real MLflow registry on SQLite: filled once, promoted by rules, and filled again from files alone."""

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from contactlens.base.errors import InputError
from contactlens.base.files import write_json
from contactlens.ops.registry.champion import standing, write_registered
from contactlens.ops.registry.register import (
    Candidate,
    Registered,
    attach,
    looks_at_test,
    metric_values,
    read_metrics,
    sync_registry,
)
from contactlens.ops.registry.rules import Difference, PromotionRules
from contactlens.ops.runs.tracking import mlflow_client

RULES = PromotionRules(
    "tracks", "network", ("constant_gaussian",), max_coverage_error_90=0.05, max_mace=0.05, min_groups=4, score="nll"
)
C, T = 4, 12


class ToyModel(nn.Module):
    """Mean and log-variance from one convolution over the observed frames."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.conv = nn.Conv1d(C, 2, 3, padding=1)

    def forward(self, x: Tensor, observed: Tensor) -> Tensor:
        return self.conv(x * observed[:, None])


@pytest.fixture(autouse=True)
def _store(store: Path) -> None:
    """Every test here writes to the module's store."""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
        patch.delenv("MLFLOW_RUN_ID", raising=False)
        yield folder


Make = Callable[..., Candidate]


def log_toy(folder: Path) -> Any:
    """What is registered is the branch's concern: here code that no test runs, with the weights beside it."""
    import mlflow.pyfunc

    code = folder / "model.py"
    code.write_text("from mlflow.models import set_model\nset_model(lambda model_input: model_input)\n")
    weights = {"weights": str(folder / "model.safetensors")}
    return mlflow.pyfunc.log_model(
        name="model", python_model=str(code), artifacts=weights, input_example=None, pip_requirements=[]
    )


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def candidate(seed: int, nll: float, params: Any = None) -> Candidate:
        folder = tmp_path / f"outputs_{seed}_{nll}"
        (folder / "figures").mkdir(parents=True, exist_ok=True)
        (folder / "figures" / "gate_midpoint.png").write_bytes(b"png")
        model = ToyModel(seed)
        save_file(model.state_dict(), folder / "model.safetensors")
        row = {"nll": nll, "coverage_90": 0.9, "mace": 0.01, "ence": None, "nll_minus_constant_gaussian": nll - 1.4}
        interval = {name: {"estimate": v, "low": v, "high": v} for name, v in row.items()}
        write_json(folder / "metrics.json", {"network": interval, "constant_gaussian": {"nll": {"estimate": 1.4}}})
        write_json(folder / "recalibration.json", {})
        history = {"seed": [1, 1, 2], "epoch": [0, 1, 0], "validation_nll": [2.0, 1.0, math.nan]}
        pd.DataFrame(history).to_csv(folder / "history.csv", index=False)
        return Candidate(
            log_model=lambda: log_toy(folder),
            weights=[folder / "model.safetensors", folder / "recalibration.json"],
            metrics=folder / "metrics.json",
            history=folder / "history.csv",
            params=params or {"seed": 7, "fit": {"learning_rate": 0.1}},
            tags={"git_commit": "abc", "seed": "7", "dvc/data/tracks": "0123.dir", "dvc/models/splits.json": "45"},
            artifacts={"reports": [folder / "figures", folder / "metrics.json"]},
            test_split="split",
        )

    return candidate


def no_champion(folder: Path) -> float:
    raise AssertionError("there is no champion to score")


def state(name: str) -> tuple[dict[str, int], dict[int, str]]:
    client = mlflow_client()
    aliases = {alias: int(number) for alias, number in client.get_registered_model(name).aliases.items()}
    versions = client.search_model_versions(f"name = '{name}'")
    return aliases, {int(version.version): version.tags["stage"] for version in versions}


@pytest.fixture
def first(make: Make, request: pytest.FixtureRequest) -> tuple[Candidate, PromotionRules, Registered]:
    """A promoted first version under a name of the test's own."""
    rules, candidate = replace(RULES, registered_model=request.node.name), make(1, 1.0)
    return candidate, rules, sync_registry(candidate, rules, no_champion)


First = tuple[Candidate, PromotionRules, Registered]


def test_a_first_good_model_becomes_candidate_and_champion(first: First) -> None:
    _, rules, registered = first
    assert registered.created and registered.decision.promote and registered.version == 1
    assert state(rules.registered_model) == ({"candidate": 1, "champion": 1}, {1: "Production"})


def test_its_run_holds_params_metrics_curves_and_files(first: First, tmp_path: Path) -> None:
    candidate, _, registered = first
    client = mlflow_client()
    run = client.get_run(registered.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params == {"seed": "7", "fit.learning_rate": "0.1"}
    assert run.data.metrics["network/nll_high"] == 1.0
    assert run.data.metrics["constant_gaussian/nll"] == 1.4
    assert "network/ence" not in run.data.metrics
    curve = client.get_metric_history(registered.run_id, "validation_nll/seed_1")
    assert [(m.step, m.value) for m in curve] == [(0, 2.0), (1, 1.0)]
    files = Path(client.download_artifacts(registered.run_id, "", str(tmp_path)))
    found = {str(path.relative_to(files)) for path in files.rglob("*") if path.is_file()}
    assert {"reports/figures/gate_midpoint.png", "reports/metrics.json", "weights/model.safetensors"} <= found
    assert [(files / "weights" / path.name).read_bytes() for path in candidate.weights] == [
        path.read_bytes() for path in candidate.weights
    ]
    promotion = json.loads((files / "promotion.json").read_text())
    assert promotion["promote"] and promotion["reasons"] == registered.decision.reasons
    assert run.info.run_name == "register version 1: promoted"
    note = run.data.tags["mlflow.note.content"]
    assert f"#/models/{registered.name}/versions/1" in note and all(why in note for why in promotion["reasons"])


def test_a_version_tells_code_data_and_pipeline_as_its_run_does(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text("seed: 7\n")
    registered = sync_registry(make(1, 1.0), replace(RULES, registered_model="origin"), no_champion)
    version = mlflow_client().get_model_version("origin", str(registered.version)).tags
    run = mlflow_client().get_run(registered.run_id).data.tags
    assert (version["git_commit"], version["dvc/data/tracks"]) == ("abc", "0123.dir")
    assert version["pipeline_run"] == run["pipeline_run"] and version["content_hash"] == run["content_hash"]
    assert set(version) & {"seed", "dvc/models/splits.json"} == set()


def test_what_the_pipeline_keeps_of_a_version_does_not_depend_on_the_registrys_history(
    first: First, tmp_path: Path
) -> None:
    candidate, rules, registered = first
    for looks in (1, 5):
        write_registered(candidate, replace(registered, test_looks=looks), tmp_path / f"{looks}.json")
        kept = {"registered_model": rules.registered_model, "content_hash": candidate.content_hash()}
        assert json.loads((tmp_path / f"{looks}.json").read_text()) == kept
    assert (tmp_path / "1.json").read_bytes() == (tmp_path / "5.json").read_bytes()


def test_running_again_changes_nothing(first: First) -> None:
    candidate, rules, registered = first
    again = sync_registry(candidate, rules, no_champion)
    assert not again.created
    assert replace(again, created=True) == registered
    assert state(rules.registered_model) == ({"candidate": 1, "champion": 1}, {1: "Production"})


def test_a_better_model_takes_over_and_the_old_one_is_archived(first: First, make: Make) -> None:
    _, rules, _ = first
    seen: list[dict[str, Tensor]] = []

    def score(folder: Path) -> float:
        seen.append(load_file(folder / "model.safetensors"))
        return 0.95

    better = sync_registry(make(2, 0.9), rules, score)
    assert better.decision.promote
    torch.testing.assert_close(seen[0], dict(ToyModel(1).state_dict()))
    assert state(rules.registered_model) == (
        {"candidate": 2, "champion": 2},
        {1: "Archived", 2: "Production"},
    )


def of_another_task(folder: Path) -> float:
    raise InputError("its task is another")


@pytest.mark.parametrize("beside", [lambda folder: 0.8, lambda folder: Difference(-0.1, -0.3, 0.1), of_another_task])
def test_a_model_not_shown_to_be_better_stays_candidate(
    first: First, make: Make, beside: Callable[[Path], float]
) -> None:
    _, rules, _ = first
    worse = sync_registry(make(2, 0.9), rules, beside)
    assert not worse.decision.promote
    name = rules.registered_model
    assert state(name) == ({"candidate": 2, "champion": 1}, {1: "Production", 2: "Staging"})
    failed = [reason for reason in worse.decision.reasons if reason.startswith("failed")]
    assert len(failed) == 1 and "champion" in failed[0]
    assert failed[0] in mlflow_client().get_model_version(name, "2").description


def test_other_params_are_another_version(first: First, make: Make) -> None:
    _, rules, _ = first
    assert sync_registry(make(1, 1.0, params={"seed": 8}), rules, lambda folder: 1.0).version == 2


def test_a_decision_cut_short_is_taken_up_again(first: First) -> None:
    candidate, rules, registered = first
    mlflow_client().delete_model_version_tag(rules.registered_model, "1", "promotion")
    again = sync_registry(candidate, rules, no_champion)
    assert not again.created and again.decision == registered.decision


def test_metrics_are_flattened_without_what_is_absent() -> None:
    metrics = {"network": {"nll": {"estimate": 1.0, "low": 0.5, "high": None}}}
    assert metric_values(metrics) == {"network/nll": 1.0, "network/nll_low": 0.5}


def test_every_byte_of_the_weights_the_metrics_and_the_params_counts_but_no_other(make: Make, tmp_path: Path) -> None:
    folder = tmp_path / "classifier"
    (folder / "deeper").mkdir(parents=True)
    (folder / "head").write_bytes(b"a")
    (folder / "deeper" / "body").write_bytes(b"b")
    candidate = make(1, 1.0)
    candidate = replace(candidate, weights=[folder, *candidate.weights])
    seen = {candidate.content_hash()}

    def note(changed: Candidate) -> None:
        before = len(seen)
        seen.add(changed.content_hash())
        assert len(seen) == before + 1

    note(replace(candidate, params={"seed": 8}))
    note(replace(candidate, weights=candidate.weights[1:]))
    for path in (folder / "deeper" / "body", *candidate.weights[1:], candidate.metrics):
        kept = path.read_bytes()
        path.write_bytes(kept + b" ")
        note(candidate)
        path.write_bytes(kept)
    (folder / "deeper" / "body").rename(folder / "deeper" / "bodies")
    note(candidate)
    (folder / "deeper" / "bodies").rename(folder / "deeper" / "body")
    assert replace(candidate, tags={}, artifacts={}, history=tmp_path).content_hash() in seen


@pytest.mark.parametrize("content", ["{", "[]", '{"network": 1.0}', '{"network": {"nll": {"estimate": "low"}}}'])
def test_a_file_that_is_no_metrics_is_refused_by_name(content: str, tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text(content)
    with pytest.raises(InputError, match=r"metrics\.json: must hold \{model: \{metric:"):
        read_metrics(tmp_path / "metrics.json")


def test_what_is_made_later_goes_to_the_versions_run_once_and_again_where_it_changed(
    first: First, tmp_path: Path
) -> None:
    candidate, rules, registered = first
    report, name = tmp_path / "report.html", rules.registered_model
    report.write_text("<p>first</p>")
    later = {"report": [report], "figures": [tmp_path / "not there"]}

    def kept() -> str:
        return Path(mlflow_client().download_artifacts(registered.run_id, "report/report.html")).read_text()

    assert attach(name, candidate.content_hash(), later)
    assert kept() == "<p>first</p>" and not attach(name, candidate.content_hash(), later)
    report.write_text("<p>second</p>")
    assert attach(name, candidate.content_hash(), later) and kept() == "<p>second</p>"
    with pytest.raises(InputError, match=f"{name}: no version with content hash 0; run the stage that registers it"):
        attach(name, "0", later)


def test_every_decision_on_a_test_split_is_counted_once(first: First, make: Make) -> None:
    candidate, rules, registered = first
    assert registered.test_looks == 1 and looks_at_test(candidate, rules.registered_model) == 1
    second = make(2, 0.9)
    assert looks_at_test(second, rules.registered_model) == 2  # known before it is registered, for its card
    assert sync_registry(second, rules, lambda folder: Difference(-0.1, -0.2, -0.05)).test_looks == 2
    assert sync_registry(candidate, rules, no_champion).test_looks == 1  # decided before
    assert sync_registry(second, rules, no_champion).test_looks == 2
    elsewhere = replace(make(3, 0.8), test_split="another")
    assert sync_registry(elsewhere, rules, lambda folder: 0.7).test_looks == 1
    assert looks_at_test(make(4, 0.7), rules.registered_model) == 3
    tags = mlflow_client().get_registered_model(rules.registered_model).tags
    assert (tags["test_looks.split"], tags["test_looks.another"]) == ("2", "1")


def test_going_back_to_an_earlier_model_says_which_one_is_the_champion(first: First, make: Make) -> None:
    candidate, rules, registered = first
    assert standing(registered) == "the champion"
    better = sync_registry(make(2, 0.9), rules, lambda folder: Difference(-0.1, -0.2, -0.05))
    assert standing(better) == "the champion"
    again = sync_registry(candidate, rules, no_champion)
    assert again.decision.promote  # once, when there was no better one
    assert standing(again) == "was promoted once; the champion is version 2"
    worse = sync_registry(make(3, 0.95), rules, lambda folder: Difference(0.1, 0.05, 0.2))
    assert standing(worse) == "not promoted; the champion is version 2"
