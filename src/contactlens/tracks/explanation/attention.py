"""What a Transformer looks at from one predicted frame, to be stored beside the attributions of that frame."""

from typing import Any

import torch
from numpy.typing import NDArray

from contactlens.attribution.attention import attention_rollout
from contactlens.tracks.explanation.study import Study


@torch.no_grad()
def attention_arrays(study: Study, track: int, frame: int) -> dict[str, NDArray[Any]]:
    """attention (layers, heads, T) and attention_rollout (T,) of an output frame of one of the study's tracks, over the
    input frames; nothing for a model without attention."""
    if not study.model.has_attention:
        return {}
    rows = slice(track, track + 1)
    weights = study.model.attention(study.x[rows], study.observed[rows])  # (1, layers, heads, T, T)
    return {
        "attention": weights[0, :, :, frame].cpu().numpy(),
        "attention_rollout": attention_rollout(weights)[0, frame].cpu().numpy(),
    }
