"""Every method on models whose contributions are known in closed form, and on a small classifier."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from contactlens.attribution.centring import centred
from contactlens.dna.data.tokens import BASES, PAD, decode, one_hot_bases, reverse_complement_ids
from contactlens.dna.explanation.methods import METHODS, AttributionSettings, attribute, method_named
from contactlens.dna.explanation.methods.integrated_gradients import region_baseline, uniform_baseline
from contactlens.dna.explanation.methods.lrp import one_hot_tokens
from contactlens.dna.explanation.methods.shuffled_references import path_nodes
from contactlens.dna.explanation.shuffles import shuffled
from contactlens.dna.models.caduceus import Caduceus, CaduceusConfig
from contactlens.dna.models.classifier import WindowClassifier
from contactlens.dna.models.config import HeadConfig

L = 48
SETTINGS = AttributionSettings(ig_steps=16, rows_per_pass=3)


class Linear(nn.Module):
    """Score = sum over bases of weight[position, base], and a constant."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(L, 16, generator=torch.Generator().manual_seed(0), dtype=torch.float64))

    def forward_one_hot(self, x, regions):
        return (x * self.weight).sum((1, 2)) + 3

    def forward(self, ids, regions):
        return self.forward_one_hot(one_hot_tokens(self, ids), regions)


def actual_contributions(hypothetical, one_hot):
    return (hypothetical * one_hot).sum(axis=-1)


def windows(n=5):
    ids = torch.randint(7, 11, (n, L), generator=torch.Generator().manual_seed(2))
    ids[0, 10:13] = PAD
    regions = torch.zeros(n, 2, L, dtype=torch.bool)
    regions[:, 0, 5:20], regions[:, 1, 30:40] = True, True
    return ids, regions


def classifier() -> WindowClassifier:
    torch.manual_seed(1)
    model = WindowClassifier(Caduceus(CaduceusConfig(d_model=16, n_layer=2)), "pair", HeadConfig(16)).double().eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("weight") and "norm" not in name:
                parameter.normal_(0, 1 if "embedding" in name or "conv1d" in name else parameter.shape[-1] ** -0.5)
    return model


def centred_unless_plain(method, hypothetical):
    """Those against shuffles are relative to the shuffle's base, which differs from place to place."""
    return hypothetical if method in ("input_x_gradient", "lrp") else centred(hypothetical)


@pytest.mark.parametrize("method", METHODS)
def test_a_linear_model_gives_back_its_weights(method):
    model = Linear()
    ids, regions = windows()
    found = centred_unless_plain(method, attribute(model, ids, regions, method, SETTINGS))
    weight = model.weight.detach()[:, list(BASES)].expand(len(ids), -1, -1)
    if method not in ("input_x_gradient", "lrp"):
        weight = weight - weight.mean(-1, keepdim=True)
    inside = method in ("region_integrated_gradients", "region_shuffled_integrated_gradients", "mutagenesis")
    where = regions.any(1) if inside else torch.ones_like(ids, dtype=torch.bool)
    expected = weight * (where & (ids != PAD)).unsqueeze(-1)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert found.dtype == np.float32 and found[0, 10:13].any() == np.False_


@pytest.mark.parametrize("method", METHODS)
def test_classifier_mirrored_windows_have_mirrored_contributions(method):
    model = classifier()
    ids, regions = windows(2)
    settings = AttributionSettings(ig_steps=4, rows_per_pass=64)
    one = attribute(model, ids, regions, method, settings)
    other = attribute(model, reverse_complement_ids(ids), regions.flip(-1), method, settings)
    np.testing.assert_allclose(one, other[:, ::-1, ::-1], rtol=1e-5, atol=1e-6)
    assert np.abs(one).max() > 1e-3


def test_batches_do_not_change_the_result():
    model = classifier()
    ids, regions = windows()
    for method in ("lrp", "saliency", "integrated_gradients"):
        alone = attribute(model, ids, regions, method, AttributionSettings(6, 1))
        np.testing.assert_allclose(
            attribute(model, ids, regions, method, AttributionSettings(6, 4)), alone, rtol=1e-5, atol=1e-7
        )


