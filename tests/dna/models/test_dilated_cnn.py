"""The dilated CNN: its sizes, both strands, and the stages that it goes through in Caduceus' place."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_fine_tuning import CONFIG
from tiny_fine_tuning import TRAINER as USUAL

from contactlens.base.errors import InputError
from contactlens.dna.data.batch import WindowBatch
from contactlens.dna.data.tokens import reverse_complement_ids
from contactlens.dna.explanation.methods import AttributionSettings, attribute
from contactlens.dna.explanation.methods.lrp import relevance
from contactlens.dna.models.backbone import load_backbone, new_backbone, save_backbone
from contactlens.dna.models.classifier import WindowClassifier, load_classifier, save_classifier
from contactlens.dna.models.config import BackboneConfig, DilatedCnnSizes, HeadConfig
from contactlens.dna.models.dilated_cnn import DilatedCnn, DilatedCnnConfig
from contactlens.dna.training.config import PretrainConfig
from contactlens.dna.training.fit import fine_tune, predict
from contactlens.dna.training.pretrain import pretrain

SIZES = DilatedCnnConfig(d_model=8, n_layer=3, kernel_size=3)
TRAINER = replace(USUAL, learning_rate=0.01, max_epochs=2, patience=2)


def windows(n: int = 6, length: int = 50) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids (n, length), and an enhancer and a promoter in each."""
    ids = torch.randint(7, 11, (n, length), generator=torch.Generator().manual_seed(0))
    regions = torch.zeros(n, 2, length, dtype=torch.bool)
    regions[:, 0, 3:20] = regions[:, 1, 25:44] = True
    return ids, regions


def classifier() -> WindowClassifier:
    torch.manual_seed(1)
    model = WindowClassifier(DilatedCnn(SIZES), "pair", HeadConfig(6)).double()
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter, std=0.3)
    return model.eval()


def test_a_base_is_seen_as_far_as_its_sizes_say() -> None:
    torch.manual_seed(0)
    network = DilatedCnn(SIZES).double()
    x = torch.nn.functional.one_hot(windows(1, 81)[0], 16).double().requires_grad_()
    forward, _ = network.strands_one_hot(x)
    (gradient,) = torch.autograd.grad(forward[0, 40].sum(), x)
    seen = gradient[0].abs().sum(-1).nonzero().ravel()
    assert (seen.min(), seen.max()) == (33, 47)  # 1 + 2 * (1 + 2 + 4) bases


def test_the_default_is_about_as_large_as_the_default_caduceus() -> None:
    sizes = BackboneConfig("dilated_cnn", "pretrain", 32, 2, 8, True, False, DilatedCnnSizes(4, 5))
    counts = [
        sum(parameter.numel() for parameter in new_backbone(replace(sizes, architecture=name).network).parameters())
        for name in ("caduceus", "dilated_cnn")
    ]
    assert counts[1] == 16 * 32 + 4 * (32 * 32 * 5 + 32 + 32) + 32 == 21_280
    assert 0.9 < counts[1] / counts[0] < 1.1


def test_a_window_and_its_reverse_complement_have_one_logit() -> None:
    model, (ids, regions) = classifier(), windows()
    with torch.no_grad():
        forward, turned = model(ids, regions), model(reverse_complement_ids(ids), regions.flip(-1))
    assert forward.std() > 1e-3
    torch.testing.assert_close(forward, turned, rtol=1e-12, atol=1e-12)


def test_the_masked_base_is_predicted_the_same_from_either_strand() -> None:
    torch.manual_seed(2)
    model = new_backbone(SIZES).double()
    ids = windows()[0]
    with torch.no_grad():
        forward, turned = model(ids), model(reverse_complement_ids(ids))
    complement = model.backbone.complement
    torch.testing.assert_close(forward, turned.flip(1)[..., complement], rtol=1e-12, atol=1e-12)


