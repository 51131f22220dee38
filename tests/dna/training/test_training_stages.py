"""The two training stages: what a run leaves for the next one, and what it doesn't."""

from contextlib import nullcontext
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from contactlens.base.files import write_json
from contactlens.dna.data.batch import batch_of
from contactlens.dna.data.window_set import WindowSet
from contactlens.dna.models.caduceus import CaduceusConfig, CaduceusForMaskedLM, SsmConfig, save_caduceus
from contactlens.dna.models.classifier import load_classifier
from contactlens.dna.simulation.config import SimulationConfig
from contactlens.dna.simulation.simulate import simulate_windows
from contactlens.dna.training import fit
from contactlens.dna.training import pretrain as pretraining
from contactlens.training.loop import Trainer
from stage_script import load_script

ROOT = Path(__file__).parents[3]
CHANGES = {
    "backbone": {"d_model": 8, "n_layer": 1, "d_state": 2},
    "pretrain": {"crops_per_epoch": 16, "validation_crops": 4, "crop_bp": 64},
    "head": {"hidden": 4},
}
STATES = ".checkpoints"


class Run:
    """In place of an MLflow run."""

    def __init__(self, fails: bool = False) -> None:
        self.fails, self.epochs = fails, 0

    def epoch_logger(self) -> Any:
        def log(_: dict[str, float]) -> None:
            self.epochs += 1

        def flush() -> None:
            if self.fails:
                raise ConnectionError("the tracking server is down")

        log.flush = flush  # type: ignore[attr-defined]
        return log


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A few simulated windows, their splits and a backbone, in the current folder."""
    monkeypatch.chdir(tmp_path)
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    for section, changes in CHANGES.items():
        params["dna"][section].update(changes)
    for section in ("pretrain", "fine_tune"):
        params["dna"][section]["trainer"].update(max_epochs=2, threads=1, batch_size=4, device="cpu")
    Path("params.yaml").write_text(yaml.safe_dump(params))
    windows = simulate_windows(SimulationConfig(n_chromosomes=2, n_windows=16, n_unlabelled=2), 0)
    windows.write("data/dna")
    by_chromosome = [group["window_id"].tolist() for _, group in windows.windows.groupby("chrom")]
    write_json("models/dna/splits.json", dict(zip(("train", "validation"), by_chromosome, strict=True)))
    for name in ("best_pretraining", "best_params"):
        Path(f"models/dna/{name}.yaml").write_text("{}\n")
    torch.manual_seed(0)
    architecture = CaduceusConfig(d_model=8, n_layer=1, ssm_cfg=SsmConfig(d_state=2))
    save_caduceus(CaduceusForMaskedLM(architecture), "models/dna/pretrained")
    return tmp_path


STAGES = [
    ("dna_fine_tune", "models/dna/classifier/head.safetensors", fit, "binary_cross_entropy_with_logits"),
    ("dna_pretrain", "models/dna/pretrained/model.safetensors", pretraining, "cross_entropy"),
]


@pytest.mark.parametrize(("stage", "weights", "module", "loss"), STAGES, ids=["fine_tune", "pretrain"])
def test_a_finished_stage_leaves_no_state_so_that_another_loss_is_trained(
    stage: str, weights: str, module: ModuleType, loss: str, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(run: Run) -> bytes:
        monkeypatch.setattr(pipeline, "stage_run", lambda *_: nullcontext(run))
        monkeypatch.setattr(pipeline, "provenance", lambda *_: {})
        pipeline.main()
        return (project / weights).read_bytes()

    pipeline = load_script(stage)
    first = Run()
    before = run(first)
    assert first.epochs == 2 and list((project / STATES).rglob("*.pt")) == []
    usual = getattr(module.F, loss)
    other = SimpleNamespace(**{**vars(module.F), loss: lambda *args, **named: usual(*args, **named) ** 2})
    monkeypatch.setattr(module, "F", other)
    second = Run()
    assert run(second) != before
    assert second.epochs == 2


def test_a_stage_that_fails_after_training_keeps_its_epochs(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = load_script("dna_fine_tune")
    monkeypatch.setattr(pipeline, "provenance", lambda *_: {})
    for run in (Run(fails=True), Run()):
        monkeypatch.setattr(pipeline, "stage_run", lambda *_, run=run: nullcontext(run))
        if run.fails:
            with pytest.raises(ConnectionError):
                pipeline.main()
            assert run.epochs == 2 and len(list((project / STATES).rglob("*.pt"))) == 2
            monkeypatch.setattr(Trainer, "epoch", None)  # another one would fail
        else:
            pipeline.main()
            assert run.epochs == 2 and list((project / STATES).rglob("*.pt")) == []
    assert (project / "models/dna/classifier/head.safetensors").is_file()


def test_a_classifier_of_a_short_context_is_trained_by_the_stage(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`dna.context_bp` arrives; what is saved scores windows by their elements and 5 bases beside them alone."""
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["dna"]["context_bp"] = 5
    Path("params.yaml").write_text(yaml.safe_dump(params))
    pipeline = load_script("dna_fine_tune")
    monkeypatch.setattr(pipeline, "stage_run", lambda *_: nullcontext(Run()))
    monkeypatch.setattr(pipeline, "provenance", lambda *_: {})
    pipeline.main()
    model, batch = load_classifier("models/dna/classifier"), batch_of(WindowSet.read("data/dna"))
    assert model.context_bp == 5
    table = WindowSet.read("data/dna").windows
    place, seen = np.arange(batch.length), np.zeros(batch.ids.shape, dtype=bool)
    for name in ("enh", "prom"):
        start, end = (table[f"{name}_rel_{edge}"].to_numpy()[:, None] for edge in ("start", "end"))
        seen |= (place >= start - 5) & (place < end + 5)
    other = torch.where(torch.from_numpy(seen), batch.ids, batch.ids.flip(0))
    assert (other != batch.ids).any()
    assert torch.equal(model(other, batch.regions), model(batch.ids, batch.regions))


