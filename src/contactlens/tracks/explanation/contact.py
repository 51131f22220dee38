"""Of the moments that the gene could still feel, do attributions mark those of contact?"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from contactlens.attribution.faithfulness import row_auroc
from contactlens.calibration.bootstrap import ratio_interval
from contactlens.tracks.explanation.lag import Rows, metric_row
from contactlens.tracks.explanation.study import Study

Floats = NDArray[np.float64]


def contact_overlap(
    study: Study,
    output: str,
    attributions: dict[str, Tensor],
    contact: Tensor,
    memory_frames: int,
    draws: Floats,
    level: float,
) -> Rows:
    """Rows of faithfulness.csv: how well the size of the attributions to an output frame tells, of the input frames
    whose contact it could feel, those in true contact from the others, as an AUROC (0.5: not at all).

    contact: (P, T) bool
    memory_frames: how long before the output frame a contact is felt
    Frames outside the memory are left out: a method that knows when inputs matter, but not where contact was, gets no
    credit. The mean is over the output frames of a track that have both kinds.
    """
    lag = study.frames[:, None] - torch.arange(study.x.size(-1), device=study.x.device)  # (F, T)
    remembered = (lag >= 0) & (lag <= memory_frames) & study.reach.mask(study.frames)
    within = remembered & study.observed[:, None]  # (P, F, T)
    felt = within & contact[:, None]
    within_rows, felt_rows = (part.flatten(0, 1).cpu().numpy() for part in (within, felt))
    P, F = study.x.size(0), len(study.frames)
    rows: Rows = []
    for method, values in attributions.items():
        scores = study.frame_scores(method, values, study.profile_channels).abs().flatten(0, 1)
        auroc = row_auroc(scores.cpu().numpy(), felt_rows, within_rows).reshape(P, F)
        defined = ~np.isnan(auroc)
        mean = ratio_interval(np.nansum(auroc, axis=1), defined.sum(axis=1).astype(np.float64), draws, level)
        rows.append(metric_row(method, output, "contact_auroc", mean))
    return rows
