import numpy as np
import pytest
import torch

from contactlens.attribution import faithfulness as faith
from contactlens.attribution.captum_methods import METHODS, MethodSettings
from contactlens.attribution.reach import temporal_reach

T = 40
SETTINGS = MethodSettings(
    ig_steps=10,
    noise_samples=4,
    noise_sd=torch.tensor([0.1, 0.1], dtype=torch.float64),
    occlusion_window=4,
    seed=0,
    rows_per_pass=64,
)


@pytest.fixture
def examples(fir):
    """Inputs, baseline, targets and exact attributions of a filter."""
    torch.manual_seed(5)
    x = torch.randn(6, 2, T, dtype=torch.float64)
    baseline = torch.zeros(1, 2, T, dtype=torch.float64)
    targets = [(0, 10 + 4 * i) for i in range(6)]
    return x, baseline, targets, METHODS["integrated_gradients"](fir, x, baseline, targets, (), SETTINGS)


def infidelity(model, x, values, baseline, targets, per_unit):
    return faith.block_infidelity(
        model,
        x,
        values,
        baseline,
        targets,
        (),
        per_unit=per_unit,
        window=3,
        n_samples=50,
        seed=1,
        rows_per_pass=64,
    )


def test_exact_attributions_of_a_linear_model_have_no_infidelity(fir, examples):
    x, baseline, targets, exact = examples
    unexplained = infidelity(fir, x, torch.zeros_like(x), baseline, targets, False)
    assert (unexplained > 0.01).all()
    assert (infidelity(fir, x, exact, baseline, targets, False) < 1e-12).all()
    gradient = METHODS["saliency"](fir, x, baseline, targets, (), SETTINGS)
    assert (infidelity(fir, x, gradient, baseline, targets, True) < 1e-12).all()


def test_shuffled_attributions_are_less_faithful_and_keep_their_sum(fir, examples):
    x, baseline, targets, exact = examples
    reach = temporal_reach(fir, x[:1], (), 16)
    frames = torch.tensor([t for _, t in targets])
    shuffled = faith.shuffled_within_reach(exact[:, None].expand(-1, 6, -1, -1), frames, reach, 0)
    shuffled = shuffled[torch.arange(6), torch.arange(6)]
    torch.testing.assert_close(shuffled.sum(dim=(1, 2)), exact.sum(dim=(1, 2)))
    assert (shuffled != 0).any(dim=1).sum() == (exact != 0).any(dim=1).sum()
    worse = infidelity(fir, x, shuffled, baseline, targets, False)
    assert (worse > 1e-3).all()


def test_sensitivity_of_a_linear_model_in_closed_form(fir, examples):
    x, baseline, targets, exact = examples
    saliency = faith.max_sensitivity(METHODS["saliency"], fir, x, baseline, targets, (), SETTINGS, n_samples=5)
    assert saliency.abs().max() < 1e-12  # the gradient does not depend on the input
    integrated = faith.max_sensitivity(
        METHODS["integrated_gradients"], fir, x, baseline, targets, (), SETTINGS, n_samples=5
    )
    gradient = METHODS["saliency"](fir, x, baseline, targets, (), SETTINGS)
    bound = 0.1 * gradient.flatten(1).norm(dim=1) / exact.flatten(1).norm(dim=1)
    assert (integrated > 0).all() and (integrated <= bound).all()
    random = faith.max_sensitivity(faith.random_attribution, fir, x, baseline, targets, (), SETTINGS, n_samples=5)
    assert random.min() > 1  # sqrt(2) for independent draws of many frames


def deletion(model, x, importance, baseline, targets, observed, fractions):
    return faith.deletion_changes(
        model, x, importance, baseline, targets, (), observed=observed, fractions=fractions, rows_per_pass=4
    )


def test_deletion_replaces_the_most_important_frames_first():
    """On a model that adds up all frames, what is left after deletion is known."""

    def total(x):
        return x.sum(dim=(1, 2), keepdim=True).expand(-1, 1, x.size(-1))

    x = torch.arange(1.0, 11.0).view(1, 1, 10).repeat(2, 1, 1)
    observed = torch.ones(2, 10, dtype=torch.bool)
    observed[1, 5:] = False
    fractions = (0.0, 0.2, 0.6, 1.0)
    changes = deletion(total, x, x[:, 0], torch.zeros(1, 1, 10), [(0, 3), (0, 3)], observed, fractions)
    assert changes[0].tolist() == [0, 10 + 9, 10 + 9 + 8 + 7 + 6 + 5, 55]
    assert changes[1].tolist() == [0, 5, 5 + 4 + 3, 15]


def test_true_importance_beats_random_orders(fir, examples):
    x, baseline, targets, exact = examples
    x = x.abs() * fir.kernel[0].sign().mean().sign()
    exact = METHODS["integrated_gradients"](fir, x, baseline, targets, (), SETTINGS)
    observed = torch.ones(6, T, dtype=torch.bool)
    fractions = (0.0, 0.05, 0.1, 0.2, 0.5, 1.0)
    torch.manual_seed(0)

    def area(importance):
        return faith.area_under(deletion(fir, x, importance, baseline, targets, observed, fractions).numpy(), fractions)

    best = area(exact.sum(dim=1).abs())
    random = np.mean([area(torch.rand(6, T)) for _ in range(20)], axis=0)
    assert (best > random).all()
    assert best.sum() > 1.3 * random.sum()


def test_area_of_a_straight_line():
    fractions = (0.0, 0.1, 0.5, 1.0)
    assert faith.area_under(np.array([fractions, [2.0] * 4]), fractions).tolist() == pytest.approx([0.5, 2.0])


def test_insertion_is_deletion_with_the_ends_exchanged():
    def total(x):
        return x.sum(dim=(1, 2), keepdim=True).expand(-1, 1, x.size(-1))

    x = torch.arange(1.0, 11.0).view(1, 1, 10)
    start, observed = torch.zeros(1, 1, 10), torch.ones(1, 10, dtype=torch.bool)
    changes = deletion(total, start, x[:, 0], x, [(0, 3)], observed, (0.0, 0.2, 1.0))
    assert changes[0].tolist() == [0, 10 + 9, 55]
