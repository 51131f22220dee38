import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from contactlens.base.errors import InputError
from contactlens.dna.data.batch import WindowBatch
from contactlens.dna.data.tokens import reverse_complement_ids
from contactlens.dna.models.caduceus import Caduceus, CaduceusConfig, SsmConfig
from contactlens.dna.models.classifier import WindowClassifier, load_classifier, save_classifier
from contactlens.dna.models.config import HeadConfig

LENGTH = 40
VARIANTS = [
    {"rcps": rcps, "fused_add_norm": fused, "n_layer": depth, **other}
    for (rcps, fused), depth in itertools.product([(True, True), (True, False), (False, True)], [2, 3])
    for other in (
        {},
        {"bidirectional_strategy": "ew_multiply"},
        {"bidirectional_weight_tie": False},
        {"rms_norm": False},
        {"residual_in_fp32": True},
    )
]


def build(task: str = "pair", seed: int = 0, pooling: str = "mean", **changes: object) -> WindowClassifier:
    torch.manual_seed(seed)
    config = CaduceusConfig(**({"d_model": 8, "n_layer": 2, "ssm_cfg": SsmConfig(d_state=3)} | changes))
    model = WindowClassifier(Caduceus(config), task, HeadConfig(6, pooling)).double()
    with torch.no_grad():
        for value in model.parameters():
            value += 0.3 * torch.randn_like(value)
    return model.eval()


def windows(task: str = "pair", seed: int = 1) -> WindowBatch:
    """Random windows with unknown bases; elements of random place and length, the last enhancer empty."""
    rng = np.random.default_rng(seed)
    ids = rng.choice([4, 6, 7, 8, 9, 10], size=(5, LENGTH), p=[0.05, 0.05, 0.2, 0.2, 0.3, 0.2])
    regions = np.ones((5, 1, LENGTH), dtype=bool)
    if task == "pair":
        bounds = np.sort(rng.integers(0, LENGTH + 1, size=(5, 4, 1, 1)), axis=1)
        place = np.arange(LENGTH)
        inside = [(place >= bounds[:, i, 0]) & (place < bounds[:, i + 1, 0]) for i in (0, 2)]
        regions = np.stack(inside, axis=1)
        regions[-1, 0] = False
    return WindowBatch(torch.from_numpy(ids), torch.from_numpy(regions), torch.zeros(5), list("abcde"))


@pytest.mark.parametrize(("task", "pooling"), [("pair", "mean"), ("region", "mean"), ("pair", "directed")])
@pytest.mark.parametrize("changes", VARIANTS, ids=lambda c: "-".join(map(str, c.values())))
def test_reverse_complement_leaves_the_logit_as_it_is(changes: dict[str, object], task: str, pooling: str) -> None:
    model, batch = build(task, pooling=pooling, **changes), windows(task)
    model.head.hidden.bias.data += 1.0  # so that no unit is silent for all windows
    other = batch.reverse_complement()
    logit = model(batch.ids, batch.regions)
    assert logit.std() > 1e-3
    tolerance = 1e-5 if "residual_in_fp32" in changes else 1e-12
    torch.testing.assert_close(model(other.ids, other.regions), logit, rtol=0, atol=tolerance)


def test_the_logit_depends_on_which_region_is_the_enhancer_and_on_the_strand_alone() -> None:
    """A control of the invariance: exchanging the regions, or only reversing the bases, changes the logit."""
    model, batch = build(), windows()
    logit = model(batch.ids, batch.regions)
    assert (model(batch.ids, batch.regions.flip(1)) - logit).abs().max() > 1e-3
    assert (model(batch.ids.flip(1), batch.regions.flip(-1)) - logit).abs().max() > 1e-3


@pytest.mark.parametrize(("pooling", "told_apart"), [("mean", False), ("directed", True)])
def test_only_directed_pooling_knows_how_an_element_lies(pooling: str, told_apart: bool) -> None:
    """An enhancer's bases turned in place; blocks that don't look around leave the mean over strands the same."""
    model, batch = build(pooling=pooling), windows()
    with torch.no_grad():
        for name, value in model.named_parameters():
            if "out_proj" in name:
                value *= 0
    regions = torch.zeros(1, 2, LENGTH, dtype=torch.bool)
    regions[:, 0, 4:14], regions[:, 1, 20:36] = True, True
    turned = batch.ids[:1].clone()
    turned[:, 4:14] = reverse_complement_ids(turned[:, 4:14])
    change = (model(turned, regions) - model(batch.ids[:1], regions)).abs().item()
    assert (change > 1e-3) == told_apart and (told_apart or change < 1e-12)


