import math

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from contactlens.tracks.training.likelihood import gaussian_crps, gaussian_nll
from contactlens.tracks.training.losses import LossConfig, anneal, loss_terms


def config(**changes: float) -> LossConfig:
    values = {"lambda_contact": 0.0, "lambda_crps": 0.0, "lambda_var": 0.0, "lambda_prior": 0.0, "target_logvar": 0.0}
    return LossConfig(**(values | {"warmup_epochs": 2, "anneal_epochs": 4, "beta": 0.0} | changes))


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


def test_every_term_is_what_its_name_says() -> None:
    y = torch.tensor([[1.0, 2.0, 99.0]])
    prediction = torch.tensor([[[0.0, 2.0, 5.0]], [[0.0, math.log(4.0), 7.0]]]).permute(1, 0, 2)
    gate, observed = torch.tensor([[0.2, 0.6, 1.0]]), torch.tensor([[True, True, False]])
    settings = config(lambda_contact=0.5, lambda_crps=2.0, lambda_var=0.1, lambda_prior=0.01, target_logvar=-1.0)
    terms = loss_terms(y, prediction, gate, observed, 0, settings)
    nll = [stats.norm(0, 1).logpdf(1), stats.norm(2, 2).logpdf(2)]
    assert terms["nll"].item() == pytest.approx(-np.mean(nll))
    crps = gaussian_crps(torch.tensor([1.0, 2.0]), torch.tensor([0.0, 2.0]), torch.tensor([0.0, math.log(4.0)]))
    assert terms["crps"].item() == pytest.approx(2 * crps.mean().item())
    assert terms["contact"].item() == pytest.approx(0.5 * 0.4)
    assert terms["variance"].item() == pytest.approx(0.1 * 2.5)
    assert terms["variance_prior"].item() == pytest.approx(0.01 * (1 + (math.log(4) + 1) ** 2) / 2)
    late = loss_terms(y, prediction, gate, observed, 6, settings)
    assert late["variance"].item() == late["variance_prior"].item() == 0
    assert late["contact"].item() == terms["contact"].item()


def test_beta_nll_weights_frames_by_variance_without_a_gradient_through_the_weight() -> None:
    """With beta = 1 the gradient of the mean is that of the squared error (Seitzer et al. 2022, eq. 5)."""
    y = torch.tensor([[1.0, 2.0]])
    prediction = torch.tensor([[[0.0, 0.0], [0.0, 3.0]]], requires_grad=True)
    gate, observed = torch.zeros(1, 2), torch.ones(1, 2, dtype=torch.bool)
    loss_terms(y, prediction, gate, observed, 0, config(beta=1.0))["nll"].backward()
    torch.testing.assert_close(prediction.grad[0, 0], -y[0] / 2)


def test_negative_weights_are_refused() -> None:
    with pytest.raises(ValueError, match="lambda_contact"):
        config(lambda_contact=-1.0)
