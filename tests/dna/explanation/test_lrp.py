"""Relevance against closed forms, saved results of another implementation, and the score that it shares out."""

import numpy as np
import pytest
import torch

from contactlens.base.errors import InputError
from contactlens.dna.data.tokens import BASES, COMPLEMENT, PAD, reverse_complement_ids
from contactlens.dna.explanation.methods.lrp import (
    KINDS,
    RULES,
    LrpOperations,
    frozen,
    one_hot_tokens,
    relevance,
    relevance_of,
)
from contactlens.dna.models.caduceus import Caduceus, CaduceusConfig, load_caduceus
from contactlens.dna.models.caduceus.operations import replaced_operations
from contactlens.dna.models.classifier import WindowClassifier
from contactlens.dna.models.config import HeadConfig
from reference_files import caduceus

L = 64
CONFIGS = {
    "ps": {"rcps": True, "n_layer": 3},
    "ps_even": {"rcps": True, "n_layer": 2},
    "ps_unfused": {"rcps": True, "n_layer": 2, "fused_add_norm": False},
    "ph": {"rcps": False, "n_layer": 2},
    "untied": {"rcps": True, "n_layer": 2, "bidirectional_weight_tie": False},
    "multiplied": {"rcps": True, "n_layer": 2, "bidirectional_strategy": "ew_multiply"},
    "vocabulary of 12": {"n_layer": 2, "vocab_size": 12, "complement_map": tuple(COMPLEMENT.tolist()[:12])},
    "vocabulary of 24": {"n_layer": 2, "vocab_size": 24, "complement_map": (*COMPLEMENT.tolist(), *range(16, 24))},
    "layer_norm": {"rcps": True, "n_layer": 2, "rms_norm": False},
}


def classifier(task="pair", dtype=torch.float64, pooling="mean", detectors=0, **config) -> WindowClassifier:
    """Random weights large enough that every step is far from linear."""
    torch.manual_seed(1)
    model = WindowClassifier(Caduceus(CaduceusConfig(d_model=16, **config)), task, HeadConfig(24, pooling, detectors))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias") and "dt_proj" not in name:
                parameter.uniform_(-0.5, 0.5)
            elif name.endswith("weight") and "norm" not in name:
                parameter.normal_(0, 1 if "embedding" in name or "conv1d" in name else parameter.shape[-1] ** -0.5)
    return model.to(dtype).eval()


def windows(n=4) -> tuple[torch.Tensor, torch.Tensor]:
    ids = torch.randint(7, 11, (n, L), generator=torch.Generator().manual_seed(2))
    ids[0, 20:25] = PAD
    regions = torch.zeros(n, 2, L, dtype=torch.bool)
    regions[:, 0, 5:25], regions[:, 1, 40:52] = True, True
    return ids, regions


def gap(found) -> float:
    return float(((found.total - found.score).abs() / found.score.abs()).max())


@pytest.mark.parametrize("name", CONFIGS)
def test_relevance_is_conserved_through_the_whole_model(name):
    model = classifier(**CONFIGS[name])
    found = relevance(model, *windows())
    torch.testing.assert_close(found.score, model(*windows()), rtol=1e-12, atol=1e-12)
    assert gap(found) < 1e-10
    assert {kind for kind in KINDS if found.absorbed[kind].abs().max() > 1e-3} == {"convolution", "head"} | (
        {"norm"} if name == "layer_norm" else set()
    )


def test_relevance_is_conserved_through_directed_pooling():
    assert gap(relevance(classifier(rcps=True, n_layer=2, pooling="directed"), *windows())) < 1e-10


@pytest.mark.parametrize("pooling", ["mean", "directed"])
def test_relevance_is_conserved_through_detectors_of_sites(pooling):
    model = classifier(rcps=True, n_layer=2, pooling=pooling, detectors=7)
    assert gap(relevance(model, *windows())) < 1e-10


def test_conserved_in_single_precision_and_for_single_regions():
    ids, regions = windows()
    assert gap(relevance(classifier(dtype=torch.float32, rcps=True, n_layer=4), ids, regions)) < 1e-3
    assert gap(relevance(classifier("region", rcps=True, n_layer=2), ids, regions[:, :1])) < 1e-10


@pytest.mark.parametrize("dropped", RULES)
def test_every_rule_is_needed(dropped):
    model = classifier(rcps=True, n_layer=2)
    assert gap(relevance(model, *windows(), rules=set(RULES) - {dropped})) > 0.01


