"""Contributions by the first method that passes its checks for a model, and why those before it do not."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Generic, TypeVar

import numpy as np
import pandas as pd
from torch import nn

from contactlens.base.errors import InputError
from contactlens.dna.data.batch import Windows
from contactlens.dna.explanation.attributions import Attributions
from contactlens.dna.explanation.checks import check_methods, logit_range, methods_to_try, refusals
from contactlens.dna.explanation.methods import AttributionSettings
from contactlens.dna.explanation.parts import (
    AttributionParts,
    Runner,
    attribute_parts,
    digest,
    in_turn,
    score_parts,
)
from contactlens.dna.explanation.precision import agreed

REAL_WINDOWS = 40  # at least as many scores say what is usual for the model
Kept = TypeVar("Kept", Attributions, AttributionParts)


@dataclass(frozen=True)
class Believed(Generic[Kept]):
    """method: the one that was used; attributions: of each of several sets of windows; refused: a sentence for each
    method before it; checks: `check_methods` of those that were tried
    """

    method: str
    attributions: list[Kept]
    refused: list[str]
    checks: pd.DataFrame


def believed(
    model: nn.Module,
    several: Sequence[Windows],
    wanted: str,
    settings: AttributionSettings,
    max_completeness_error: float,
    known: pd.DataFrame | None = None,
) -> Believed[Attributions]:
    """`believed_parts`, all in memory."""
    with TemporaryDirectory() as folder:
        found = believed_parts(model, several, wanted, settings, max_completeness_error, Path(folder), known)
        return Believed(found.method, [one.load() for one in found.attributions], found.refused, found.checks)


def believed_parts(
    model: nn.Module,
    several: Sequence[Windows],
    wanted: str,
    settings: AttributionSettings,
    max_completeness_error: float,
    folder: Path,
    known: pd.DataFrame | None = None,
    run: Runner = in_turn,
) -> Believed[AttributionParts]:
    """Contributions by `wanted`, or by the next method of the table where that is refused; says so on standard output.

    several: sets of windows, each of one length
    wanted: key of `METHODS`, or `best`
    max_completeness_error: largest share of the logit's change from the reference that contributions may miss
    folder: where parts are kept; what is there of the same model and windows is taken up
    known: `check_methods` of the pipeline that made the model: its order, refusals and range of logits hold; without,
        the reference must lie among the logits of these windows and of shuffles of them
    run: who calls the work on each part

    Raises InputError where every method is refused.
    """
    homes = [folder / digest(model, windows, settings) for windows in several]
    # Without a table, enough shuffles of the windows say what is usual for the model.
    copies = 0 if known is not None else -(-REAL_WINDOWS // sum(map(len, several)))
    both = score_parts(model, several, settings, copies, homes, run)
    logits = [own for own, _ in both]
    others = [logit_range(known)] if known is not None else [shuffles.ravel() for _, shuffles in both]
    usual = np.concatenate([*logits, *others])
    methods, refused = methods_to_try(wanted, known)
    tried = []
    for method in methods:
        used = agreed(model, several, method, settings)
        own_homes = homes if used == settings else [folder / digest(model, windows, used) for windows in several]
        found = attribute_parts(model, several, logits, method, used, own_homes, run)
        checks = check_methods([method], pd.concat([one.references for one in found]), usual, max_completeness_error)
        tried.append(checks)
        if not refusals(checks):
            for sentence in refused:
                print(sentence)
            if refused:
                print(f"{method} takes its place")
            return Believed(method, found, refused, pd.concat(tried, ignore_index=True))
        refused += refusals(checks)
    raise InputError("; ".join(refused) or f"{wanted}: no method is left for this model")
