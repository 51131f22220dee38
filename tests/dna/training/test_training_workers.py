"""Both trainings of the branch in two processes: scores, weights and losses are those of one, to rounding."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import pytest
import tiny_fine_tuning
import torch

from by_value import sent_by_value
from contactlens.base.errors import InputError
from contactlens.base.torch_setup import seed_everything
from contactlens.dna.data.batch import WindowBatch
from contactlens.dna.models.caduceus import Caduceus, CaduceusConfig, SsmConfig
from contactlens.dna.models.classifier import HeadConfig, WindowClassifier
from contactlens.dna.training.config import FineTuneConfig, PretrainConfig
from contactlens.dna.training.fit import fine_tune
from contactlens.dna.training.pretrain import pretrain
from contactlens.training.workers import ALONE, Workers
from gloo_processes import in_processes

L = 48
TRAINER = replace(tiny_fine_tuning.TRAINER, max_epochs=2, patience=2, gradient_clip=0.1)
FINE_TUNE = replace(tiny_fine_tuning.CONFIG, workers=2, trainer=TRAINER)
PRETRAIN = PretrainConfig(
    workers=2,
    checkpoint_steps=0,
    trainer=TRAINER,
    crop_bp=32,
    crops_per_epoch=12,
    validation_crops=6,
    mask_fraction=0.2,
)
SIZE = CaduceusConfig(d_model=8, n_layer=2, ssm_cfg=SsmConfig(d_state=2))


@pytest.fixture(autouse=True)
def _sent_by_value() -> Iterator[None]:
    with sent_by_value(cloudpickle, sys.modules[__name__]):
        yield


def windows(n: int, seed: int) -> WindowBatch:
    random = torch.Generator().manual_seed(seed)
    regions = torch.zeros(n, 2, L, dtype=torch.bool)
    regions[:, 0, 2:20] = regions[:, 1, 26:46] = True
    label = (torch.arange(n) % 2).float()
    ids = torch.randint(7, 11, (n, L), generator=random)
    return WindowBatch(ids, regions, label, [f"w{seed}_{row}" for row in range(n)])


def fine_tuned(workers: Workers, config: FineTuneConfig, folder: Path) -> Any:
    """18 training windows: the last step has 2, and of validation windows there is an odd number of batches."""
    seed_everything(0, 1)
    model = WindowClassifier(Caduceus(SIZE), "pair", HeadConfig(6)).double()
    done = fine_tune(model, windows(18, 0), windows(9, 1), config, 0, folder, workers=workers)
    weights = {name: value.detach().numpy() for name, value in done.model.state_dict().items()}
    return done.training.history, done.validation_logits, weights


@pytest.mark.parametrize(
    ("cached", "changes"),
    [(False, {}), (True, {}), (False, {"unfrozen_layers": 0, "adapter_rank": 2, "class_weights": "balanced"})],
    ids=["again", "cached", "adapters"],
)
def test_two_processes_fine_tune_as_one(cached: bool, changes: dict[str, object], tmp_path: Path) -> None:
    config = replace(FINE_TUNE, cache_frozen=cached, **changes)
    history, logits, weights = fine_tuned(ALONE, config, tmp_path / "alone")
    both = in_processes(2, fine_tuned, tmp_path, config, tmp_path / "both")
    for own_history, own_logits, own_weights in both:
        for log, expected in zip(own_history, history, strict=True):
            assert log == pytest.approx(expected, abs=1e-6)
        np.testing.assert_allclose(own_logits, logits, rtol=0, atol=1e-6)
        for name, value in own_weights.items():
            np.testing.assert_allclose(value, weights[name], rtol=0, atol=1e-6)
    assert np.ptp(logits) > 1e-3
    assert len(list((tmp_path / "both").glob("frozen_*"))) == 2 * cached


def pretrained(workers: Workers) -> Any:
    random = np.random.default_rng(0)
    train, validation = ("".join(random.choice(list("ACGT"), 300)) for _ in range(2))
    seed_everything(0, 1)
    done = pretrain([train], [validation], SIZE, PRETRAIN, 0, workers=workers)
    return done.training.history, {name: value.numpy() for name, value in done.model.state_dict().items()}


def test_two_processes_pretrain_one_model(tmp_path: Path) -> None:
    """Crops are drawn by each, so the losses are not those of one process; the validation's bases are."""
    (history, weights), (same_history, same_weights) = in_processes(2, pretrained, tmp_path)
    assert repr(history) == repr(same_history)
    assert all(np.array_equal(value, same_weights[name]) for name, value in weights.items())
    expected, _ = pretrained(ALONE)
    assert [set(log) for log in history] == [set(log) for log in expected]
    assert history[-1]["validation_loss"] == pytest.approx(expected[-1]["validation_loss"], abs=0.1)


def test_more_workers_than_a_step_has_rows_are_refused() -> None:
    with pytest.raises(InputError, match=r"workers must be at most the rows of a step, .* = 4, got 5$"):
        replace(FINE_TUNE, workers=5)
    assert replace(PRETRAIN, workers=8, trainer=replace(TRAINER, accumulate=2)).workers == 8
