"""Blocks computed again in the backward pass: less is kept, and nothing else changes."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from contactlens.dna.data.tokens import VOCAB_SIZE
from contactlens.dna.explanation.methods.lrp import relevance
from contactlens.dna.models.caduceus import Caduceus, CaduceusConfig, SsmConfig
from contactlens.dna.models.classifier import WindowClassifier
from contactlens.dna.models.config import HeadConfig
from contactlens.dna.training.fit import freeze

L, N_LAYER = 96, 5
NEVER = 2**62
CONFIGS: dict[str, dict[str, Any]] = {
    "fused": {"rcps": True, "fused_add_norm": True},
    "unfused": {"rcps": True, "fused_add_norm": False},
    "ph": {"rcps": False},
}


def build(recompute_from: int, dtype: torch.dtype = torch.float32, **changes: Any) -> WindowClassifier:
    torch.manual_seed(0)
    config = CaduceusConfig(d_model=16, n_layer=N_LAYER, ssm_cfg=SsmConfig(d_state=4), **changes)
    model = WindowClassifier(Caduceus(config), "pair", HeadConfig(8)).to(dtype)
    model.backbone.recompute_from = recompute_from
    return model


def inputs(n: int = 2) -> tuple[Tensor, Tensor]:
    ids = torch.randint(7, 11, (n, L), generator=torch.Generator().manual_seed(1))
    regions = torch.zeros(n, 2, L, dtype=torch.bool)
    regions[:, 0, 4:40], regions[:, 1, 50:90] = True, True
    return ids, regions


def runs_of_blocks(model: WindowClassifier) -> list[int]:
    seen: list[int] = []
    for number, block in enumerate(model.backbone.layers):
        block.norm.register_forward_hook(lambda *_, number=number: seen.append(number))
    return seen


@pytest.mark.parametrize("unfrozen", [2, N_LAYER])
@pytest.mark.parametrize("name", CONFIGS)
def test_outputs_and_gradients_are_the_same_to_the_last_bit(name: str, unfrozen: int) -> None:
    found = []
    for recompute_from in (NEVER, 0):
        model = build(recompute_from, **CONFIGS[name])
        freeze(model, unfrozen)
        seen = runs_of_blocks(model)
        logit = model(*inputs())
        logit.square().sum().backward()
        found.append((logit.detach(), {n: p.grad for n, p in model.named_parameters() if p.requires_grad}))
        twice = {number for number in seen if seen.count(number) == 2}
        assert twice == (set(range(N_LAYER - unfrozen, N_LAYER)) if recompute_from == 0 else set())
    (plain, expected), (again, gradients) = found
    assert torch.equal(plain, again)
    assert gradients.keys() == expected.keys() and len(gradients) > 20
    assert all(torch.equal(gradients[n], expected[n]) for n in gradients)
    assert sum(float(g.abs().sum()) for g in gradients.values()) > 0


def kept(model: WindowClassifier) -> int:
    """Bytes of the tensors that the graph of one forward pass holds, each storage once."""
    storages: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    starts: list[Tensor] = []
    for block in model.backbone.layers:
        block.register_forward_pre_hook(lambda _, args: starts.append(args[0]))
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        logit = model(*inputs())
    for start in starts:  # a checkpoint holds these by itself
        pack(start)
    assert logit.requires_grad
    return sum(storages.values())


def test_a_graph_keeps_a_fraction_of_what_it_kept() -> None:
    whole, recomputed = kept(build(NEVER)), kept(build(0))
    assert recomputed < whole / 5


def test_short_inputs_and_passes_without_gradient_are_never_computed_twice() -> None:
    model = build(2 * 2 * L * 16)  # strands, windows, bases, channels: just enough
    assert kept(model) < kept(build(2 * 2 * L * 16 + 1)) / 5
    seen = runs_of_blocks(model)
    with torch.no_grad():
        model(*inputs())
    assert seen == list(range(N_LAYER))
    assert build(0).backbone.recompute_from == 0 and Caduceus.recompute_from == 2**24


@pytest.mark.parametrize("name", CONFIGS)
def test_relevance_is_the_same(name: str) -> None:
    plain, again = (relevance(build(n, torch.float64, **CONFIGS[name]), *inputs()) for n in (NEVER, 0))
    assert torch.equal(plain.tokens, again.tokens) and torch.equal(plain.hypothetical, again.hypothetical)
    for kind, share in plain.absorbed.items():
        assert torch.equal(share, again.absorbed[kind])
    assert float(plain.conv_bias.abs().max()) > 0


def test_it_can_be_differentiated_twice() -> None:
    def curvature(model: WindowClassifier) -> Tensor:
        ids, regions = inputs(1)
        x = torch.nn.functional.one_hot(ids, VOCAB_SIZE).double().requires_grad_()
        (gradient,) = torch.autograd.grad(model.forward_one_hot(x, regions).sum(), x, create_graph=True)
        (second,) = torch.autograd.grad(gradient.square().sum(), x)
        return second

    run: Callable[[int], Tensor] = lambda n: curvature(build(n, torch.float64))  # noqa: E731
    torch.testing.assert_close(run(0), run(NEVER), rtol=1e-12, atol=0)
    assert float(run(0).abs().max()) > 0
