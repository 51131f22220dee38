"""The terms of each objective, one by one, and the bound of the VAE's against an exact likelihood."""

import math

import numpy as np
import pytest
import torch
from scipy import integrate, stats
from torch import Tensor

from contactlens.tracks.models.heads.config import MixtureConfig
from contactlens.tracks.models.heads.distribution import SignalScale
from contactlens.tracks.models.heads.gaussian import DecodedGaussianHead, gaussian_crps, gaussian_nll
from contactlens.tracks.models.heads.mixture import MixtureHead
from contactlens.tracks.models.track_model import Output
from contactlens.tracks.training.config import ElboConfig, LossConfig
from contactlens.tracks.training.objectives import ElboObjective, SignalObjective, anneal

HEAD, SCALE = DecodedGaussianHead(), SignalScale(torch.tensor(0.0), torch.tensor(1.0))
PRIOR = 0.2
Y = torch.tensor([[0.0, 2.0, -30.0]])
OBSERVED = torch.tensor([[True, True, False]])


def config(**changes: object) -> LossConfig:
    values = {"lambda_contact": 0.0, "lambda_crps": 0.0, "lambda_var": 0.0, "lambda_prior": 0.0, "target_logvar": 0.0}
    return LossConfig(**(values | {"warmup_epochs": 2, "anneal_epochs": 4, "beta": 0.0} | changes))


def gaussian_terms(
    y: Tensor, prediction: Tensor, gate: Tensor, observed: Tensor, epoch: int, loss: LossConfig
) -> dict[str, Tensor]:
    return SignalObjective(loss, HEAD, SCALE).terms(y, Output(prediction, gate), observed, epoch)


def elbo_terms(y: Tensor, output: Output, observed: Tensor, elbo: ElboConfig) -> dict[str, Tensor]:
    return ElboObjective(config(elbo=elbo), HEAD, SCALE, PRIOR).terms(y, output, observed, 0)


def output() -> Output:
    """Two frames of two latents, with a third frame that is not observed."""
    prediction = torch.tensor([[[0.5, 1.0, 70.0], [0.0, math.log(4.0), 9.0]]])
    logits = torch.logit(torch.tensor([[0.5, 0.2, 0.9, 0.2, 0.2, 0.2]]))
    return Output(prediction, torch.ones(1, 3), logits, torch.tensor([[0.1, -0.3, 50.0]]))


@pytest.mark.parametrize(("y", "mean", "sd"), [(0.0, 0.0, 1.0), (1.3, -0.4, 0.7), (-5.0, 2.0, 3.0)])
def test_nll_and_crps_agree_with_scipy_and_quadrature(y: float, mean: float, sd: float) -> None:
    t = [torch.tensor(v, dtype=torch.float64) for v in (y, mean, 2 * math.log(sd))]
    assert gaussian_nll(*t).item() == pytest.approx(-stats.norm(mean, sd).logpdf(y))
    crps, _ = integrate.quad(lambda u: (stats.norm(mean, sd).cdf(u) - (u >= y)) ** 2, -40, 40, points=[y, mean])
    assert gaussian_crps(*t).item() == pytest.approx(crps, rel=1e-5)


def test_anneal_holds_then_falls_to_nothing() -> None:
    weights = [anneal(epoch, config()) for epoch in range(8)]
    assert weights[:3] == [1.0, 1.0, 1.0]
    assert weights[4] == pytest.approx(0.5)
    assert weights[6:] == [0.0, 0.0]
    assert np.all(np.diff(weights) <= 0)


def test_every_gaussian_term_is_what_its_name_says() -> None:
    y = torch.tensor([[1.0, 2.0, 99.0]])
    prediction = torch.tensor([[[0.0, 2.0, 5.0]], [[0.0, math.log(4.0), 7.0]]]).permute(1, 0, 2)
    gate, observed = torch.tensor([[0.2, 0.6, 1.0]]), torch.tensor([[True, True, False]])
    settings = config(lambda_contact=0.5, lambda_crps=2.0, lambda_var=0.1, lambda_prior=0.01, target_logvar=-1.0)
    terms = gaussian_terms(y, prediction, gate, observed, 0, settings)
    nll = [stats.norm(0, 1).logpdf(1), stats.norm(2, 2).logpdf(2)]
    assert terms["nll"].item() == pytest.approx(-np.mean(nll))
    crps = gaussian_crps(torch.tensor([1.0, 2.0]), torch.tensor([0.0, 2.0]), torch.tensor([0.0, math.log(4.0)]))
    assert terms["crps"].item() == pytest.approx(2 * crps.mean().item())
    assert terms["contact"].item() == pytest.approx(0.5 * 0.4)
    assert terms["variance"].item() == pytest.approx(0.1 * 2.5)
    assert terms["variance_prior"].item() == pytest.approx(0.01 * (1 + (math.log(4) + 1) ** 2) / 2)
    late = gaussian_terms(y, prediction, gate, observed, 6, settings)
    assert late["variance"].item() == late["variance_prior"].item() == 0
    assert late["contact"].item() == terms["contact"].item()


