"""The attributions of a model by each method, and which methods the model allows."""

from torch import Tensor

from contactlens.attribution.all_frames import occlusion_matrix, saliency_matrix, smoothgrad_matrix
from contactlens.attribution.any_method import method_matrix
from contactlens.attribution.applicability import refusal
from contactlens.attribution.captum_methods import METHODS, AttributionFunction, noise_tunnel
from contactlens.attribution.captum_methods.attention_map import rollout_matrix
from contactlens.attribution.faithfulness import shuffled_within_reach
from contactlens.attribution.method_names import RULE_METHODS, noise_tunnel_of, simple_method
from contactlens.attribution.reach import Model
from contactlens.base.progress import counted
from contactlens.tracks.explanation.config import INTEGRATED
from contactlens.tracks.explanation.examples import Examples
from contactlens.tracks.explanation.explainer import RANDOM, Explainer, model_with_output
from contactlens.tracks.explanation.gate import PastGate, behind_gate

CHECKED_TRACKS = 4


def method_of(explainer: Explainer, name: str) -> AttributionFunction:
    """The method of that name as the model needs it."""
    simple = simple_method(name)
    method = METHODS[simple]
    if explainer.has_gate and simple in RULE_METHODS:
        method = behind_gate(method)
    return method if noise_tunnel_of(name) is None else noise_tunnel(method)


def refused(explainer: Explainer, name: str, output: str) -> str | None:
    """Why a method can't explain that output of the model, or None."""
    examples = Examples.of(explainer, CHECKED_TRACKS, 1)
    model: Model = explainer.model_for(output)
    x, reference = examples.x, examples.reference
    if explainer.has_gate and simple_method(name) in RULE_METHODS:
        past = PastGate(explainer.model)
        model = model_with_output(output, past)
        x, reference = past.opened(x, examples.observed), past.opened(reference, examples.observed)
    return refusal(name, model, x, reference, examples.targets(output), (examples.observed,), explainer.settings)


def attributions(explainer: Explainer, output: str, names: list[str]) -> dict[str, Tensor]:
    """Attributions (P, F, C, T) of an output by each of the methods, with the random control last."""
    found = {name: _matrix(explainer, output, name) for name in counted(names, f"attributions of {output}")}
    control = shuffled_within_reach(found[INTEGRATED], explainer.frames, explainer.reach, explainer.settings.seed)
    return {**found, RANDOM: control}


def _matrix(explainer: Explainer, output: str, name: str) -> Tensor:
    settings, reach, frames, channel = explainer.settings, explainer.reach, explainer.frames, explainer.outputs[output]
    model, x, extra, rows = (
        explainer.model_for(output),
        explainer.x,
        (explainer.observed,),
        explainer.settings.rows_per_pass,
    )
    match name:
        case "integrated_gradients":
            return explainer.integrated_gradients(output, slice(None), frames)
        case "saliency" | "input_x_gradient":
            gradient = saliency_matrix(model, x, channel, extra=extra, reach=reach, frames=frames, rows_per_pass=rows)
            return gradient if name == "saliency" else gradient * x[:, None]
        case "noise_tunnel(saliency)":
            return smoothgrad_matrix(
                model,
                x,
                channel,
                settings.noise_sd,
                settings.noise_samples,
                settings.seed,
                extra=extra,
                reach=reach,
                frames=frames,
                rows_per_pass=rows,
            )
        case "occlusion" | "feature_ablation":
            window = settings.occlusion_window if name == "occlusion" else 1
            return occlusion_matrix(
                model,
                x,
                explainer.reference,
                channel,
                window,
                extra=extra,
                reach=reach,
                frames=frames,
                rows_per_pass=rows,
            )
        case "attention_rollout":
            return rollout_matrix(model, x, extra, frames)
    return method_matrix(
        method_of(explainer, name),
        model,
        x,
        explainer.reference,
        channel,
        settings,
        extra=extra,
        reach=reach,
        frames=frames,
    )