@pytest.mark.parametrize("changes", VARIANTS, ids=lambda c: "-".join(map(str, c.values())))
def test_a_state_lies_at_the_place_of_its_base(changes: dict[str, object]) -> None:
    """With mixers turned down, a base's state depends on this base most, and hardly on the mirrored one."""
    model, batch = build(**changes), windows()
    with torch.no_grad():
        for name, value in model.named_parameters():
            if "out_proj" in name:
                value *= 1e-3
    x = F.one_hot(batch.ids[:1], 16).double().requires_grad_()
    for place in (0, 7, 33):
        states = torch.stack(model.backbone.strands_one_hot(x)).mean(0)
        influence = torch.autograd.grad(states[0, place].square().sum(), x)[0].abs().sum(-1)[0]
        assert influence.argmax() == place
        assert influence[LENGTH - 1 - place] < 0.05 * influence[place]


class Tagged(torch.nn.Module):
    """In a backbone's place: the state of a base is its position and its token."""

    def __init__(self) -> None:
        super().__init__()
        self.config = CaduceusConfig(d_model=2, n_layer=1)

    def strands(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        state = torch.stack([torch.arange(ids.shape[1]).expand_as(ids), ids], dim=-1).float()
        return state, state


def test_pooling_takes_the_bases_of_each_element() -> None:
    batch = windows()
    model = WindowClassifier(Tagged(), "pair", HeadConfig(4))
    pooled = model.head.pooled(model.states(batch.ids), batch.regions)
    for b, r in itertools.product(range(4), range(2)):
        places = batch.regions[b, r].nonzero().flatten().float()
        if len(places):
            assert pooled[b, r, 0].item() == pytest.approx(places.mean().item())
            assert pooled[b, r, 1].item() == pytest.approx(batch.ids[b][batch.regions[b, r]].float().mean().item())
    assert not pooled[-1, 0].any()


@pytest.mark.parametrize("rcps", [True, False])
def test_one_hot_input_gives_the_same_logit(rcps: bool) -> None:
    model, batch = build(rcps=rcps, n_layer=3), windows()
    x = F.one_hot(batch.ids, 16).double()
    torch.testing.assert_close(
        model.forward_one_hot(x, batch.regions), model(batch.ids, batch.regions), rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("task", ["pair", "region"])
def test_a_saved_classifier_comes_back_bit_by_bit(task: str, tmp_path: Path) -> None:
    model, batch = build(task, n_layer=3).float(), windows(task)
    save_classifier(model, tmp_path / "one")
    loaded = load_classifier(tmp_path / "one")
    assert loaded.task == task
    assert not loaded.training
    assert torch.equal(loaded(batch.ids, batch.regions), model(batch.ids, batch.regions))
    save_classifier(loaded, tmp_path / "two")
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_pooling_comes_back_and_a_folder_that_names_none_has_mean(tmp_path: Path) -> None:
    save_classifier(build(pooling="directed"), tmp_path / "saved")
    assert load_classifier(tmp_path / "saved").head.pooling == "directed"
    save_classifier(build(), tmp_path / "older")
    (tmp_path / "older" / "classifier.json").write_text('{"task": "pair", "hidden": 6}')
    assert load_classifier(tmp_path / "older").head.pooling == "mean"


def test_saving_draws_no_random_numbers(tmp_path: Path) -> None:
    model = build()
    before = torch.get_rng_state()
    save_classifier(model, tmp_path / "saved")
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("head.safetensors", None, "has a trained head"),
        ("classifier.json", None, "has a trained head"),
        ("head.safetensors", b"\x08", "don't describe a head"),
        ("classifier.json", b"{", "not readable JSON"),
        (
            "classifier.json",
            b'{"task": "triple", "hidden": 6}',
            "don't describe a head .task must be pair or region, hidden and detectors numbers; found 'triple'",
        ),
        ("classifier.json", b'{"task": "region", "hidden": 6}', "size mismatch for hidden.weight"),
        ("classifier.json", b'{"task": "pair", "hidden": 0}', "hidden must be at least 1"),
        ("classifier.json", b'{"task": "pair", "hidden": 6, "pooling": "max"}', "pooling must be"),
        ("classifier.json", b'{"task": "pair", "hidden": 6, "detectors": -1}', "detectors must be at least 0"),
        ("config.json", None, "no such file"),
        ("model.safetensors", b"short", "truncated or not a checkpoint"),
    ],
)
def test_a_broken_folder_is_named(name: str, content: bytes | None, message: str, tmp_path: Path) -> None:
    save_classifier(build(), tmp_path / "saved")
    path = tmp_path / "saved" / name
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        load_classifier(tmp_path / "saved")
    assert str(tmp_path / "saved") in str(caught.value)