def test_input_x_gradient_is_the_gradient_by_the_one_hot_base():
    model = classifier()
    ids, regions = windows()
    x = one_hot_tokens(model, ids).requires_grad_()
    model.forward_one_hot(x, regions).sum().backward()
    found = attribute(model, ids, regions, "input_x_gradient", SETTINGS)
    expected = x.grad[..., list(BASES)] * (ids != PAD).unsqueeze(-1)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-8)
    saliency = attribute(model, ids, regions, "saliency", SETTINGS)
    np.testing.assert_allclose(saliency, found - found.mean(-1, keepdims=True), atol=1e-6)


def test_integrated_gradients_are_complete_and_get_better_with_steps():
    model = classifier()
    ids, regions = windows()
    x = one_hot_tokens(model, ids)
    baseline = uniform_baseline(x, ids)
    assert torch.equal(baseline[0, 11], x[0, 11]) and torch.allclose(baseline.sum(-1), torch.ones(()).double())
    with torch.no_grad():
        change = (model(ids, regions) - model.forward_one_hot(baseline, regions)).numpy()
    errors = []
    for steps in (2, 64):
        hypothetical = attribute(model, ids, regions, "integrated_gradients", AttributionSettings(steps, 8))
        shares = actual_contributions(hypothetical, one_hot_bases(ids).numpy()).sum(axis=1)
        errors.append(np.abs(shares - change).sum() / np.abs(change).sum())
    assert errors[1] < 0.05 and errors[1] < errors[0] / 4


class Cubic(Linear):
    """Score = u^3 + u v of two weighted sums over bases."""

    def forward_one_hot(self, x, regions):
        u, v = ((x * self.weight.roll(turn, 0)).sum((1, 2)) / 4 for turn in (0, 5))
        return u**3 + u * v


@pytest.mark.parametrize(
    ("build", "steps", "tolerance"),
    [
        pytest.param(Cubic, 4, 1e-5, id="cubic"),  # whose integral four points give
        pytest.param(classifier, 300, 0.05, id="classifier", marks=pytest.mark.slow),
    ],
)
def test_contributions_in_a_region_add_up_to_what_the_score_loses_without_it(build, steps, tolerance):
    model = build()
    ids, regions = windows()
    settings = AttributionSettings(ig_steps=steps, rows_per_pass=500)
    hypothetical = attribute(model, ids, regions, "region_integrated_gradients", settings)
    shares = actual_contributions(hypothetical, one_hot_bases(ids).numpy())
    x = one_hot_tokens(model, ids)
    for region in regions.unbind(1):
        with torch.no_grad():
            without = model.forward_one_hot(region_baseline(x, ids, region), regions)
            change = (model(ids, regions) - without).numpy()
        found = (shares * region.numpy()).sum(axis=1)
        assert np.abs(found - change).sum() < tolerance * np.abs(change).sum()


