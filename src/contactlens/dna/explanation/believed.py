"""Contributions by the first method that passes its checks for a model, and why those before it do not."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import nn

from contactlens.base.errors import InputError
from contactlens.dna.data.batch import WindowBatch
from contactlens.dna.data.tokens import one_hot_bases
from contactlens.dna.explanation.attributions import Attributions
from contactlens.dna.explanation.checks import check_methods, logit_range, methods_to_try, refusals
from contactlens.dna.explanation.methods import AttributionSettings, attribute
from contactlens.dna.explanation.methods.mutagenesis import scores
from contactlens.dna.explanation.references import reference_table
from contactlens.dna.explanation.shuffles import shuffled

REAL_WINDOWS = 40  # at least as many scores say what is usual for the model


@dataclass(frozen=True)
class Believed:
    """method: the one that was used; attributions: of each batch; refused: a sentence for each method before it;
    checks: `check_methods` of those that were tried
    """

    method: str
    attributions: list[Attributions]
    refused: list[str]
    checks: pd.DataFrame


def attributed(
    model: nn.Module, batch: WindowBatch, logits: np.ndarray, method: str, settings: AttributionSettings
) -> Attributions:
    """Contributions by one method to the logits (N,) of the windows."""
    one_hot = one_hot_bases(batch.ids).cpu().numpy().astype(np.uint8)
    hypothetical = attribute(model, batch.ids, batch.regions, method, settings)
    return Attributions(np.array(batch.window_ids, dtype=np.str_), logits, hypothetical, one_hot)


def believed(
    model: nn.Module,
    batches: Sequence[WindowBatch],
    wanted: str,
    settings: AttributionSettings,
    max_completeness_error: float,
    known: pd.DataFrame | None = None,
) -> Believed:
    """Contributions by `wanted`, or by the next method of the table where that is refused; says so on standard output.

    wanted: key of `METHODS`, or `best`
    max_completeness_error: largest share of the logit's change from the reference that contributions may miss
    known: `check_methods` of the pipeline that made the model: its order, refusals and range of logits hold; without,
        the reference must lie among the logits of these windows and of shuffles of them

    Raises InputError where every method is refused.
    """
    rows = settings.rows_per_pass
    logits = [scores(model, one.ids, one.regions, rows).cpu().numpy() for one in batches]
    others = [logit_range(known)] if known is not None else _of_shuffles(model, batches, rows)
    usual = np.concatenate([*logits, *others])
    methods, refused = methods_to_try(wanted, known)
    tried = []
    for method in methods:
        found = [attributed(model, batch, own, method, settings) for batch, own in zip(batches, logits, strict=True)]
        tables = [
            reference_table(model, batch, {method: one}, settings) for batch, one in zip(batches, found, strict=True)
        ]
        checks = check_methods([method], pd.concat(tables), usual, max_completeness_error)
        tried.append(checks)
        if not refusals(checks):
            for sentence in refused:
                print(sentence)
            if refused:
                print(f"{method} takes its place")
            return Believed(method, found, refused, pd.concat(tried, ignore_index=True))
        refused += refusals(checks)
    raise InputError("; ".join(refused) or f"{wanted}: no method is left for this model")


def _of_shuffles(model: nn.Module, batches: Sequence[WindowBatch], rows_per_pass: int) -> list[np.ndarray]:
    copies = -(-REAL_WINDOWS // sum(map(len, batches)))
    return [
        scores(model, shuffled(one.ids, torch.ones_like(one.ids, dtype=torch.bool), draw), one.regions, rows_per_pass)
        .cpu()
        .numpy()
        for one in batches
        for draw in range(copies)
    ]
