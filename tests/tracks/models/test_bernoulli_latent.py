"""Estimators of binary latents against exact expectations and torch's own divergence."""

import pytest
import torch
from torch.distributions import Bernoulli, kl_divergence

from contactlens.tracks.models.bernoulli_latent import bernoulli_kl, binary_concrete, sample, straight_through


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_straight_through_draws_ones_at_their_probability_and_passes_its_gradient() -> None:
    logits = torch.tensor([-3.0, 0.0, 1.5]).expand(40_000, 3).clone().requires_grad_()
    ones = straight_through(logits, seeded())
    assert ((ones.detach() - ones.detach().round()).abs() < 1e-6).all()
    probability = torch.sigmoid(logits.detach()[0])
    torch.testing.assert_close(ones.detach().mean(dim=0), probability, atol=0.01, rtol=0)
    ones.sum().backward()
    torch.testing.assert_close(logits.grad[0], probability * (1 - probability))


@pytest.mark.parametrize("temperature", [0.1, 0.5, 2.0])
def test_binary_concrete_passes_a_half_at_its_probability_and_hardens_as_it_cools(temperature: float) -> None:
    """P(z > 1/2) = sigmoid(logit) at every temperature (Maddison et al., proposition 1)."""
    logits = torch.tensor([-2.0, 0.5]).expand(40_000, 2)
    relaxed = binary_concrete(logits, temperature, seeded())
    torch.testing.assert_close((relaxed > 0.5).float().mean(dim=0), torch.sigmoid(logits[0]), atol=0.01, rtol=0)
    soft = (relaxed - relaxed.round()).abs().mean().item()
    cooler = binary_concrete(logits, temperature / 2, seeded())
    assert (cooler - cooler.round()).abs().mean().item() < soft


def test_gumbel_gradient_follows_that_of_an_expectation() -> None:
    """d/dlogit E[(z - 0.2)^2] of a true Bernoulli z is q (1 - q) (1 - 0.4); a cool relaxation comes near it."""
    logits = torch.full((200_000,), 0.7, requires_grad=True)
    sample(logits, "gumbel", 0.1, seeded()).sub(0.2).square().mean().backward()
    q = torch.sigmoid(torch.tensor(0.7))
    assert logits.grad.sum().item() == pytest.approx(float(q * (1 - q) * 0.6), rel=0.05)


@pytest.mark.parametrize("estimator", ["straight_through", "gumbel"])
def test_the_same_generator_gives_the_same_latents(estimator: str) -> None:
    logits = torch.randn(3, 50, generator=seeded(1))
    first, second, other = (sample(logits, estimator, 0.5, seeded(seed)) for seed in (2, 2, 3))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_divergence_is_that_of_two_bernoulli_variables() -> None:
    logits = torch.linspace(-30, 30, 61, dtype=torch.float64)
    expected = kl_divergence(Bernoulli(logits=logits), Bernoulli(torch.tensor(0.03, dtype=torch.float64)))
    torch.testing.assert_close(bernoulli_kl(logits, 0.03), expected, atol=1e-9, rtol=1e-7)