def test_calibration_terms_act_on_the_variance_of_the_whole_mixture() -> None:
    """Of two Gaussians the law of total variance, worked out by hand; the terms move the components' means too."""
    head = MixtureHead(3, MixtureConfig(2), (-8.0, 4.0))
    weights, means, logvars = (
        torch.tensor([0.25, 0.75]).log(),
        torch.tensor([1.0, 5.0]),
        torch.tensor([0.0, math.log(4)]),
    )
    parameters = torch.cat([weights, means, logvars])[None, :, None].repeat(1, 1, 2).requires_grad_()
    settings = config(lambda_var=0.1, lambda_prior=0.01, target_logvar=-1.0)
    objective, given = SignalObjective(settings, head, SCALE), Output(parameters, torch.zeros(1, 2))
    terms = objective.terms(torch.zeros(1, 2), given, torch.ones(1, 2, dtype=torch.bool), 0)
    variance = 0.25 * 1 + 0.75 * 4 + 0.25 * (1 - 4) ** 2 + 0.75 * (5 - 4) ** 2
    assert terms["variance"].item() == pytest.approx(0.1 * variance, rel=1e-6)
    assert terms["variance_prior"].item() == pytest.approx(0.01 * (math.log(variance) + 1) ** 2, rel=1e-6)
    (slope,) = torch.autograd.grad(terms["variance"], parameters)
    low, high = slope[0, 2, 0].item(), slope[0, 3, 0].item()  # of the two means: apart from each other it is larger
    assert low == pytest.approx(-high) and low < 0
    late = objective.terms(torch.zeros(1, 2), given, torch.ones(1, 2, dtype=torch.bool), 6)
    assert late["variance"].item() == late["variance_prior"].item() == 0


def test_beta_nll_weights_frames_by_variance_without_a_gradient_through_the_weight() -> None:
    """With beta = 1 the gradient of the mean is that of the squared error (Seitzer et al. 2022, eq. 5)."""
    y = torch.tensor([[1.0, 2.0]])
    prediction = torch.tensor([[[0.0, 0.0], [0.0, 3.0]]], requires_grad=True)
    gate, observed = torch.zeros(1, 2), torch.ones(1, 2, dtype=torch.bool)
    gaussian_terms(y, prediction, gate, observed, 0, config(beta=1.0))["nll"].backward()
    torch.testing.assert_close(prediction.grad[0, 0], -y[0] / 2)


def test_every_term_of_the_elbo_is_what_its_name_says() -> None:
    weights = ElboConfig(beta=0.4, warmup_epochs=0, lambda_sparsity=0.3, lambda_correction=2.0)
    terms = elbo_terms(Y, output(), OBSERVED, weights)
    nll = -(stats.norm(0.5, 1).logpdf(0.0) + stats.norm(1, 2).logpdf(2.0)) / 2
    kl = sum(q * math.log(q / PRIOR) + (1 - q) * math.log((1 - q) / (1 - PRIOR)) for q in (0.5, 0.9)) / 2
    assert terms["nll"].item() == pytest.approx(nll)
    assert terms["kl"].item() == pytest.approx(0.4 * kl, rel=1e-5)
    assert terms["sparsity"].item() == pytest.approx(0.3 * 2.2 / 2)
    assert terms["correction"].item() == pytest.approx(2 * (0.01 + 0.09) / 2)


def test_beta_goes_linearly_to_its_end_and_stays() -> None:
    weights = ElboConfig(beta=0.4, beta_start=0.1, warmup_epochs=3)
    assert [weights.beta_at(epoch) for epoch in range(5)] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.4])
    assert ElboConfig(beta=0.4, warmup_epochs=0).beta_at(0) == 0.4


def test_the_elbo_bounds_the_evidence_and_meets_it_at_the_exact_posterior() -> None:
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
                    Output(torch.tensor([[[float(z)], [0.0]]]), torch.ones(1, 1), logits, torch.zeros(1, 1)),
                    seen,
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
    with pytest.raises(ValueError, match="lambda_contact"):
        config(lambda_contact=-1.0)
    with pytest.raises(ValueError, match="lambda_sparsity"):
        ElboConfig(lambda_sparsity=-1.0)
