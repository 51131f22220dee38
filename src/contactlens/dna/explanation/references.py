"""What contributions by a path from a reference should add up to, and what the model says of the reference itself."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from contactlens.dna.data.batch import WindowBatch
from contactlens.dna.explanation.attributions import Attributions
from contactlens.dna.explanation.methods import AttributionSettings
from contactlens.dna.explanation.methods.integrated_gradients import region_baseline
from contactlens.dna.explanation.methods.lrp import one_hot_tokens
from contactlens.dna.explanation.methods.mutagenesis import scores
from contactlens.dna.explanation.shuffles import shuffled

Array = np.ndarray
REFERENCES = ["method", "window_id", "logit", "reference_logit", "missed", "change", "completeness_error"]


@dataclass(frozen=True)
class Path:
    """parts: what loses its own bases at the reference, (N, L) each, one after the other
    shuffles: over how many shuffles the reference is averaged; None where it has no base in particular
    """

    parts: Callable[[WindowBatch], Sequence[Tensor]]
    shuffles: Callable[[AttributionSettings], int] | None = None


def _whole(batch: WindowBatch) -> Sequence[Tensor]:
    return [torch.ones_like(batch.ids, dtype=torch.bool)]


def _regions(batch: WindowBatch) -> Sequence[Tensor]:
    return batch.regions.unbind(1)


PATHS = {
    "integrated_gradients": Path(_whole),
    "region_integrated_gradients": Path(_regions),
    "shuffled_integrated_gradients": Path(_whole, lambda settings: settings.references),
    "region_shuffled_integrated_gradients": Path(_regions, lambda settings: settings.references),
    "gradient_shap": Path(_whole, lambda settings: settings.ig_steps),
}


def reference_table(
    model: nn.Module, batch: WindowBatch, found: Mapping[str, Attributions], settings: AttributionSettings
) -> pd.DataFrame:
    """A row a window of every method of `PATHS`.

    found: of the batch's windows, by `settings`

    Columns: `method`, `window_id`, `logit`; `reference_logit`, of the reference (its mean, where there are several, or
    where one region at a time loses its bases); `missed`, by how much the contributions miss the `change` of the score,
    absolute values added up over the regions; `completeness_error`, the one over the other.
    """
    tables = []
    for method in (one for one in PATHS if one in found):
        given, path = found[method], PATHS[method]
        parts, draws = path.parts(batch), path.shuffles and path.shuffles(settings)
        reference = np.stack([_reference_scores(model, batch, part, draws, settings) for part in parts])  # (P, N)
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


def _reference_scores(
    model: nn.Module, batch: WindowBatch, part: Tensor, draws: int | None, settings: AttributionSettings
) -> Array:
    """Scores (N,) with a part (N, L) of each window shuffled, on average, or with no base in particular in it."""
    if draws:
        references = (shuffled(batch.ids, part, draw) for draw in range(draws))
        found = [scores(model, ids, batch.regions, settings.rows_per_pass) for ids in references]
        return torch.stack(found).mean(0).cpu().numpy()
    found = []
    for rows in torch.arange(len(batch)).split(settings.rows_per_pass):
        few = batch.select(rows)
        baseline = region_baseline(one_hot_tokens(model, few.ids), few.ids, part[rows.to(part.device)])
        with torch.no_grad():
            found.append(model.forward_one_hot(baseline, few.regions).double().cpu())  # type: ignore[operator]
    return torch.cat(found).numpy()