def test_the_stage_trains_with_the_best_values_of_the_sweep(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They count where they were searched; what the sweep did not choose is as in params.yaml."""
    Path("models/dna/best_params.yaml").write_text("head_hidden: 5\nlearning_rate: 0.001\nlabel_smoothing: 0.1\n")
    pipeline, used = load_script("dna_fine_tune"), []

    def tune(*given: Any, **named: Any) -> Any:
        used.append(given[3])
        return fit.fine_tune(*given, **named)

    monkeypatch.setattr(pipeline, "fine_tune", tune)
    monkeypatch.setattr(pipeline, "stage_run", lambda *_: nullcontext(Run()))
    monkeypatch.setattr(pipeline, "provenance", lambda *_: {})
    pipeline.main()
    assert load_classifier("models/dna/classifier").head.config.hidden == 5
    (config,) = used
    assert (config.trainer.learning_rate, config.label_smoothing, config.trainer.max_epochs) == (0.001, 0.1, 2)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stage", "tables"),
    [("dna_fine_tune", ("history", "roc_per_epoch")), ("dna_pretrain", ("pretrain_history", "pretrain_loss"))],
    ids=["fine_tune", "pretrain"],
)
def test_two_workers_leave_what_one_process_does(
    stage: str, tables: tuple[str, ...], project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By Ray Train, from the working folder's own files. Without dropout fine-tuning draws nothing, and gives the same
    numbers; crops are drawn by each worker, so that of pre-training losses are alike, and not the same.
    """
    pipeline, found = load_script(stage), []
    section = stage.removeprefix("dna_")
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["dna"]["fine_tune"]["dropout"] = 0.0
    monkeypatch.setattr(pipeline, "provenance", lambda *_: {})
    for workers in (1, 2):
        params["dna"][section] |= {"workers": workers, "checkpoint_steps": 1}
        Path("params.yaml").write_text(yaml.safe_dump(params))
        run = Run()
        monkeypatch.setattr(pipeline, "stage_run", lambda *_, run=run: nullcontext(run))
        pipeline.main()
        assert run.epochs == 2 and not (project / STATES / section).exists()
        found.append([pd.read_csv(f"reports/dna/{name}.csv") for name in tables])
    tolerance = 1e-4 if section == "fine_tune" else 0.2
    for alone, together in zip(
        *([one.drop(columns="validation_perplexity", errors="ignore") for one in each] for each in found), strict=True
    ):
        pd.testing.assert_frame_equal(together, alone, rtol=0, atol=tolerance)
