"""The network against a second implementation that follows the published code: two strands side by side in one state,
time flipped for the second direction, loops where the package has kernels."""

import itertools

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from contactlens.dna.data.tokens import COMPLEMENT, reverse_complement_ids
from contactlens.dna.models.caduceus import CaduceusConfig, CaduceusForMaskedLM, SsmConfig
from contactlens.dna.models.caduceus.checkpoint import PREFIX, published_names

Weights = dict[str, Tensor]
D_MODEL = 8
MAPPING = torch.from_numpy(COMPLEMENT)


def flip(h: Tensor) -> Tensor:
    return h.flip(1, 2)


def naive_mamba(w: Weights, h: Tensor) -> Tensor:
    N = w["A_log"].shape[1]
    x, z = (h @ w["in_proj.weight"].T).chunk(2, dim=-1)
    D, L = x.shape[2], x.shape[1]
    x = F.silu(F.conv1d(x.transpose(1, 2), w["conv1d.weight"], w["conv1d.bias"], padding=3, groups=D)[..., :L])
    x = x.transpose(1, 2)
    dt, b, c = (x @ w["x_proj.weight"].T).split([w["dt_proj.weight"].shape[1], N, N], dim=-1)
    delta = F.softplus(dt @ w["dt_proj.weight"].T + w["dt_proj.bias"])
    state, ys = x.new_zeros(len(x), D, N), []
    for t in range(L):
        decay = torch.exp(-torch.exp(w["A_log"]) * delta[:, t, :, None])
        state = decay * state + (delta[:, t] * x[:, t])[:, :, None] * b[:, t, None]
        ys.append(torch.einsum("bdn,bn->bd", state, c[:, t]) + w["D"] * x[:, t])
    return (torch.stack(ys, dim=1) * F.silu(z)) @ w["out_proj.weight"].T


def naive_mixer(w: Weights, h: Tensor, strategy: str) -> Tensor:
    parts = {}
    for name in ("mamba_fwd", "mamba_rev"):
        parts[name] = {key.split(".", 1)[1]: value for key, value in w.items() if key.startswith(name)}
    ahead = naive_mamba(parts["mamba_fwd"], h)
    behind = naive_mamba(parts["mamba_fwd"] | parts["mamba_rev"], h.flip(1)).flip(1)
    return ahead + behind if strategy == "add" else ahead * behind


def naive_norm(w: Weights, h: Tensor) -> Tensor:
    if "bias" in w:
        return F.layer_norm(h, h.shape[-1:], w["weight"], w["bias"], 1e-5)
    return h / (h.square().mean(-1, keepdim=True) + 1e-5).sqrt() * w["weight"]


def part(w: Weights, prefix: str) -> Weights:
    found = {name.removeprefix(prefix): value for name, value in w.items() if name.startswith(prefix)}
    return {name.removeprefix("submodule."): value for name, value in found.items()}


def naive_rcps(w: Weights, config: CaduceusConfig, ids: Tensor) -> tuple[Tensor, Tensor]:
    """Last hidden states (B, L, 2 d) and logits."""

    def both(function, weights: Weights, h: Tensor, *extra: str) -> Tensor:
        first, second = h.chunk(2, dim=-1)
        return torch.cat([function(weights, first, *extra), flip(function(weights, flip(second), *extra))], dim=-1)

    E = w["embeddings.word_embeddings.embedding.weight"]
    h, residual = torch.cat([E[ids], flip(E[MAPPING[ids.flip(1)]])], dim=-1), 0
    for i in range(config.n_layer):
        residual = residual + h
        if config.fused_add_norm:  # the fused kernel is called with the second half first
            residual = torch.cat(residual.chunk(2, dim=-1)[::-1], dim=-1)
        h = both(naive_norm, part(w, f"layers.{i}.norm."), residual)
        h = both(naive_mixer, part(w, f"layers.{i}.mixer."), h, config.bidirectional_strategy)
    h = both(naive_norm, part(w, "norm_f."), residual + h)
    first, second = h.chunk(2, dim=-1)
    return h, first @ E.T + second.flip(-1) @ E[MAPPING].T


