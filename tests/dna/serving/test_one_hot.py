"""The one-hot view of a classifier says what the classifier says, and the field's own tools run on it."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from contactlens.base.errors import InputError
from contactlens.dna.models.caduceus import Caduceus, CaduceusConfig, SsmConfig
from contactlens.dna.models.classifier import WindowClassifier
from contactlens.dna.models.config import HeadConfig
from contactlens.dna.serving.one_hot import AsOneHot

LENGTH, ELEMENTS = 60, ((5, 25), (30, 55))


def classifier() -> WindowClassifier:
    torch.manual_seed(3)
    model = WindowClassifier(
        Caduceus(CaduceusConfig(d_model=8, n_layer=1, ssm_cfg=SsmConfig(d_state=4))), "pair", HeadConfig(8)
    )
    return model.eval()


def sequences(n: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids (n, L), some of them unknown, and the same one-hot (n, 4, L)."""
    codes = torch.from_numpy(np.random.default_rng(0).integers(0, 5, size=(n, LENGTH)))
    ids = torch.where(codes < 4, codes + 7, 4)
    return ids, F.one_hot(codes, 5)[..., :4].float().transpose(1, 2)


def regions() -> torch.Tensor:
    place = torch.arange(LENGTH)
    return torch.stack([(place >= a) & (place < b) for a, b in ELEMENTS])


def test_logits_are_those_of_the_tokens() -> None:
    model, (ids, X) = classifier(), sequences()
    with torch.no_grad():
        logit = model(ids, regions().expand(len(ids), -1, -1))
        assert logit.std() > 1e-4
        for view in (AsOneHot(model, regions()), AsOneHot(model, ELEMENTS, LENGTH)):
            torch.testing.assert_close(view(X), logit[:, None], atol=1e-6, rtol=0)


def test_it_is_differentiable_and_on_the_other_strand_the_same() -> None:
    view, (_, X) = AsOneHot(classifier(), ELEMENTS, LENGTH), sequences()
    X = X.requires_grad_()
    view(X).sum().backward()
    assert X.grad is not None and X.grad.abs().sum() > 0
    mirrored = AsOneHot(view.model, tuple((LENGTH - b, LENGTH - a) for a, b in ELEMENTS), LENGTH)
    torch.testing.assert_close(mirrored(X.flip(1, 2)), view(X), atol=1e-6, rtol=0)


def test_wrong_shapes_and_regions() -> None:
    view = AsOneHot(classifier(), ELEMENTS, LENGTH)
    for shape in ((2, LENGTH, 4), (2, 4, LENGTH - 1), (4, LENGTH)):
        with pytest.raises(InputError, match=r"sequences must be \(batch, 4, 60\)"):
            view(torch.zeros(shape))
    with pytest.raises(InputError, match="need the `length`"):
        AsOneHot(classifier(), ELEMENTS)
    for wrong in (regions()[0], regions()[:, None].expand(-1, 2, -1), regions() & False):
        with pytest.raises(InputError, match=r"regions must be \(elements, bases\), none of them empty"):
            AsOneHot(classifier(), wrong)


def test_tangermeme_runs_on_it() -> None:
    """Its prediction and its saturation mutagenesis, against the model itself."""
    predict = pytest.importorskip("tangermeme.predict", reason="tangermeme is not installed (optional)").predict
    mutagenesis = pytest.importorskip("tangermeme.saturation_mutagenesis").saturation_mutagenesis
    view, (_, X) = AsOneHot(classifier(), ELEMENTS, LENGTH), sequences()
    X = X[:, :, :]
    X[:, 0] += 1 - X.sum(1)  # it takes no unknown bases
    with torch.no_grad():
        torch.testing.assert_close(predict(view, X, batch_size=4, device="cpu"), view(X), atol=1e-6, rtol=0)
        y0, changed = mutagenesis(view, X[:1], start=10, end=12, raw_outputs=True, device="cpu", verbose=False)
        torch.testing.assert_close(y0, view(X[:1]), atol=1e-6, rtol=0)
        for base in range(4):
            for place in range(2):
                mutant = X[:1].clone()
                mutant[0, :, 10 + place] = F.one_hot(torch.tensor(base), 4)
                torch.testing.assert_close(changed[0, base, place], view(mutant)[0], atol=1e-6, rtol=0)
