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

from contactlens.attribution.lag import resamples
from contactlens.tracks.explain_config import ExplainConfig
from contactlens.tracks.explain_lag import Response, Rows, lag_profiles
from contactlens.tracks.explain_study import OUTPUTS, Study, reference_distance
from contactlens.tracks.explain_trust import faithfulness
from contactlens.tracks.models.track_model import TrackModel

__all__ = ["ExplainConfig", "Explanation", "Response", "explain", "reference_distance"]


@dataclass(frozen=True)
class Explanation:
    """Tables and arrays as they are stored.

    lag_profile: method, output, lag_s, attribution, low, high, peak. The attribution is the mean per frame in
        contact in units of `peak`: the largest of the method (for the control: of integrated gradients), in
        the output's unit, for gradients per driver unit of approach. Positive lags are inputs before the
        output.
    faithfulness: method, output, metric, estimate, low, high
    deletion_curve: method, output, fraction, score, low, high
    arrays: ig_mean, ig_logvar (n_tracks, T_out, T_in) float32, summed over the driver's channels; mean,
        logvar, contact, observed (n_tracks, T); reference (C,); track_ids; frame_interval_s; and for the
        highest predicted frame of the stored track with most contact, channel_mean and channel_logvar (C, T),
        channels (their names), channel_track, channel_frame
    """

    lag_profile: pd.DataFrame
    faithfulness: pd.DataFrame
    deletion_curve: pd.DataFrame
    arrays: dict[str, NDArray[Any]]


def explain(
    model: TrackModel,
    x: Tensor,
    observed: Tensor,
    track_ids: list[str],
    *,
    channels: list[str],
    frame_interval_s: float,
    far: float,
    config: ExplainConfig,
    seed: int,
    response: Response | None,
) -> Explanation:
    """Explain `model` (in evaluation mode) on tracks drawn at random from x (N, C, T), observed (N, T).

    channels: names of the C channels
    far: driver value of the no-contact reference, from `reference_distance`
    response: the true kernel, where it is known
    """
    chosen = np.random.default_rng(seed).permutation(len(x))[: config.profile_tracks]
    study = Study.of(model, x[chosen], observed[chosen], far, config, seed)
    draws = resamples(len(chosen), config.bootstrap_replicates, seed)
    profiles: Rows = []
    curves: Rows = []
    metrics: Rows = []
    for output in OUTPUTS:
        attributions = study.attributions(output)
        rows, summaries = lag_profiles(
            study,
            output,
            attributions,
            lag_max_s=config.lag_max_s,
            frame_interval_s=frame_interval_s,
            response=response if output == "mean" else None,
            draws=draws,
            level=config.interval_level,
        )
        profiles += rows
        metrics += summaries
        rows, summaries = faithfulness(study, output, attributions, config, draws)
        curves += rows
        metrics += summaries
    names = [track_ids[i] for i in chosen[: config.n_tracks]]
    return Explanation(
        lag_profile=pd.DataFrame(profiles),
        faithfulness=pd.DataFrame(metrics),
        deletion_curve=pd.DataFrame(curves),
        arrays=_matrices(study, names, channels, frame_interval_s),
    )


def _matrices(study: Study, names: list[str], channels: list[str], frame_interval_s: float) -> dict[str, NDArray[Any]]:
    stored = slice(len(names))
    contact, observed = study.contact[stored], study.observed[stored]
    with torch.no_grad():
        prediction = study.model(study.x[stored], observed)
    track = int(contact.mean(dim=1).argmax())
    frame = int(prediction[track, OUTPUTS["mean"]].masked_fill(~observed[track], -torch.inf).argmax())
    arrays: dict[str, NDArray[Any]] = {
        "track_ids": np.array(names, dtype=np.str_),
        "frame_interval_s": np.array(frame_interval_s),
        "observed": observed.cpu().numpy(),
        "contact": contact.cpu().numpy(),
        "reference": study.reference[0, :, 0].cpu().numpy(),
        "channels": np.array(channels, dtype=np.str_),
        "channel_track": np.array(names[track], dtype=np.str_),
        "channel_frame": np.array(frame),
    }
    matrices = study.frame_by_frame(stored)  # (n_tracks, n_outputs, T_out, T_in)
    for output, index in OUTPUTS.items():
        arrays[output] = prediction[:, index].cpu().numpy()
        arrays[f"ig_{output}"] = matrices[:, index].cpu().numpy()
        one = study.integrated_gradients(output, slice(track, track + 1), torch.tensor([frame]))
        arrays[f"channel_{output}"] = one[0, 0].cpu().numpy()  # (C, T)
    return arrays
