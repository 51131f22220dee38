"""Every head's distribution against quadrature, scipy and each other, standardised and in units."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import integrate, stats
from torch import Tensor

from contactlens.base.errors import InputError
from contactlens.tracks.models.config import GateConfig, ModelConfig
from contactlens.tracks.models.heads import HEADS, HeadPlan
from contactlens.tracks.models.heads.config import HeadConfig, HurdleConfig, MixtureConfig
from contactlens.tracks.models.heads.distribution import Distribution, SignalScale, bisected
from contactlens.tracks.models.heads.gaussian import DecodedGaussianHead, Gaussian
from contactlens.tracks.models.heads.mixture import Mixture, mean_absolute
from contactlens.tracks.models.heads.negative_binomial import NegativeBinomial
from contactlens.tracks.models.scaling import Scaling
from contactlens.tracks.models.tasks import TASKS
from contactlens.tracks.models.track_model import TrackModel
from contactlens.tracks.simulation.loading_grid import LoadingGrid

MEAN, SD, LIMIT = 6.0, 4.0, 1.5
SCALE = SignalScale(torch.tensor(MEAN, dtype=torch.float64), torch.tensor(SD, dtype=torch.float64))
SCALING = Scaling(driver_scale=300.0, signal_mean=MEAN, signal_sd=SD)
FRAMES = 6
CONTINUOUS = ["gaussian", "mixture"]
LEVELS = [0.02, 0.3, 0.5, 0.9, 0.99]


def head_config(name: str, **changes: object) -> HeadConfig:
    return replace(HeadConfig(name, hurdle=HurdleConfig(limit=LIMIT)), **changes)


def distribution(name: str, seed: int = 0) -> tuple[Distribution, Distribution]:
    """Of (1, FRAMES) frames: standardised, and in units as it is read back from the model's channels."""
    torch.manual_seed(seed)
    head = HEADS[name].build(HeadPlan(head_config(name), 5, (-4.0, 2.0), SCALING)).double()
    prediction = head(torch.randn(1, 5, FRAMES, dtype=torch.float64))
    return head.distribution(prediction, SCALE), head.read(head.in_units(prediction, SCALE))


def span(form: Distribution) -> tuple[float, float]:
    return form.quantile(1e-7).min().item() - 1e-3, form.quantile(1 - 1e-7).max().item() + 1


def grid_of(form: Distribution, points: int = 20001) -> Tensor:
    low, high = span(form)
    return torch.linspace(low, high, points, dtype=torch.float64)


def each(method, values: Tensor) -> Tensor:
    """A method at every value for every frame: (values, FRAMES)."""
    return method(values[:, None].expand(len(values), FRAMES))


@pytest.mark.parametrize("name", ["gaussian", "mixture", "hurdle"])
def test_density_integrates_to_one_and_gives_mean_and_variance(name: str) -> None:
    _, form = distribution(name)
    values = grid_of(form)
    atom = form.cdf(torch.full((1, FRAMES), LIMIT, dtype=torch.float64))[0] if name == "hurdle" else torch.zeros(FRAMES)
    if name == "hurdle":
        values = torch.linspace(LIMIT + 1e-3, span(form)[1], 20001, dtype=torch.float64)
    density = each(form.log_density, values).exp()
    total = torch.trapezoid(density, values, dim=0) + atom
    torch.testing.assert_close(total, torch.ones(FRAMES, dtype=torch.float64), atol=2e-3, rtol=0)
    first = torch.trapezoid(values[:, None] * density, values, dim=0) + atom * LIMIT
    second = torch.trapezoid((values[:, None] - first).square() * density, values, dim=0) + atom * (LIMIT - first) ** 2
    torch.testing.assert_close(form.mean[0], first, atol=5e-3, rtol=1e-3)
    torch.testing.assert_close(form.variance[0], second, atol=5e-3, rtol=5e-3)


