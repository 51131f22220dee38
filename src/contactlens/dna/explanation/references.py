"""What contributions by a path from a reference should add up to, and what the model says of the reference itself."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from contactlens.dna.data.batch import WindowBatch
from contactlens.dna.explanation.attributions import Attributions
from contactlens.dna.explanation.methods.integrated_gradients import region_baseline
from contactlens.dna.explanation.methods.lrp import one_hot_tokens

Array = np.ndarray
Parts = Sequence[Tensor]
# What loses its bases at the reference: (N, L) each, one after the other.
PATHS: dict[str, Callable[[WindowBatch], Parts]] = {
    "integrated_gradients": lambda batch: [torch.ones_like(batch.ids, dtype=torch.bool)],
    "region_integrated_gradients": lambda batch: batch.regions.unbind(1),
}
REFERENCES = ["method", "window_id", "logit", "reference_logit", "missed", "change", "completeness_error"]


def reference_table(
    model: nn.Module, batch: WindowBatch, found: Mapping[str, Attributions], rows_per_pass: int
) -> pd.DataFrame:
    """A row a window of every method of `PATHS`.

    Columns: `method`, `window_id`, `logit`; `reference_logit`, of the reference (its mean, where one region at a time
    fades); `missed`, by how much the contributions miss the `change` of the score, absolute values added up over the
    regions; `completeness_error`, the one over the other.
    """
    tables = []
    for method in (one for one in PATHS if one in found):
        given, parts = found[method], PATHS[method](batch)
        reference = np.stack([_reference_scores(model, batch, part, rows_per_pass) for part in parts])  # (P, N)
        shares = np.stack([(given.actual * part.cpu().numpy()).sum(axis=1) for part in parts])
        change = given.logits - reference
        missed, size = np.abs(shares - change).sum(axis=0), np.abs(change).sum(axis=0)
        columns = (
            given.window_ids,
            given.logits,
            reference.mean(axis=0),
            missed,
            size,
            missed / np.maximum(size, 1e-9),
        )
        tables.append(pd.DataFrame(dict(zip(REFERENCES, [method, *columns], strict=True))))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=REFERENCES)


def _reference_scores(model: nn.Module, batch: WindowBatch, part: Tensor, rows_per_pass: int) -> Array:
    """Scores (N,) with no base in particular in a part (N, L) of each window."""
    found = []
    for rows in torch.arange(len(batch)).split(rows_per_pass):
        few = batch.select(rows)
        baseline = region_baseline(one_hot_tokens(model, few.ids), few.ids, part[rows.to(part.device)])
        with torch.no_grad():
            found.append(model.forward_one_hot(baseline, few.regions).double().cpu())  # type: ignore[operator]
    return torch.cat(found).numpy()