def test_no_rule_is_the_plain_gradient():
    model = classifier(rcps=True, n_layer=2)
    ids, regions = windows()
    x = one_hot_tokens(model, ids).requires_grad_()
    (gradient,) = torch.autograd.grad(model.forward_one_hot(x, regions).sum(), x)
    found = relevance(model, ids, regions, rules=())
    torch.testing.assert_close(found.tokens, (x * gradient).sum(-1).detach())
    with pytest.raises(ValueError, match="no rule 'gelu'"):
        relevance(model, ids, regions, rules=("gelu",))


def test_head_counts_every_bias_and_halves_the_product():
    """logit = a . v_E + b . v_P + c . |v_E - v_P| + d . (v_E * v_P) + bias: R(v_E) in closed form."""
    model = classifier(rcps=True, n_layer=1)
    head, d = model.head, 16
    states = torch.randn(3, L, d, dtype=torch.float64, requires_grad=True)
    _, regions = windows(3)
    raw_e, raw_p = (head.pooled(states, regions) * head.gain).unbind(1)
    v_e, v_p = raw_e + head.bias, raw_p + head.bias
    with torch.no_grad():  # hidden unit 0 passes everything on
        head.hidden.weight.uniform_(0.1, 1), head.hidden.bias.fill_(100.0)
    operations = LrpOperations({})
    head.operations = operations
    (gradient,) = torch.autograd.grad(head(states, regions).sum(), states)
    a, b, c, e = (head.out.weight @ head.hidden.weight)[0].chunk(4)
    del head.operations
    far = (v_e - v_p).sign()
    expected = raw_e * (a + c * far + e * v_p / 2) + raw_p * (b - c * far + e * v_e / 2)
    torch.testing.assert_close((states * gradient).sum((1, 2)), expected.sum(1))


def test_rules_one_by_one():
    x = torch.randn(2, 5, 6, dtype=torch.float64, requires_grad=True)
    weight, bias = torch.rand(6, dtype=torch.float64), torch.rand(6, dtype=torch.float64)
    operations = LrpOperations({id(bias): "norm"})

    def relevance_at(y):
        return x.detach() * torch.autograd.grad(y.sum(), x)[0]

    y = operations.silu(x)
    torch.testing.assert_close(relevance_at(y), y)
    y = operations.rms_norm(x, weight, 1e-5)
    torch.testing.assert_close(y, torch.nn.functional.rms_norm(x, (6,), weight, 1e-5))
    torch.testing.assert_close(relevance_at(y), y)
    y = operations.layer_norm(x, weight, bias, 1e-5)
    torch.testing.assert_close(y, torch.nn.functional.layer_norm(x, (6,), weight, bias, 1e-5))
    kind, copy = operations.absorbed[0]
    absorbed = copy.detach() * torch.autograd.grad(y.sum(), copy, retain_graph=True)[0]
    assert kind == "norm"
    torch.testing.assert_close(absorbed.sum((1, 2)), 5 * bias.sum().expand(2))
    torch.testing.assert_close(relevance_at(y).sum(), (y - bias).sum())
    y = operations.product(x, 2 * x.exp())
    factor = 2 * x.exp()
    torch.testing.assert_close(relevance_at(y), (x * factor + x * factor * x) / 2)


def test_scan_rule_leaves_a_linear_filter():
    """With the rates fixed, y_t = D u_t + sum over s <= t of <C_t, decay(s..t) delta_s B_s> u_s."""
    generator = torch.Generator().manual_seed(0)
    u, delta = (torch.rand(1, 5, 2, generator=generator, dtype=torch.float64) for _ in range(2))
    B, C = (torch.randn(1, 5, 3, generator=generator, dtype=torch.float64) for _ in range(2))
    A, D = -torch.rand(2, 3, generator=generator, dtype=torch.float64), torch.randn(2, dtype=torch.float64)
    u.requires_grad_()
    y = LrpOperations({}).scan(u, 1 * delta * u / u.detach(), A, B, C * u.sum() / u.sum().detach(), D, reverse=False)
    (gradient,) = torch.autograd.grad(y[0, 4].sum(), u)
    decay = torch.exp(delta[0, :, :, None] * A)
    for s in range(5):
        filtered = (decay[s + 1 :].prod(0) * delta[0, s, :, None] * B[0, s] * C[0, 4]).sum(-1)
        torch.testing.assert_close(gradient[0, s], filtered + D * (s == 4))