def build(seed: int = 0, **changes: object) -> CaduceusForMaskedLM:
    """A small model in float64, with weights large enough for its steps to matter."""
    torch.manual_seed(seed)
    config = CaduceusConfig(**({"d_model": D_MODEL, "n_layer": 2, "ssm_cfg": SsmConfig(d_state=3)} | changes))
    model = CaduceusForMaskedLM(config).double()
    with torch.no_grad():
        for value in model.parameters():
            value += 0.3 * torch.randn_like(value)
    return model


def weights(model: CaduceusForMaskedLM) -> Weights:
    return {name.removeprefix(PREFIX): value for name, value in published_names(model).items()}


def random_ids(length: int = 23, rows: int = 2) -> Tensor:
    """Every token occurs, special ones too."""
    return torch.randint(0, 12, (rows, length), generator=torch.Generator().manual_seed(5))


CHANGES = [
    {"fused_add_norm": fused, "n_layer": depth, **other}
    for (fused, depth), other in itertools.product(
        itertools.product((True, False), (1, 2, 3)),
        (
            {},
            {"bidirectional_strategy": "ew_multiply"},
            {"bidirectional_weight_tie": False},
            {"rms_norm": False},
        ),
    )
]


def name_of(changes: dict[str, object]) -> str:
    return "-".join(f"{key}={value}" for key, value in changes.items())


