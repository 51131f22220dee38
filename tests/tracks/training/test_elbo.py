"""The terms of the VAE's objective, one by one, and the bound against an exact likelihood."""

import math

import pytest
import torch
from scipy import stats

from contactlens.tracks.models.bernoulli_vae import VaeOutput
from contactlens.tracks.training.elbo import ElboConfig, elbo_terms

PRIOR = 0.2


def output() -> VaeOutput:
    """Two frames of two latents, with a third frame that is not observed."""
    prediction = torch.tensor([[[0.5, 1.0, 70.0], [0.0, math.log(4.0), 9.0]]])
    logits = torch.logit(torch.tensor([[0.5, 0.2, 0.9, 0.2, 0.2, 0.2]]))
    return VaeOutput(prediction, logits, torch.tensor([[0.1, -0.3, 50.0]]))


Y = torch.tensor([[0.0, 2.0, -30.0]])
OBSERVED = torch.tensor([[True, True, False]])


def test_every_term_is_what_its_name_says() -> None:
    config = ElboConfig(beta=0.4, warmup_epochs=0, lambda_sparsity=0.3, lambda_correction=2.0)
    terms = elbo_terms(Y, output(), OBSERVED, PRIOR, 0, config)
    nll = -(stats.norm(0.5, 1).logpdf(0.0) + stats.norm(1, 2).logpdf(2.0)) / 2
    kl = sum(q * math.log(q / PRIOR) + (1 - q) * math.log((1 - q) / (1 - PRIOR)) for q in (0.5, 0.9)) / 2
    assert terms["nll"].item() == pytest.approx(nll)
    assert terms["kl"].item() == pytest.approx(0.4 * kl, rel=1e-5)
    assert terms["sparsity"].item() == pytest.approx(0.3 * 2.2 / 2)
    assert terms["correction"].item() == pytest.approx(2 * (0.01 + 0.09) / 2)


def test_beta_goes_linearly_to_its_end_and_stays() -> None:
    config = ElboConfig(beta=0.4, beta_start=0.1, warmup_epochs=3)
    assert [config.beta_at(epoch) for epoch in range(5)] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.4])
    assert ElboConfig(beta=0.4, warmup_epochs=0).beta_at(0) == 0.4


def test_it_bounds_the_evidence_and_meets_it_at_the_exact_posterior() -> None:
    """One latent z ~ Bernoulli(0.2), y = z + N(0, 1) = 0.8: the evidence is a sum of two terms."""
    y = 0.8
    likelihood = [stats.norm(z, 1).pdf(y) for z in (0, 1)]
    evidence = (1 - PRIOR) * likelihood[0] + PRIOR * likelihood[1]
    posterior = PRIOR * likelihood[1] / evidence
    whole = ElboConfig(beta=1.0, warmup_epochs=0, lambda_sparsity=0.0, lambda_correction=0.0)

    def bound(q: float) -> float:
        """Its expectation over both values of the latent."""
        logits, seen = torch.logit(torch.tensor([[q]])), torch.tensor([[True]])
        values = [
            sum(
                elbo_terms(
                    torch.tensor([[y]]),
                    VaeOutput(torch.tensor([[[float(z)], [0.0]]]), logits, torch.zeros(1, 1)),
                    seen,
                    PRIOR,
                    0,
                    whole,
                ).values()
            ).item()
            for z in (0, 1)
        ]
        return (1 - q) * values[0] + q * values[1]

    assert bound(posterior) == pytest.approx(-math.log(evidence), rel=1e-5)
    for q in (0.05, 0.5, 0.9):
        assert bound(q) > -math.log(evidence) + 1e-4


def test_negative_weights_are_refused() -> None:
    with pytest.raises(ValueError, match="lambda_sparsity"):
        ElboConfig(lambda_sparsity=-1.0)