@pytest.mark.parametrize("name", ["gaussian", "mixture", "hurdle"])
@pytest.mark.parametrize("level", LEVELS)
def test_quantile_is_the_inverse_of_the_cdf(name: str, level: float) -> None:
    for form in distribution(name):
        value = form.quantile(level)
        expected = torch.full_like(value, level)
        if name == "hurdle":
            expected = torch.maximum(expected, form.cdf(form.limit.expand_as(value)))
        torch.testing.assert_close(form.cdf(value), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("level", [1e-6, 0.05, 0.5, 0.95, 1 - 1e-6])
def test_a_mixture_s_quantile_is_found_where_peaks_lie_far_apart(level: float) -> None:
    """As bisection finds it, a second method, although Newton's steps leave the bracket between two narrow peaks."""
    random = torch.Generator().manual_seed(0)
    weights, means, logvars = (torch.randn(500, 12, generator=random, dtype=torch.float64) for _ in range(3))
    form = Mixture((3 * weights).log_softmax(dim=1), 100 * means, 3 * logvars)
    found = form.quantile(level)
    wide = torch.full_like(found, 1e4)
    torch.testing.assert_close(found, bisected(form, level, -wide, wide), atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", ["gaussian", "mixture", "hurdle"])
@pytest.mark.parametrize("y", [LIMIT, 2.0, 9.0, 25.0])
def test_crps_is_the_integral_of_the_squared_error_of_the_cdf(name: str, y: float) -> None:
    _, form = distribution(name)
    low, high = span(form)
    below = torch.linspace(min(low, y), y, 20001, dtype=torch.float64)
    above = torch.linspace(y, max(high, y + 1), 20001, dtype=torch.float64)
    expected = torch.trapezoid(each(form.cdf, below).square(), below, dim=0)
    expected = expected + torch.trapezoid((1 - each(form.cdf, above)).square(), above, dim=0)
    crps = form.crps(torch.full((1, FRAMES), y, dtype=torch.float64))[0]
    torch.testing.assert_close(crps, expected, atol=2e-3, rtol=2e-4)


@pytest.mark.parametrize("name", list(HEADS))
def test_units_change_the_scores_as_they_change_the_signal(name: str) -> None:
    """Moments, CRPS, and an NLL that is the standardised one plus log sd at every frame, at an atom too."""
    standardised, units = distribution(name)
    y = torch.tensor([[LIMIT, 2.0, 4.0, 9.0, 30.0, 7.0]], dtype=torch.float64)
    if name == "negative_binomial":
        y = y.ceil()
    z = (y - MEAN) / SD
    torch.testing.assert_close(units.mean, MEAN + SD * standardised.mean)
    torch.testing.assert_close(units.log_variance, standardised.log_variance + 2 * SCALE.sd.log())
    torch.testing.assert_close(units.crps(y), SD * standardised.crps(z), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(-units.log_density(y), -standardised.log_density(z) + SCALE.sd.log())
    torch.testing.assert_close(units.cdf(y), standardised.cdf(z))


@pytest.mark.parametrize("name", list(HEADS))
def test_frames_in_a_row_are_scored_as_those_of_tracks(name: str) -> None:
    """(n, C) channels, as evaluation holds them, against (B, C, T)."""
    torch.manual_seed(1)
    head = HEADS[name].build(HeadPlan(head_config(name), 5, (-4.0, 2.0), SCALING)).double()
    channels = head.in_units(head(torch.randn(2, 5, FRAMES, dtype=torch.float64)), SCALE)
    tracks, flat = head.read(channels), head.read(channels.transpose(1, 2).reshape(2 * FRAMES, -1))
    y = torch.linspace(2.0, 13.0, 2 * FRAMES, dtype=torch.float64).round()
    for method in ("log_density", "crps", "cdf", "cdf_below"):
        in_tracks = getattr(tracks, method)(y.reshape(2, FRAMES))
        torch.testing.assert_close(getattr(flat, method)(y), in_tracks.flatten())
    torch.testing.assert_close(flat.quantile(0.7), tracks.quantile(0.7).flatten())


def test_the_mean_absolute_value_of_a_gaussian_has_its_derivatives() -> None:
    generator = torch.Generator().manual_seed(3)
    mean, log_variance = torch.randn(2, 4, 5, generator=generator, dtype=torch.float64)
    variance = log_variance.exp()
    sd = variance.sqrt()
    expected = stats.foldnorm.mean((mean.abs() / sd).numpy(), scale=sd.numpy())
    np.testing.assert_allclose(mean_absolute(mean, variance).numpy(), expected, rtol=1e-12)
    assert torch.autograd.gradcheck(mean_absolute, (mean.requires_grad_(), variance.requires_grad_()))


def test_a_mixture_of_one_is_a_gaussian() -> None:
    mean, logvar = torch.randn(2, 3, 40, dtype=torch.float64).unbind()
    gaussian = Gaussian(mean, logvar)
    mixture = Mixture(torch.zeros(3, 1, 40, dtype=torch.float64), mean[:, None], logvar[:, None])
    y = 2 * torch.randn(3, 40, dtype=torch.float64)
    for method in ("log_density", "crps", "cdf"):
        torch.testing.assert_close(getattr(mixture, method)(y), getattr(gaussian, method)(y))
    torch.testing.assert_close(mixture.mean, gaussian.mean)
    torch.testing.assert_close(mixture.log_variance, gaussian.log_variance)
    torch.testing.assert_close(mixture.quantile(0.2), gaussian.quantile(0.2))


def test_mixture_against_scipy() -> None:
    form = distribution("mixture")[1]
    y = torch.full((1, FRAMES), 3.7, dtype=torch.float64)
    parameters = zip(form.means[0, :, 2].tolist(), form.logvars[0, :, 2].tolist(), strict=True)
    parts = [stats.norm(m, np.exp(0.5 * v)) for m, v in parameters]
    weights = form.log_weights.exp()[0, :, 2].detach().numpy()
    assert form.log_density(y)[0, 2].item() == pytest.approx(np.log(weights @ [p.pdf(3.7) for p in parts]))
    assert form.cdf(y)[0, 2].item() == pytest.approx(weights @ [p.cdf(3.7) for p in parts])


def test_a_hurdle_has_its_mass_at_the_limit_and_nothing_below() -> None:
    form = distribution("hurdle")[1]
    at = torch.full((1, FRAMES), LIMIT, dtype=torch.float64)
    mass = 1 - form.signal_probability
    torch.testing.assert_close(form.cdf(at), mass)
    torch.testing.assert_close(form.log_density(at).exp(), mass)
    assert (form.cdf(at - 0.1) == 0).all()
    assert (form.cdf_below(at) == 0).all()
    torch.testing.assert_close(form.cdf_below(at + 1), form.cdf(at + 1))
    assert (form.quantile(0.5 * mass.min().item()) == LIMIT).all()


def test_a_hurdle_above_its_limit_is_a_truncated_mixture() -> None:
    form = distribution("hurdle")[1]
    y, frame = torch.full((1, FRAMES), 5.0, dtype=torch.float64), 3
    density = 0.0
    for log_weight, mean, logvar in zip(
        *(part[0, :, frame].tolist() for part in (form.log_weights, form.means, form.logvars)), strict=True
    ):
        sd = np.exp(0.5 * logvar)
        density += np.exp(log_weight) * stats.truncnorm((LIMIT - mean) / sd, np.inf, mean, sd).pdf(5.0)
    signal = form.signal_probability[0, frame].item()
    assert form.log_density(y)[0, frame].item() == pytest.approx(np.log(signal * density))


def test_gradients_are_finite_at_the_limit_and_far_from_it() -> None:
    for name, kind in HEADS.items():
        torch.manual_seed(0)
        head = kind.build(HeadPlan(head_config(name), 5, (-8.0, 4.0), SCALING))
        features = 5 * torch.randn(1, 5, FRAMES)
        features.requires_grad_()
        scale = SignalScale(torch.tensor(MEAN), torch.tensor(SD))
        form = head.distribution(head(features), scale)
        y = (torch.tensor([[LIMIT, LIMIT, 2.0, 60.0, 200.0, 3.0]]) - MEAN) / SD
        total = -form.log_density(y) + form.crps(y) + form.log_variance + form.mean
        total.sum().backward()
        assert torch.isfinite(total).all(), name
        assert torch.isfinite(features.grad).all(), name
        assert all(torch.isfinite(p.grad).all() for p in head.parameters()), name


@pytest.mark.parametrize(("mean", "r"), [(0.3, 0.5), (4.0, 2.0), (60.0, 9.0)])
def test_negative_binomial_against_scipy(mean: float, r: float) -> None:
    given = stats.nbinom(r, r / (r + mean))
    zero = torch.zeros((), dtype=torch.float64)
    parameters = (torch.tensor([np.log(v)], dtype=torch.float64) for v in (mean, r))
    form = NegativeBinomial(*parameters, zero, zero + 1)
    for count in (0, 1, 7, 50):
        y = torch.tensor([float(count)], dtype=torch.float64)
        assert form.log_density(y).item() == pytest.approx(given.logpmf(count), rel=1e-9)
        assert form.cdf(y).item() == pytest.approx(given.cdf(count), rel=1e-9)
        assert form.cdf_below(y).item() == pytest.approx(given.cdf(count - 1), rel=1e-9, abs=1e-12)
        k = np.arange(3000)
        assert form.crps(y).item() == pytest.approx(((given.cdf(k) - (k >= count)) ** 2).sum(), rel=1e-6)
    assert form.mean.item() == pytest.approx(given.mean())
    assert form.variance.item() == pytest.approx(given.var())
    assert [form.quantile(level).item() for level in LEVELS] == list(given.ppf(LEVELS))


def test_the_limit_is_read_from_the_data_or_given() -> None:
    signal = torch.tensor([0.5, 0.5, 3.0, 4.0])
    assert HurdleConfig().resolved(signal).limit == 0.5
    assert HurdleConfig(limit=3.0).resolved(signal).limit == 3.0
    with pytest.raises(InputError, match="detection limit"):
        HurdleConfig().resolved(torch.tensor([0.1, 0.2, 0.3]))
    with pytest.raises(InputError, match="counts"):
        HeadConfig("negative_binomial").resolved(signal)
    assert HeadConfig("negative_binomial").resolved(signal.round()).name == "negative_binomial"


def test_an_unknown_head_is_refused_and_states_and_latents_have_their_own() -> None:
    settings = {"width": 4, "encoder_depth": 1, "decoder_depth": 1, "kernel_size": 3, "gated": True}
    gate = GateConfig(radius_init=150.0, radius_bounds=(20.0, 600.0), sharpness=6.0)
    with pytest.raises(ValueError, match="gaussian, mixture, hurdle, negative_binomial"):
        ModelConfig("unet", **settings, logvar_bounds=(-8.0, 4.0), head=HeadConfig("normal"))
    config = ModelConfig("unet", **settings, logvar_bounds=(-8.0, 4.0), head=HeadConfig("mixture"))
    assert TrackModel(config, gate, SCALING, TASKS["ep_to_ms2"], driver_channels=4).head_name == "mixture"
    assert TrackModel(config, gate, SCALING, TASKS["ep_to_states"], driver_channels=4).head_name == "bernoulli"
    grid = LoadingGrid(30.0, 5, 28.0, 140.0)
    latent = replace(config, name="bernoulli_vae")
    model = TrackModel(latent, gate, SCALING, TASKS["ms2_to_ms2_vae"], driver_channels=4, grid=grid)
    assert (model.head_name, type(model.head)) == ("gaussian", DecodedGaussianHead)


@pytest.mark.parametrize("name", CONTINUOUS)
def test_the_median_of_many_draws_is_found(name: str) -> None:
    """The quantile at 0.5 splits the density's integral in two."""
    _, form = distribution(name)
    values, median = grid_of(form), form.quantile(0.5)[0]
    density = each(form.log_density, values).exp()
    below = torch.trapezoid(density * (values[:, None] <= median), values, dim=0)
    np.testing.assert_allclose(below.detach(), 0.5, atol=2e-3)


def test_components_start_apart() -> None:
    head = HEADS["mixture"].build(HeadPlan(HeadConfig("mixture", MixtureConfig(4)), 400, (-8.0, 4.0), SCALING))
    start = head.distribution(head(torch.zeros(1, 400, 1)), SCALE).means[0, :, 0]
    assert (start.diff() > 0.1).all()


def test_hurdle_scores_against_adaptive_quadrature() -> None:
    form = distribution("hurdle", seed=4)[1]
    y, top = 6.0, span(form)[1]
    scores = form.crps(torch.full((1, FRAMES), y, dtype=torch.float64))[0]

    def cdf(x: float, frame: int) -> float:
        return form.cdf(torch.full((1, FRAMES), x, dtype=torch.float64))[0, frame].item()

    for frame in range(2):
        below, _ = integrate.quad(lambda x, frame=frame: cdf(x, frame) ** 2, LIMIT, y)
        above, _ = integrate.quad(lambda x, frame=frame: (1 - cdf(x, frame)) ** 2, y, top, limit=200)
        assert scores[frame].item() == pytest.approx(below + above, rel=1e-6)
