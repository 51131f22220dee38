"""Explain a tracks model: which moments drive its mean and its uncertainty, and how long before.

The summary that recovers the response to a contact is the mean attribution per frame *in contact* at each
lag. For a prediction that is a filter h of the contact indicator, integrated gradients from the no-contact
reference give h(lag) x contact(t_in): their plain mean over frames is h scaled by how often there is contact,
their mean weighted by contact is h itself, in the signal's unit. Nothing cancels, because against a
no-contact reference each contact contributes with the sign of its effect. Gradients are non-zero only where
the gate is half open, so their profile has the shape of h but not its size, and their x, y and z components
cancel unless they are projected on the separation.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from contactlens.attribution.attention import attention_rollout
from contactlens.base.errors import InputError
from contactlens.calibration.bootstrap import resample_counts
from contactlens.tracks.explanation.config import ExplainConfig
from contactlens.tracks.explanation.curves import DELETION, INSERTION
from contactlens.tracks.explanation.explainer import Explainer, reference_input
from contactlens.tracks.explanation.faithfulness import contact_overlap, faithfulness
from contactlens.tracks.explanation.lag import Rows, lag_profiles
from contactlens.tracks.explanation.methods import attributions, refused
from contactlens.tracks.explanation.truth import Response, TrueCauses, true_causes
from contactlens.tracks.models.track_model import TrackModel

__all__ = ["ExplainConfig", "Explanation", "Response", "TrueCauses", "explain", "reference_input", "true_causes"]


@dataclass(frozen=True)
class Explanation:
    """Tables and arrays as they are stored. Outputs are those of the model's head: mean and logvar, or logit and
    uncertainty, the variance p (1 - p) of the state.

    lag_profile: method, output, lag_s, attribution, low, high, peak. The attribution is the mean per frame in
        contact in units of `peak`: the largest of the method (for the control: of integrated gradients), in
        the output's unit, for gradients per driver unit of approach. Positive lags are inputs before the
        output. Without a driver it is the mean per frame of MS2
    faithfulness: method, output, metric, estimate, low, high
    deletion_curve, insertion_curve: method, output, fraction, score, low, high
    attribution_methods: method, output, used, reason; the reason why a method was not used
    arrays: for each output ig_<output> (n_tracks, T_out, T_in) float32, summed over the driver's channels, and
        <output> (n_tracks, T), the prediction; contact, observed (n_tracks, T); reference (C,); track_ids;
        frame_interval_s; and for the chosen frame, or the highest predicted one of the stored track with most contact,
        channel_<output> (C, T), channels (their names), channel_track, channel_frame, and for a model that has
        attention those of `attention_arrays`
    """

    lag_profile: pd.DataFrame
    faithfulness: pd.DataFrame
    deletion_curve: pd.DataFrame
    insertion_curve: pd.DataFrame
    attribution_methods: pd.DataFrame
    arrays: dict[str, NDArray[Any]]


def explain(
    model: TrackModel,
    x: Tensor,
    observed: Tensor,
    track_ids: list[str],
    *,
    head: str,
    channels: list[str],
    frame_interval_s: float,
    reference: Tensor,
    config: ExplainConfig,
    seed: int,
    truth: TrueCauses | None,
) -> Explanation:
    """Explain `model` (in evaluation mode) on tracks drawn at random from x (N, C, T), observed (N, T).

    head: of the model's task
    channels: names of the C channels
    reference: (C,) input without contact, from `reference_input`
    truth: contacts of the N tracks and the target's answer to them, where they are known
    """
    chosen = _drawn(track_ids, config, seed)
    explainer = Explainer.of(model, head, x[chosen], observed[chosen], reference, config, seed)
    draws = resample_counts(len(chosen), config.bootstrap_replicates, seed)
    profiles: Rows = []
    curves: dict[str, Rows] = {DELETION: [], INSERTION: []}
    metrics: Rows = []
    methods: Rows = []
    for output in explainer.outputs:
        reasons = {name: refused(explainer, name, output) for name in config.methods}
        methods += [
            {"method": name, "output": output, "used": reason is None, "reason": reason or ""}
            for name, reason in reasons.items()
        ]
        found = attributions(explainer, output, [name for name, reason in reasons.items() if reason is None])
        rows, summaries = lag_profiles(
            explainer,
            output,
            found,
            lag_max_s=config.lag_max_s,
            frame_interval_s=frame_interval_s,
            response=truth.response
            if truth is not None and truth.profile_known and output == explainer.primary
            else None,
            draws=draws,
            level=config.interval_level,
        )
        profiles += rows
        metrics += summaries
        if truth is not None and truth.contact is not None:
            contact = torch.as_tensor(truth.contact[chosen], device=x.device)
            memory = round(truth.response.memory_s / frame_interval_s)
            metrics += contact_overlap(explainer, output, found, contact, memory, draws, config.interval_level)
        more, summaries = faithfulness(explainer, output, found, config, draws)
        for kind, rows in more.items():
            curves[kind] += rows
        metrics += summaries
    names = [track_ids[i] for i in chosen[: config.n_tracks]]
    return Explanation(
        lag_profile=pd.DataFrame(profiles),
        faithfulness=pd.DataFrame(metrics),
        deletion_curve=pd.DataFrame(curves[DELETION]),
        insertion_curve=pd.DataFrame(curves[INSERTION]),
        attribution_methods=pd.DataFrame(methods),
        arrays=_matrices(explainer, names, channels, frame_interval_s, config),
    )


def _drawn(track_ids: list[str], config: ExplainConfig, seed: int) -> NDArray[np.int64]:
    """Rows of the tracks explained, at random, a chosen one first; InputError where that is not among them."""
    drawn = np.random.default_rng(seed).permutation(len(track_ids))
    if config.example_track is not None:
        if config.example_track not in track_ids:
            raise InputError(f"tracks.explain.example_track: {config.example_track!r} is not a track of the test split")
        first = track_ids.index(config.example_track)
        drawn = np.concatenate([[first], drawn[drawn != first]])
    return drawn[: config.profile_tracks]


def _example(
    names: list[str], contact: Tensor, observed: Tensor, primary: Tensor, config: ExplainConfig
) -> tuple[int, int]:
    """Row and frame of the example: those chosen, else the highest prediction of the track with most contact."""
    track = int(contact.mean(dim=1).argmax()) if config.example_track is None else names.index(config.example_track)
    if config.example_frame is None:
        return track, int(primary[track].masked_fill(~observed[track], -torch.inf).argmax())
    if config.example_frame not in observed[track].nonzero()[:, 0].tolist():
        raise InputError(f"tracks.explain.example_frame: {config.example_frame} is not observed in {names[track]}")
    return track, config.example_frame


def _matrices(
    explainer: Explainer, names: list[str], channels: list[str], frame_interval_s: float, config: ExplainConfig
) -> dict[str, NDArray[Any]]:
    stored = slice(len(names))
    contact, observed = explainer.contact[stored], explainer.observed[stored]
    with torch.no_grad():
        prediction = explainer.full_model(explainer.x[stored], observed)
    track, frame = _example(names, contact, observed, prediction[:, explainer.outputs[explainer.primary]], config)
    arrays: dict[str, NDArray[Any]] = {
        "track_ids": np.array(names, dtype=np.str_),
        "frame_interval_s": np.array(frame_interval_s),
        "observed": observed.cpu().numpy(),
        "contact": contact.cpu().numpy(),
        "reference": explainer.reference[0, :, 0].cpu().numpy(),
        "channels": np.array(channels, dtype=np.str_),
        "channel_track": np.array(names[track], dtype=np.str_),
        "channel_frame": np.array(frame),
    }
    matrices = explainer.frame_by_frame(stored)  # (n_tracks, n_outputs, T_out, T_in)
    for output, index in explainer.outputs.items():
        arrays[output] = prediction[:, index].cpu().numpy()
        arrays[f"ig_{output}"] = matrices[:, index].cpu().numpy()
        one = explainer.integrated_gradients(output, slice(track, track + 1), torch.tensor([frame]))
        arrays[f"channel_{output}"] = one[0, 0].cpu().numpy()  # (C, T)
    return arrays | attention_arrays(explainer, track, frame)


@torch.no_grad()
def attention_arrays(explainer: Explainer, track: int, frame: int) -> dict[str, NDArray[Any]]:
    """attention (layers, heads, T) and attention_rollout (T,) of an output frame of one of the tracks, over the
    input frames; nothing for a model without attention."""
    if not explainer.model.has_attention:
        return {}
    rows = slice(track, track + 1)
    weights = explainer.model.attention(explainer.x[rows], explainer.observed[rows])  # (1, layers, heads, T, T)
    return {
        "attention": weights[0, :, :, frame].cpu().numpy(),
        "attention_rollout": attention_rollout(weights)[0, frame].cpu().numpy(),
    }
