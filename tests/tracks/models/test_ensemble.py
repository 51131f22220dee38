"""An ensemble is the mixture of its members, its uncertainty splits, and its folder comes back."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from contactlens.base.errors import InputError
from contactlens.tracks.data.track_set import Driver
from contactlens.tracks.models.checkpoint import ModelSpec, save_model
from contactlens.tracks.models.config import GateConfig, ModelConfig
from contactlens.tracks.models.ensemble import Ensemble, MixedDistribution, load_ensemble, save_ensemble
from contactlens.tracks.models.heads.config import HeadConfig, HurdleConfig
from contactlens.tracks.models.heads.gaussian import Gaussian
from contactlens.tracks.models.heads.mixture import Mixture
from contactlens.tracks.models.scaling import Scaling

SPEC = ModelSpec(
    "ep_to_ms2",
    Driver("vector", "E-P distance", "nm"),
    ModelConfig("unet_resnet", 4, 1, 1, 3, gated=True, logvar_bounds=(-8.0, 4.0)),
    GateConfig(radius_init=150.0, radius_bounds=(20.0, 600.0), sharpness=6.0),
    Scaling(driver_scale=300.0, signal_mean=2.0, signal_sd=3.0),
    30.0,
    "a.u.",
)


def members(spec: ModelSpec, count: int = 3) -> list:
    made = []
    for seed in range(count):
        torch.manual_seed(seed)
        made.append(spec.build().eval())
    return made


def tracks() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(9)
    return 200 * torch.randn(2, 4, 50), torch.ones(2, 50, dtype=torch.bool)


def gaussians() -> tuple[MixedDistribution, Mixture]:
    torch.manual_seed(0)
    mean, logvar = 2 * torch.randn(3, 1, 40, dtype=torch.float64), torch.randn(3, 1, 40, dtype=torch.float64)
    mixed = MixedDistribution(tuple(Gaussian(m, v) for m, v in zip(mean, logvar, strict=True)))
    weights = torch.full((1, 3, 40), 1 / 3, dtype=torch.float64).log()
    return mixed, Mixture(weights, mean.movedim(0, 1), logvar.movedim(0, 1))


@pytest.mark.parametrize("method", ["log_density", "cdf", "crps"])
def test_members_that_are_gaussian_make_a_mixture_of_gaussians(method: str) -> None:
    mixed, mixture = gaussians()
    y = 2 * torch.randn(1, 40, dtype=torch.float64)
    torch.testing.assert_close(getattr(mixed, method)(y), getattr(mixture, method)(y), atol=2e-4, rtol=2e-4)


def test_moments_and_quantiles_are_the_mixture_s_and_the_variance_splits() -> None:
    mixed, mixture = gaussians()
    torch.testing.assert_close(mixed.mean, mixture.mean)
    torch.testing.assert_close(mixed.aleatoric + mixed.epistemic, mixture.variance)
    assert (mixed.epistemic > 0).all()
    for level in (0.05, 0.5, 0.9):
        torch.testing.assert_close(mixed.quantile(level), mixture.quantile(level))


@pytest.mark.parametrize("head", ["gaussian", "mixture", "hurdle", "negative_binomial"])
def test_what_an_ensemble_gives_is_read_back(head: str) -> None:
    spec = replace(SPEC, model=replace(SPEC.model, head=HeadConfig(head, hurdle=HurdleConfig(limit=0.5))))
    models = members(spec)
    ensemble, (x, observed) = Ensemble(models).eval(), tracks()
    with torch.no_grad():
        given = ensemble(x, observed)
        form = ensemble.distribution(given)
        parts = [model.distribution(model(x, observed)) for model in models]
    torch.testing.assert_close(form.mean, torch.stack([part.mean for part in parts]).mean(dim=0))
    torch.testing.assert_close(given[:, 0], form.mean)
    torch.testing.assert_close(given[:, 1], form.log_variance, atol=1e-4, rtol=1e-4)
    within = torch.stack([part.variance for part in parts]).mean(dim=0)
    torch.testing.assert_close(form.aleatoric, within)


def test_members_that_are_mixtures_make_one_whose_closed_forms_are_those_of_the_members_average() -> None:
    torch.manual_seed(4)
    shape = (3, 1, 2, 40)
    weights, means, logvars = (torch.randn(shape, dtype=torch.float64) for _ in range(3))
    parts = [Mixture(w.log_softmax(dim=1), 2 * m, v) for w, m, v in zip(weights, means, logvars, strict=True)]
    mixed, general = MixedDistribution(tuple(parts)), MixedDistribution(tuple(map(Opaque, parts)))
    y = 2 * torch.randn(1, 40, dtype=torch.float64)
    torch.testing.assert_close(mixed.cdf(y), general.cdf(y))
    torch.testing.assert_close(mixed.crps(y), general.crps(y), atol=2e-4, rtol=2e-4)
    for level in (0.05, 0.5, 0.9):
        torch.testing.assert_close(mixed.quantile(level), general.quantile(level))


class Opaque:
    """A distribution whose kind can't be told."""

    def __init__(self, form: Mixture) -> None:
        self.form = form

    def __getattr__(self, name: str) -> object:
        return getattr(self.form, name)


def test_members_that_are_mixtures_jump_nowhere() -> None:
    torch.manual_seed(1)
    parts = torch.randn(3, 2, 1, 4, 500, dtype=torch.float64)
    mixed = MixedDistribution(tuple(Mixture(one[0].log_softmax(dim=1), one[1], one[0]) for one in parts))
    y = 2 * torch.randn(1, 500, dtype=torch.float64)
    assert torch.equal(mixed.cdf(y), mixed.cdf_below(y))


def test_one_member_is_that_model() -> None:
    (model,) = members(SPEC, 1)
    ensemble, (x, observed) = Ensemble([model]).eval(), tracks()
    with torch.no_grad():
        form, alone = ensemble.distribution(ensemble(x, observed)), model.distribution(model(x, observed))
    y = torch.randn(2, 50)
    torch.testing.assert_close(form.log_density(y), alone.log_density(y))
    torch.testing.assert_close(form.crps(y), alone.crps(y))
    assert (form.epistemic == 0).all()


def test_states_are_averaged_as_probabilities() -> None:
    spec = replace(SPEC, task="ep_to_states")
    models, (x, observed) = members(spec), tracks()
    with torch.no_grad():
        mean = torch.stack([model(x, observed).sigmoid() for model in models]).mean(dim=0)
        torch.testing.assert_close(Ensemble(models)(x, observed).sigmoid(), mean)


def test_a_folder_comes_back_and_a_wrong_one_is_named(tmp_path: Path) -> None:
    models, (x, observed) = members(SPEC), tracks()
    save_ensemble(models, SPEC, tmp_path / "seeds")
    again, spec = load_ensemble(tmp_path / "seeds")
    assert spec == SPEC
    with torch.no_grad():
        torch.testing.assert_close(again(x, observed), Ensemble(models)(x, observed), atol=0, rtol=0)
    other = replace(SPEC, signal_unit="counts")
    save_model(models[0], other, tmp_path / "seeds" / "seed_3.safetensors")
    with pytest.raises(InputError, match=r"seed_3\.safetensors"):
        load_ensemble(tmp_path / "seeds")
    with pytest.raises(InputError, match="no seed_"):
        load_ensemble(tmp_path)
