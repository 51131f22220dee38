"""Low-rank adapters: what they start from, what they change, and that a model keeps nothing of them but its weights."""

from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import torch
from tiny_fine_tuning import CONFIG, TRAINER, build, windows
from torch import nn

from contactlens.dna.models.classifier import WindowClassifier, load_classifier, save_classifier
from contactlens.dna.models.config import HeadConfig
from contactlens.dna.models.dilated_cnn import DilatedCnn, DilatedCnnConfig
from contactlens.dna.training.adapters import LowRank, adapted_layers, adapters
from contactlens.dna.training.fit import fine_tune, predict
from contactlens.training.loop import Trainer

FROZEN = replace(CONFIG, unfrozen_layers=0, adapter_rank=2)


def cnn() -> WindowClassifier:
    torch.manual_seed(0)
    return WindowClassifier(DilatedCnn(DilatedCnnConfig(8, 2, 3)), "pair", HeadConfig(6))


@pytest.mark.parametrize("new", [build, cnn])
def test_training_starts_from_the_network_as_it_is(new: type) -> None:
    model, batch = new(), windows(8)
    before = predict(model, batch, 4)
    with adapters(model.backbone.layers, 2, 0):
        assert predict(model, batch, 4).tobytes() == before.tobytes()
    assert predict(model, batch, 4).tobytes() == before.tobytes()


@pytest.mark.parametrize("new", [build, cnn])
def test_each_weight_of_a_frozen_block_changes_by_a_matrix_of_that_rank(new: type, tmp_path: Path) -> None:
    """Of layers with channels to mix alone; whatever else is frozen stays, and saved weights are all there is."""
    model, before = new(), new().state_dict()
    layers = adapted_layers(model.backbone.layers)
    adapted = {name for name, layer in model.named_modules(remove_duplicate=False) if layer in layers}
    done = fine_tune(model, windows(16), windows(8, 1), FROZEN, 0)
    after = model.state_dict()
    assert set(after) == set(before)
    for name, value in after.items():
        change, layer = value - before[name], name.removesuffix(".weight")
        if name.endswith(".weight") and layer in adapted:
            matrix = change.flatten(1).numpy()
            assert np.linalg.matrix_rank(matrix, tol=1e-6) == min(2, *matrix.shape), name
        elif name.startswith(("backbone.layers", "backbone.embedding")):
            assert not change.any(), name
    save_classifier(model, tmp_path / "model")
    scores = predict(load_classifier(tmp_path / "model"), windows(8, 1), 4)
    np.testing.assert_allclose(scores, done.validation_logits[done.training.best_epoch], rtol=1e-5, atol=1e-6)


def test_layers_of_mixed_channels_are_adapted_each_once() -> None:
    """Of a Mamba each way with one projection in and out for both: those two, and twice two of its own."""
    (block,) = build(n_layer=1).backbone.layers
    layers = adapted_layers([block])
    assert len(layers) == 6 and all(isinstance(layer, nn.Linear) for layer in layers)
    assert [type(layer) for layer in adapted_layers(cnn().backbone.layers)] == [nn.Conv1d, nn.Conv1d]


def test_no_rank_and_no_frozen_block_have_no_adapter() -> None:
    model = build()
    with adapters(model.backbone.layers, 0, 0):
        assert not any("parametrizations" in name for name in model.state_dict())
    plain, all_unfrozen = (
        fine_tune(build(), windows(16), windows(8, 1), replace(CONFIG, unfrozen_layers=2, adapter_rank=rank), 0)
        for rank in (0, 3)
    )
    assert plain.validation_logits.tobytes() == all_unfrozen.validation_logits.tobytes()


def test_adapters_are_drawn_by_the_seed_and_a_killed_training_goes_on(tmp_path: Path) -> None:
    train, validation = windows(16), windows(8, 1)
    whole = fine_tune(build(), train, validation, FROZEN, 0)
    fine_tune(build(), train, validation, FROZEN, 0, tmp_path, until=1)
    model = build()
    torch.manual_seed(99)
    with patch.object(Trainer, "epoch", autospec=True, side_effect=Trainer.epoch) as epoch:
        again = fine_tune(model, train, validation, FROZEN, 0, tmp_path)
    assert epoch.call_count == FROZEN.trainer.max_epochs - 1
    assert again.validation_logits.tobytes() == whole.validation_logits.tobytes()
    layer = nn.Linear(4, 3)
    drawn = [LowRank(layer.weight, 2, torch.Generator().manual_seed(seed)).down for seed in (0, 0, 1)]
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])


def test_adapters_learn_and_leave_the_strands_alike() -> None:
    """A loss on training windows below that of the head alone, and one logit for a window and its other strand."""
    train = windows(16)
    trainer = replace(TRAINER, max_epochs=6, patience=6, learning_rate=0.02)
    losses = {}
    for rank in (0, 2):
        model = build()
        done = fine_tune(model, train, train, replace(FROZEN, adapter_rank=rank, trainer=trainer), 0)
        losses[rank] = done.training.best_score
        other = train.reverse_complement()
        np.testing.assert_allclose(predict(model, other, 8), predict(model, train, 8), rtol=1e-4, atol=1e-5)
    assert losses[2] < losses[0]


def test_a_cache_is_left_out_where_no_block_stays_the_same(tmp_path: Path) -> None:
    fine_tune(build(), windows(16), windows(8, 1), replace(FROZEN, cache_frozen=True), 0, tmp_path)
    assert not list(tmp_path.glob("frozen_*"))
