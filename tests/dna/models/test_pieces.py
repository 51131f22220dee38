"""A short context: the network sees elements with their flanks, and nothing else."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from contactlens.dna.data.tokens import PAD, reverse_complement_ids
from contactlens.dna.explanation.methods import METHODS, AttributionSettings, attribute
from contactlens.dna.explanation.methods.lrp import relevance
from contactlens.dna.models.caduceus import Caduceus, CaduceusConfig, SsmConfig
from contactlens.dna.models.classifier import WindowClassifier, load_classifier, save_classifier
from contactlens.dna.models.config import HeadConfig
from contactlens.dna.models.dilated_cnn import DilatedCnn, DilatedCnnConfig
from contactlens.dna.models.pieces import pieces_of

L = 40
CADUCEUS = CaduceusConfig(d_model=8, n_layer=2, ssm_cfg=SsmConfig(d_state=3))
Bounds = tuple[tuple[int, int], tuple[int, int]]


def build(context_bp: int | None, pooling: str = "mean", rcps: bool = True) -> WindowClassifier:
    torch.manual_seed(0)
    backbone = Caduceus(replace(CADUCEUS, rcps=rcps))
    model = WindowClassifier(backbone, "pair", HeadConfig(6, pooling), context_bp).double()
    with torch.no_grad():
        for value in model.parameters():
            value += 0.3 * torch.randn_like(value)
    return model.eval()


def inputs(*bounds: Bounds, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Random bases, and regions of enhancers and promoters at [start, end)."""
    ids = np.random.default_rng(seed).integers(7, 11, (len(bounds), L))
    place = np.arange(L)
    regions = [[(place >= start) & (place < end) for start, end in row] for row in bounds]
    return torch.from_numpy(ids), torch.from_numpy(np.array(regions))


SEVERAL: tuple[Bounds, ...] = (((2, 9), (20, 33)), ((30, 37), (5, 12)), ((0, 4), (36, 40)), ((8, 8), (11, 20)))
"""Elements of several lengths, in either order, at the window's ends; the last enhancer is empty."""


@pytest.mark.parametrize("rcps", [True, False])
@pytest.mark.parametrize("pooling", ["mean", "directed"])
def test_a_context_that_covers_the_window_is_the_whole_window(pooling: str, rcps: bool) -> None:
    ids, regions = inputs(*SEVERAL)
    expected = build(None, pooling, rcps)(ids, regions)
    assert expected.std() > 1e-3
    torch.testing.assert_close(build(L, pooling, rcps)(ids, regions), expected, rtol=0, atol=1e-12)
    assert (build(3, pooling, rcps)(ids, regions) - expected).abs().max() > 1e-3


@pytest.mark.parametrize("kind", ["caduceus", "dilated_cnn"])
def test_padding_would_change_logits_and_tell_the_strands_apart(kind: str) -> None:
    """Why windows and pieces of several lengths are run length by length: bases that a network doesn't know are not
    bases that aren't there."""
    torch.manual_seed(0)
    backbone = Caduceus(CADUCEUS) if kind == "caduceus" else DilatedCnn(DilatedCnnConfig(8, 2, kernel_size=3))
    model = WindowClassifier(backbone, "pair", HeadConfig(6)).double()
    with torch.no_grad():
        for value in model.parameters():
            value += 0.3 * torch.randn_like(value)
    model.eval()
    ids, regions = inputs(((2, 9), (20, 33)), ((5, 12), (30, 39)))

    def padded(ids: torch.Tensor, regions: torch.Tensor) -> torch.Tensor:
        return model(F.pad(ids, (0, 8), value=PAD), F.pad(regions, (0, 8)))

    with torch.no_grad():
        logits, turned = model(ids, regions), (reverse_complement_ids(ids), regions.flip(-1))
        torch.testing.assert_close(model(*turned), logits, rtol=0, atol=1e-12)
        assert (padded(ids, regions) - logits).abs().max() > 1e-3
        assert (padded(*turned) - padded(ids, regions)).abs().max() > 1e-3


def test_pieces_are_elements_and_flanks_cut_at_the_windows_ends() -> None:
    _, regions = inputs(*SEVERAL)
    found = {}
    for pieces in pieces_of(regions, 3):
        for window, element, places in zip(*pieces, strict=True):
            found[int(window), int(element)] = (int(places[0]), int(places[-1]) + 1)
            assert torch.equal(places, torch.arange(int(places[0]), int(places[-1]) + 1))
    assert found == {(0, 0): (0, 12), (0, 1): (17, 36), (1, 0): (27, 40), (1, 1): (2, 15), (2, 0): (0, 7)} | {
        (2, 1): (33, 40),
        (3, 1): (8, 23),
    }