@pytest.mark.parametrize("changes", CHANGES, ids=name_of)
def test_rcps_agrees_with_the_published_form_on_two_strands(changes: dict[str, object]) -> None:
    model, ids = build(**changes), random_ids()
    hidden, logits = naive_rcps(weights(model), model.config, ids)
    torch.testing.assert_close(model.backbone(ids), hidden, rtol=1e-9, atol=1e-11)
    torch.testing.assert_close(model(ids), logits, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("changes", CHANGES, ids=name_of)
def test_strands_lie_at_their_bases_in_one_order_of_channels(changes: dict[str, object]) -> None:
    """Position t of the published state is about base t in both halves; the second half's channels are reversed."""
    model, ids = build(**changes), random_ids()
    first, second = naive_rcps(weights(model), model.config, ids)[0].chunk(2, dim=-1)
    ours = torch.stack(model.backbone.strands(ids)).mean(0)
    torch.testing.assert_close(ours, (first + second.flip(-1)) / 2, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("changes", CHANGES, ids=name_of)
def test_rcps_is_equivariant_under_reverse_complement(changes: dict[str, object]) -> None:
    model, ids = build(**changes), random_ids(rows=4)
    other = reverse_complement_ids(ids)
    torch.testing.assert_close(model.backbone(other), flip(model.backbone(ids)), rtol=0, atol=1e-12)
    torch.testing.assert_close(model(other), model(ids).flip(1)[..., MAPPING], rtol=0, atol=1e-11)


def test_equivariance_needs_rcps() -> None:
    model, ids = build(rcps=False), random_ids()
    assert (model(reverse_complement_ids(ids)) - model(ids).flip(1)[..., MAPPING]).abs().max() > 0.1


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_fused_and_unfused_rcps_differ_but_not_without_rcps(depth: int) -> None:
    ids = random_ids()
    rcps = [build(fused_add_norm=fused, n_layer=depth).backbone(ids) for fused in (True, False)]
    assert (rcps[0] - rcps[1]).abs().max() > 0.1
    plain = [build(fused_add_norm=fused, n_layer=depth, rcps=False).backbone(ids) for fused in (True, False)]
    assert torch.equal(*plain)


def test_without_rcps_strands_are_two_runs() -> None:
    model, ids = build(rcps=False), random_ids()
    first, second = model.backbone.strands(ids)
    torch.testing.assert_close(first, model.backbone(ids), rtol=1e-12, atol=1e-13)
    expected = model.backbone(reverse_complement_ids(ids)).flip(1)
    torch.testing.assert_close(second, expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("rcps", [True, False])
@pytest.mark.parametrize("blocks", [0, 1, 2, 3])
def test_a_run_can_be_resumed_after_any_block(rcps: bool, blocks: int) -> None:
    model, ids = build(n_layer=3, rcps=rcps), random_ids()
    resumed = model.backbone.both_strands(model.backbone.prefix(ids, blocks), blocks)
    for ours, whole in zip(resumed, model.backbone.strands(ids), strict=True):
        assert torch.equal(ours, whole)


@pytest.mark.parametrize("rcps", [True, False])
def test_one_hot_input_is_the_same_and_differentiable(rcps: bool) -> None:
    model, ids = build(rcps=rcps), random_ids()
    x = F.one_hot(ids, 16).double().requires_grad_()
    strands = model.backbone.strands_one_hot(x)
    for soft, hard in zip(strands, model.backbone.strands(ids), strict=True):
        torch.testing.assert_close(soft, hard, rtol=1e-12, atol=1e-13)
    torch.stack(strands).sum().backward()
    assert (x.grad.abs().sum(-1) > 0).all()


def test_every_position_sees_every_other_one() -> None:
    model = build(n_layer=1, rcps=False)
    embeddings = model.backbone.embeddings(random_ids(rows=1)).detach().requires_grad_()
    for t in (0, 11, 22):
        (gradient,) = torch.autograd.grad(model.backbone(embeddings=embeddings)[0, t].sum(), embeddings)
        assert (gradient.abs().sum(-1) > 0).all()


@pytest.mark.parametrize("fused", [True, False])
def test_residual_in_float32_carries_what_half_precision_would_lose(fused: bool) -> None:
    ids = random_ids()
    exact = build(n_layer=3, fused_add_norm=fused).backbone(ids).detach()
    errors = {}
    for kept in (True, False):
        half = build(n_layer=3, fused_add_norm=fused, residual_in_fp32=kept).to(torch.bfloat16).backbone
        stream = half.embedding(ids)
        assert {residual.dtype for _, residual in half.stages(stream)} == {torch.float32 if kept else torch.bfloat16}
        assert half(ids).dtype == torch.bfloat16
        errors[kept] = ((half(ids).double() - exact).norm() / exact.norm()).item()
    assert errors[True] < 0.1
    assert errors[True] < 1.2 * errors[False]


def test_residual_in_float32_rounds_a_float64_model_as_published() -> None:
    ids = random_ids()
    difference = build(residual_in_fp32=True).backbone(ids) - build().backbone(ids)
    assert 0 < difference.abs().max() < 1e-4


def test_training_runs_under_autocast() -> None:
    model, ids = build().float(), random_ids()
    with torch.autocast("cpu", torch.bfloat16):
        loss = model(ids).square().mean()
    loss.backward()
    assert all(torch.isfinite(value.grad).all() for value in model.parameters())
    plain = build().float()(ids).square().mean()
    assert loss.item() == pytest.approx(plain.item(), rel=0.05)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bidirectional": False}, "bidirectional: false is not supported"),
        ({"bidirectional_strategy": "max"}, "must be add or ew_multiply"),
        ({"n_layer": 0}, "at least 1"),
        ({"d_model": 2.5}, "d_model must be int, got 2.5"),
        ({"rcps": 1}, "rcps must be bool, got 1"),
        ({"ssm_cfg": SsmConfig(d_state="16")}, "d_state must be int, got '16'"),
        ({"complement_map": (1, 2, 0)}, "complement_map must map the tokens 0 to vocab_size - 1"),
        ({"complement_map": (*range(1, 13), 0), "vocab_size": 13}, "in pairs"),
    ],
)
def test_nonsense_in_a_configuration_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CaduceusConfig(**({"d_model": 8, "n_layer": 1} | changes))


def test_calling_without_an_input_is_refused() -> None:
    with pytest.raises(ValueError, match="ids or embeddings"):
        build().backbone()


def test_step_sizes_start_within_their_bounds() -> None:
    model = CaduceusForMaskedLM(CaduceusConfig(d_model=32, n_layer=1))
    step = F.softplus(model.backbone.layers[0].mixer.mamba_fwd.dt_proj.bias)
    assert 0.001 <= step.min() < 0.005
    assert 0.05 < step.max() <= 0.1001
