"""Captum's methods that follow gradients: with signed results, and with noise of each channel's own size."""

from typing import Any

from torch import Tensor

from contactlens.attribution.captum_methods.settings import AttributionFunction, MethodSettings, Target, seeded
from contactlens.attribution.reach import Model


def integrated_gradients(
    model: Model,
    x: Tensor,
    baseline: Tensor,
    target: Target,
    extra: tuple[Tensor, ...],
    settings: MethodSettings,
) -> Tensor:
    """Share of every input in model(x) - model(baseline), in the output's unit.

    Source: Sundararajan, Taly and Yan, ICML 2017.
    """
    from captum.attr import IntegratedGradients

    return IntegratedGradients(model).attribute(
        x,
        baselines=baseline,
        target=target,
        additional_forward_args=extra,
        n_steps=settings.ig_steps,
        internal_batch_size=max(settings.rows_per_pass, len(x)),
    )


def _differentiable(x: Tensor) -> Tensor:
    """The same values as a leaf that takes gradients: Captum warns where it has to ask for them itself."""
    return x.detach().requires_grad_()


def saliency(
    model: Model,
    x: Tensor,
    baseline: Tensor,
    target: Target,
    extra: tuple[Tensor, ...],
    settings: MethodSettings,
) -> Tensor:
    """Signed gradient, in the output's unit per input unit. Source: Simonyan et al., arXiv:1312.6034."""
    from captum.attr import Saliency

    return Saliency(model).attribute(_differentiable(x), target=target, additional_forward_args=extra, abs=False)


def input_x_gradient(
    model: Model,
    x: Tensor,
    baseline: Tensor,
    target: Target,
    extra: tuple[Tensor, ...],
    settings: MethodSettings,
) -> Tensor:
    """Input times gradient, in the output's unit. Source: Shrikumar et al., arXiv:1605.01713."""
    from captum.attr import InputXGradient

    found = InputXGradient(model).attribute(_differentiable(x), target=target, additional_forward_args=extra)
    return found.detach()


def gradient_shap(
    model: Model,
    x: Tensor,
    baseline: Tensor,
    target: Target,
    extra: tuple[Tensor, ...],
    settings: MethodSettings,
) -> Tensor:
    """Expected gradients times the way from the baseline, at random points between it and noisy inputs, in the
    output's unit. Source: Lundberg and Lee, NeurIPS 2017.

    Captum adds noise of one size to all channels, so it is given the input in units of each channel's noise.
    """
    from captum.attr import GradientShap

    sd = settings.noise_sd[:, None]

    def in_noise_units(scaled: Tensor, *further: Tensor) -> Tensor:
        return model(scaled * sd, *further)

    with seeded(settings.seed, x.device):
        shares = GradientShap(in_noise_units).attribute(
            x / sd,
            baselines=baseline / sd,
            n_samples=settings.noise_samples,
            stdevs=1.0,
            target=target,
            additional_forward_args=extra,
        )
    return shares.to(x.dtype)


def noise_tunnel(method: AttributionFunction) -> AttributionFunction:
    """`method` averaged over noisy inputs, in its own unit; of `saliency` this is SmoothGrad.

    Noise is Gaussian with `settings.noise_sd` per channel. Captum's tunnel adds noise of one size to all channels, so
    it is given the input in units of each channel's noise. Source: Smilkov et al., arXiv:1706.03825.
    """

    def tunnelled(
        model: Model,
        x: Tensor,
        baseline: Tensor,
        target: Target,
        extra: tuple[Tensor, ...],
        settings: MethodSettings,
    ) -> Tensor:
        from captum.attr import Attribution, NoiseTunnel
        from captum.log import log_usage

        sd = settings.noise_sd[:, None]

        class InNoiseUnits(Attribution):
            @log_usage()  # the tunnel calls what this decorator wraps
            def attribute(self, scaled: Tensor, target: Target, additional_forward_args: Any) -> Tensor:
                return method(model, (scaled * sd).detach(), baseline, target, additional_forward_args, settings)

        with seeded(settings.seed, x.device):
            return NoiseTunnel(InNoiseUnits(model)).attribute(
                x / sd,
                nt_type="smoothgrad",
                nt_samples=settings.noise_samples,
                nt_samples_batch_size=max(1, settings.rows_per_pass // len(x)),
                stdevs=1.0,
                target=target,
                additional_forward_args=extra,
            )

    return tunnelled