@pytest.mark.parametrize("steps", [1, 2, 5, 6])
def test_points_of_a_path_lie_closest_in_its_middle_and_their_weights_are_the_stretches_they_stand_for(steps):
    nodes, weights = path_nodes(steps)
    ends = np.concatenate([[0.0], weights.cumsum()])
    assert ends[-1] == pytest.approx(1)
    assert ((ends[:-1] < nodes) & (nodes < ends[1:])).all()
    np.testing.assert_allclose(nodes, 1 - nodes[::-1])
    assert weights.argmin() in (steps // 2, (steps - 1) // 2)


def test_few_points_of_a_path_see_a_score_that_changes_at_once_in_its_middle():
    """Of S(a) = 1 / (1 + exp(-40 (a - c))), whose change over the path is close to 1."""
    nodes, weights = path_nodes(8)
    legendre, shares = np.polynomial.legendre.leggauss(8)
    errors, others = [], []
    for c in np.linspace(0.4, 0.6, 21):
        s = [1 / (1 + np.exp(-40 * (at - c))) for at in (nodes, (legendre + 1) / 2)]
        found = [(40 * one * (1 - one) * weight).sum() for one, weight in zip(s, (weights, shares / 2), strict=True)]
        errors.append(abs(found[0] - 1))
        others.append(abs(found[1] - 1))
    assert np.mean(errors) < 0.04 and np.mean(others) > 3 * np.mean(errors)


@pytest.mark.parametrize("references", [1, 3])
@pytest.mark.parametrize("method", ["shuffled_integrated_gradients", "region_shuffled_integrated_gradients"])
def test_contributions_against_shuffles_add_up_to_the_mean_change_from_them(method, references):
    model = Cubic()
    ids, regions = windows()
    settings = AttributionSettings(ig_steps=200, rows_per_pass=3, references=references)
    shares = actual_contributions(attribute(model, ids, regions, method, settings), one_hot_bases(ids).numpy())
    parts = regions.unbind(1) if method.startswith("region") else [torch.ones_like(ids, dtype=torch.bool)]
    for part in parts:
        with torch.no_grad():
            before = torch.stack([model(shuffled(ids, part, draw), regions) for draw in range(references)]).mean(0)
            change = (model(ids, regions) - before).numpy()
        np.testing.assert_allclose((shares * part.numpy()).sum(axis=1), change, atol=2e-3)
        assert np.abs(change).max() > 0.1


def test_gradient_shap_of_a_linear_model_adds_up_exactly():
    model = Linear()
    ids, regions = windows()
    found = attribute(model, ids, regions, "gradient_shap", SETTINGS)
    whole = torch.ones_like(ids, dtype=torch.bool)
    references = [model(shuffled(ids, whole, draw), regions).detach() for draw in range(SETTINGS.ig_steps)]
    change = model(ids, regions).detach() - torch.stack(references).mean(0)
    shares = actual_contributions(found, one_hot_bases(ids).numpy()).sum(axis=1)
    np.testing.assert_allclose(shares, change, atol=1e-5)


def test_shuffles_keep_dinucleotides_and_places_of_unknown_bases_and_are_the_same_on_either_strand():
    ids, regions = windows()
    part = regions[:, 0]
    found = shuffled(ids, part, 1)
    assert torch.equal(found[~part], ids[~part]) and not torch.equal(found[part], ids[part])
    assert torch.equal(found == PAD, ids == PAD)
    assert not torch.equal(found, shuffled(ids, part, 2)) and torch.equal(found, shuffled(ids, part, 1))
    for row in range(1, len(ids)):
        before, after = (decode(one[row, part[row]].numpy()) for one in (ids, found))
        assert Counter(pairwise(before)) == Counter(pairwise(after))
    mirrored = shuffled(reverse_complement_ids(ids), part.flip(-1), 1)
    assert torch.equal(mirrored, reverse_complement_ids(found))
    assert torch.equal(shuffled(ids[2:3], part[2:3], 1), found[2:3])


class Match(nn.Module):
    """Score = -(a - b)^2, where a and b count G in either region: how well the two match."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones((), dtype=torch.float64))

    def forward_one_hot(self, x, regions):
        a, b = torch.einsum("bl,brl->rb", x[..., BASES[2]], regions.to(x.dtype))
        return -self.scale * (a - b) ** 2

    def forward(self, ids, regions):
        return self.forward_one_hot(one_hot_tokens(self, ids), regions)


def test_a_match_is_credited_one_region_at_a_time_alone():
    """Six G in either region: without those of one the score falls by (6 - 10 / 4)^2, 10 of its bases being 1/4 G. Both
    fade together along the ordinary path, which leaves nothing to share."""
    ids = torch.full((1, L), BASES[0])
    regions = torch.zeros(1, 2, L, dtype=torch.bool)
    for row, start in enumerate((5, 30)):
        regions[0, row, start : start + 10] = True
        ids[0, start : start + 6] = BASES[2]
    found = {
        method: actual_contributions(attribute(Match(), ids, regions, method, SETTINGS), one_hot_bases(ids).numpy())
        for method in ("integrated_gradients", "region_integrated_gradients")
    }
    assert np.abs(found["integrated_gradients"]).max() < 1e-6
    for region in regions[0].numpy():
        assert found["region_integrated_gradients"][0, region].sum() == pytest.approx(3.5**2)


def test_names_in_params_are_the_methods():
    assert all(method_named(name).__name__ == name for name in METHODS)


def test_weights_and_gradients_of_the_model_stay():
    model = classifier()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    for method in METHODS:
        attribute(model, *windows(2), method, AttributionSettings(2, 64))
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert all(p.requires_grad and p.grad is None for p in model.parameters())
