"""The DNA branch's optimiser, and which states its trainings take up."""

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from contactlens.dna.models.caduceus import Caduceus, CaduceusConfig, SsmConfig
from contactlens.dna.models.classifier import WindowClassifier
from contactlens.dna.models.config import HeadConfig
from contactlens.dna.training import trainer
from contactlens.dna.training.config import RunConfig, TrainerConfig
from contactlens.dna.training.trainer import adamw, trainer_of
from contactlens.training.trainable import Validation

CONFIG = TrainerConfig(
    learning_rate=0.1,
    weight_decay=0.01,
    batch_size=4,
    accumulate=1,
    max_epochs=4,
    patience=4,
    warmup_share=0.1,
    gradient_clip=10.0,
    amp=False,
    device="cpu",
    threads=1,
)
RUN = RunConfig(workers=1, checkpoint_steps=0, trainer=CONFIG)


@dataclass
class Flat:
    """A classifier whose loss has no gradient, and whose score falls with every epoch."""

    model: WindowClassifier
    config: TrainerConfig
    n_rows: int = 4
    criterion: str = "validation_loss"
    epochs: int = 0

    def optimizer(self) -> torch.optim.Optimizer:
        return adamw(self.model, self.config)

    def terms(self, rows: Tensor, random: torch.Generator, epoch: int) -> dict[str, Tensor]:
        return {"loss": torch.stack([0 * p.sum() for p in self.model.parameters()]).sum()}

    def validate(self) -> Validation:
        self.epochs += 1
        return Validation({"validation_loss": -float(self.epochs)})


def flat(config: TrainerConfig) -> Flat:
    torch.manual_seed(0)
    backbone = Caduceus(CaduceusConfig(d_model=8, n_layer=1, ssm_cfg=SsmConfig(d_state=3)))
    return Flat(WindowClassifier(backbone, "pair", HeadConfig(4)), config)


def test_weight_decay_shrinks_matrices_and_leaves_rates_norms_and_biases() -> None:
    """Where the loss has no gradient, AdamW multiplies what decays by 1 - rate x decay in each step, and no more."""
    config = replace(CONFIG, weight_decay=0.5, warmup_share=0.0, max_epochs=2)
    trained = flat(config)
    before = {name: value.detach().clone() for name, value in trained.model.named_parameters()}
    trainer_of(trained, RunConfig(1, 0, config), 0).run()
    shrunk = (1 - 0.1 * 0.5) * (1 - 0.05 * 0.5)  # rates of 0.1 and half of it
    kept = ("bias", "gain", "norm.weight", "norm_f.weight", "A_log", ".D")
    for name, value in trained.model.named_parameters():
        factor = 1.0 if name.endswith(kept) else shrunk
        torch.testing.assert_close(value.detach(), before[name] * factor, rtol=1e-6, atol=0)


def test_what_is_frozen_is_neither_trained_nor_decayed() -> None:
    trained = flat(replace(CONFIG, weight_decay=0.5))
    trained.model.backbone.requires_grad_(False)
    before = {name: value.detach().clone() for name, value in trained.model.backbone.named_parameters()}
    loop = trainer_of(trained, RunConfig(1, 0, trained.config), 0)
    loop.run()
    assert all(torch.equal(value, before[name]) for name, value in trained.model.backbone.named_parameters())
    assert sum(len(group["params"]) for group in loop.optimizer.param_groups) == len(
        list(trained.model.head.parameters())
    )


def test_a_state_of_other_code_is_ignored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    again, other = flat(CONFIG), flat(CONFIG)
    trainer_of(flat(CONFIG), RUN, 0).run(tmp_path)
    trainer_of(again, RUN, 0).run(tmp_path)
    monkeypatch.setattr(trainer, "code_digest", lambda: "other")
    trainer_of(other, RUN, 0).run(tmp_path)
    assert (again.epochs, other.epochs) == (0, 4)


def test_the_digest_follows_the_sources_of_loss_and_model_and_no_others(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    copied = tmp_path / "dna"
    shutil.copytree(Path(trainer.__file__).parents[1], copied)
    monkeypatch.setattr(trainer, "__file__", str(copied / "training" / "trainer.py"))
    before = trainer.code_digest()
    for name in ("report/data.py", "report/figures/evaluation.py"):
        (copied / name).write_text("changed")
        assert trainer.code_digest() == before
    for name in ("training/fit.py", "models/caduceus/mamba.py"):
        (copied / name).write_text("changed")
        assert trainer.code_digest() != before
        before = trainer.code_digest()


@pytest.mark.parametrize(
    ("name", "value"), [("accumulate", 0), ("warmup_share", 1.0), ("warmup_share", -0.1), ("learning_rate", 0.0)]
)
def test_nonsense_settings_are_refused(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name} must"):
        replace(CONFIG, **{name: value})
