"""The attributions of a study by each method, and which methods its model allows."""

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
from contactlens.tracks.explanation.gate import PastGate, behind_gate
from contactlens.tracks.explanation.study import RANDOM, Study
from contactlens.tracks.explanation.uncertainty import giving

CHECKED_TRACKS = 4


def method_of(study: Study, name: str) -> AttributionFunction:
    """The method of that name as the study's model needs it."""
    simple = simple_method(name)
    method = METHODS[simple]
    if study.has_gate and simple in RULE_METHODS:
        method = behind_gate(method)
    return method if noise_tunnel_of(name) is None else noise_tunnel(method)


def refused(study: Study, name: str, output: str) -> str | None:
    """Why a method can't explain that output of the study's model, or None."""
    examples = Examples.of(study, CHECKED_TRACKS, 1)
    model: Model = study.giving(output)
    x, reference = examples.x, examples.reference
    if study.has_gate and simple_method(name) in RULE_METHODS:
        past = PastGate(study.model)
        model = giving(output, past)
        x, reference = past.opened(x, examples.observed), past.opened(reference, examples.observed)
    return refusal(name, model, x, reference, examples.targets(output), (examples.observed,), study.settings)


def attributions(study: Study, output: str, names: list[str]) -> dict[str, Tensor]:
    """Attributions (P, F, C, T) of an output by each of the methods, with the random control last."""
    found = {name: _matrix(study, output, name) for name in counted(names, f"attributions of {output}")}
    control = shuffled_within_reach(found[INTEGRATED], study.frames, study.reach, study.settings.seed)
    return {**found, RANDOM: control}


def _matrix(study: Study, output: str, name: str) -> Tensor:
    settings, reach, frames, channel = study.settings, study.reach, study.frames, study.outputs[output]
    model, x, extra, rows = study.giving(output), study.x, (study.observed,), study.settings.rows_per_pass
    match name:
        case "integrated_gradients":
            return study.integrated_gradients(output, slice(None), frames)
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
                model, x, study.reference, channel, window, extra=extra, frames=frames, rows_per_pass=rows
            )
        case "attention_rollout":
            return rollout_matrix(model, x, extra, frames)
    return method_matrix(
        method_of(study, name),
        model,
        x,
        study.reference,
        channel,
        settings,
        extra=extra,
        reach=reach,
        frames=frames,
    )