def test_hypothetical_is_the_embedding_times_the_gradient_on_both_strands():
    model = classifier(rcps=True, n_layer=2)
    ids, regions = windows()
    found = relevance(model, ids, regions)
    present = (ids.unsqueeze(-1) == torch.tensor(BASES)).double()
    known = present.any(-1)
    torch.testing.assert_close((found.hypothetical * present).sum(-1)[known], found.tokens[known])
    assert not known.all() and found.hypothetical[~known].abs().max() == 0

    strands = []

    def watched(streams):
        strands.append(streams.detach().requires_grad_())
        return Caduceus.both_strands(model.backbone, strands[0])

    model.backbone.both_strands = watched
    with frozen(model), replaced_operations(model, LrpOperations({})):
        score = model(ids, regions).sum()
        forward, reverse = torch.autograd.grad(score, strands)[0].unbind(1)
    E = model.backbone.embedding.weight.detach()
    for column, base in enumerate(BASES):
        expected = forward @ E[base] + reverse.flip(1) @ E[COMPLEMENT[base]]
        torch.testing.assert_close(found.hypothetical[..., column][known], expected[known])
    torch.testing.assert_close(
        found.tokens, (E[ids] * forward).sum(-1) + (E[torch.tensor(COMPLEMENT)[ids]] * reverse.flip(1)).sum(-1)
    )


def test_other_strand_has_mirrored_relevance():
    model = classifier(rcps=True, n_layer=3)
    ids, regions = windows()
    one, other = relevance(model, ids, regions), relevance(model, reverse_complement_ids(ids), regions.flip(-1))
    torch.testing.assert_close(one.tokens, other.tokens.flip(1))
    torch.testing.assert_close(one.hypothetical, other.hypothetical.flip(1, 2))


def test_sequences_do_not_mix():
    model = classifier(rcps=True, n_layer=2)
    ids, regions = windows()
    together, alone = relevance(model, ids, regions), relevance(model, ids[2:3], regions[2:3])
    torch.testing.assert_close(together.tokens[2:3], alone.tokens)
    torch.testing.assert_close(together.conv_bias[2:3], alone.conv_bias)
    torch.testing.assert_close(together.head_bias[2:3], alone.head_bias)


def test_model_is_left_as_it_was():
    model = classifier(rcps=True, n_layer=1)
    model.backbone.embedding.weight.requires_grad_(False)
    before = model(*windows())
    with torch.no_grad():
        relevance(model, *windows())
    assert torch.equal(model(*windows()), before)
    assert not model.backbone.embedding.weight.requires_grad and model.head.out.weight.requires_grad
    assert model.head.out.weight.grad is None


def test_biases_that_would_leak_unseen_are_refused():
    from contactlens.dna.models.caduceus import SsmConfig

    with pytest.raises(InputError, match=r"in_proj\.bias"):
        relevance(classifier(rcps=True, n_layer=1, ssm_cfg=SsmConfig(bias=True)), *windows())


@pytest.mark.parametrize("folder", caduceus("ph", "ps", "untied"))
def test_agrees_with_another_implementation(folder):
    backbone = load_caduceus(folder, torch.float64).backbone
    golden, expected = np.load(folder / "golden_L64.npz"), np.load(folder / "lrp_L64_f64.npz")
    ids, weight = torch.from_numpy(expected["input_ids"]), torch.from_numpy(golden["W_hidden"])

    def score(x: torch.Tensor) -> torch.Tensor:
        if backbone.config.rcps:
            return (backbone.join(*backbone.strands_one_hot(x)) * weight).sum((1, 2))
        return (backbone.strand(backbone.embed(x)) * weight).sum((1, 2))

    for rules, key in ((RULES, "relevance"), ((), "grad_x_input")):
        found = relevance_of(backbone, score, ids, rules)
        np.testing.assert_allclose(found.score, expected["score"], rtol=1e-9)
        np.testing.assert_allclose(found.tokens, expected[key], rtol=1e-8, atol=1e-9)
        if rules:
            np.testing.assert_allclose(found.conv_bias, expected["relevance_conv_bias"], rtol=1e-8)
            np.testing.assert_allclose(found.total, expected["score"], rtol=1e-9)