def test_the_logit_is_that_of_the_backbone_run_on_each_piece_alone() -> None:
    """By hand: slices of the window through the backbone, means over the elements' bases, the head."""
    model, (ids, regions) = build(3), inputs(*SEVERAL)
    for row, bounds in enumerate(SEVERAL[:3]):
        means = []
        for start, end in bounds:
            first, last = max(0, start - 3), min(L, end + 3)
            forward, reverse = model.backbone.strands(ids[row : row + 1, first:last])
            means.append(((forward + reverse) / 2)[0, start - first : end - first].mean(0))
        expected = model.head.score(torch.stack(means)[None])[0]
        torch.testing.assert_close(model(ids, regions)[row], expected, rtol=0, atol=1e-12)


@st.composite
def elements(draw: st.DrawFn) -> tuple[Bounds, int]:
    edges = sorted(draw(st.lists(st.integers(0, L), min_size=4, max_size=4, unique=True)))
    pair = ((edges[0], edges[1]), (edges[2], edges[3]))
    return pair if draw(st.booleans()) else pair[::-1], draw(st.integers(0, 8))


@settings(max_examples=40)
@given(case=elements(), seed=st.integers(0, 9), pooling=st.sampled_from(["mean", "directed"]))
def test_no_base_outside_of_elements_and_flanks_has_a_say(case: tuple[Bounds, int], seed: int, pooling: str) -> None:
    bounds, context_bp = case
    model, (ids, regions) = build(context_bp, pooling), inputs(bounds, seed=seed)
    with torch.no_grad():
        model.head.hidden.bias += 20  # no hidden unit is off, so none hides the gradient of what it sees
    seen = np.zeros(L, dtype=bool)
    for start, end in bounds:
        seen[max(0, start - context_bp) : end + context_bp] = True
    other = torch.where(torch.from_numpy(seen), ids, inputs(bounds, seed=seed + 100)[0])
    logit = model(ids, regions)
    assert torch.equal(model(other, regions), logit)
    x = F.one_hot(ids, 16).double().requires_grad_()
    score = model.forward_one_hot(x, regions)
    torch.testing.assert_close(score, logit, rtol=0, atol=1e-12)
    gradient = torch.autograd.grad(score.sum(), x)[0][0].abs().sum(-1)
    assert np.array_equal(gradient.numpy() > 0, seen)


@pytest.mark.parametrize("pooling", ["mean", "directed"])
def test_windows_are_scored_alike_alone_together_and_from_the_other_strand(pooling: str) -> None:
    model, (ids, regions) = build(3, pooling), inputs(*SEVERAL)
    logit = model(ids, regions)
    alone = torch.cat([model(*one) for one in zip(ids.split(1), regions.split(1), strict=True)])
    torch.testing.assert_close(alone, logit, rtol=0, atol=1e-12)
    complement = torch.tensor([0, 1, 2, 3, 4, 5, 6, 10, 9, 8, 7])
    other = model(complement[ids.flip(1)], regions.flip(-1))
    torch.testing.assert_close(other, logit, rtol=0, atol=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_bases_that_are_not_seen_contribute_nothing(method: str) -> None:
    model, (ids, regions) = build(3), inputs(*SEVERAL[:3])
    found = np.abs(attribute(model, ids, regions, method, AttributionSettings(2, 2))).sum(-1) > 0
    seen = np.zeros((3, L), dtype=bool)
    for row, bounds in enumerate(SEVERAL[:3]):
        for start, end in bounds:
            seen[row, max(0, start - 3) : end + 3] = True
    assert not found[~seen].any() and found[seen].any()


def test_relevance_is_conserved_for_each_window() -> None:
    model, (ids, regions) = build(3), inputs(*SEVERAL)
    found = relevance(model, ids, regions)
    torch.testing.assert_close(found.score, model(ids, regions), rtol=0, atol=1e-12)
    torch.testing.assert_close(found.total, found.score, rtol=0, atol=1e-10)


def test_the_context_is_saved_with_the_classifier(tmp_path: Path) -> None:
    model, (ids, regions) = build(3).float(), inputs(*SEVERAL)
    save_classifier(model, tmp_path / "saved")
    loaded = load_classifier(tmp_path / "saved")
    assert loaded.context_bp == 3
    assert torch.equal(loaded(ids, regions), model(ids, regions))