def test_it_is_saved_and_read_in_its_own_format(tmp_path: Path) -> None:
    model = classifier().float()
    save_classifier(model, tmp_path / "classifier")
    assert json.loads((tmp_path / "classifier/config.json").read_text())["model_type"] == "dilated_cnn"
    ids, regions = windows()
    with torch.no_grad():
        assert torch.equal(load_classifier(tmp_path / "classifier")(ids, regions), model(ids, regions))
    language_model = new_backbone(SIZES)
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        save_backbone(language_model, tmp_path / folder)
        language_model = load_backbone(tmp_path / folder)
    for name in ("config.json", "model.safetensors"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"kernel_size": 4}, "kernel_size must be odd"),
        ({"n_layer": 99}, "n_layer at most 24"),
        ({"d_model": True}, "d_model must be a whole number"),
        ({"norm_epsilon": "x"}, "norm_epsilon must be positive"),
        ({"dilation": 2}, "unknown key 'dilation'"),
        ({"n_layer": 2}, "not what config.json asks for"),
        ({"d_model": 9}, "not what config.json asks for"),
    ],
)
def test_a_damaged_checkpoint_is_refused(changed: dict, message: str, tmp_path: Path) -> None:
    save_backbone(new_backbone(SIZES), tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({**SIZES.to_mapping(), **changed}))
    with pytest.raises(InputError, match=message):
        load_backbone(tmp_path)


def test_weights_that_are_cut_off_missing_or_not_finite_are_refused(tmp_path: Path) -> None:
    model = new_backbone(SIZES)
    model.backbone.norm_f.weight.data[0] = torch.nan
    save_backbone(model, tmp_path)
    with pytest.raises(InputError, match="NaN or infinite"):
        load_backbone(tmp_path)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-7])
    with pytest.raises(InputError, match="truncated"):
        load_backbone(tmp_path)
    weights.unlink()
    with pytest.raises(InputError, match=r"holds no model\.safetensors"):
        load_backbone(tmp_path)


def test_sizes_are_checked_where_they_are_used() -> None:
    sizes = BackboneConfig("caduceus", "pretrain", 8, 2, 4, True, False, DilatedCnnSizes(2, 4))
    with pytest.raises(ValueError, match="kernel_size must be odd"):
        replace(sizes, architecture="dilated_cnn")
    with pytest.raises(ValueError, match="architecture"):
        replace(sizes, architecture="cnn")


def test_it_is_pretrained_fine_tuned_and_explained() -> None:
    rng = torch.Generator().manual_seed(3)
    sequences = ["".join("ACGT"[i] for i in torch.randint(0, 4, (300,), generator=rng)) for _ in range(2)]
    done = pretrain(sequences, sequences, SIZES, PretrainConfig(1, 0, TRAINER, 32, 8, 4, 0.15), 0)
    assert isinstance(done.model.backbone, DilatedCnn) and len(done.training.history) == 2
    before = [parameter.clone() for parameter in done.model.backbone.layers.parameters()]
    ids, regions = windows(12)
    batch = WindowBatch(ids, regions, torch.tensor([0.0, 1.0] * 6), [str(i) for i in range(12)])
    model = WindowClassifier(done.model.backbone, "pair", HeadConfig(6))
    fine_tune(model, batch, batch, replace(CONFIG, trainer=TRAINER, cache_frozen=True), 0)
    after = list(model.backbone.layers.parameters())
    moved = [not torch.equal(a, b) for a, b in zip(before, after, strict=True)]
    assert moved == [False] * 6 + [True] * 3  # the last block alone: norm, weight, bias
    settings = AttributionSettings(4, 6)
    for method in ("region_integrated_gradients", "saliency", "lrp", "mutagenesis"):
        assert attribute(model, ids, regions, method, settings).shape == (12, 50, 4)
    assert predict(model, batch, 4).shape == (12,)


def test_relevance_is_conserved_biases_counted() -> None:
    model, (ids, regions) = classifier(), windows()
    found = relevance(model, ids, regions)
    torch.testing.assert_close(found.total, found.score, rtol=1e-9, atol=1e-9)
    assert found.conv_bias.abs().min() > 0
