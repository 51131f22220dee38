"""The baselines that every decoder of promoter states is compared with."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from contactlens.base.errors import InputError
from contactlens.base.progress import counted
from contactlens.tracks.data.batch import TrackBatch
from contactlens.tracks.evaluation.baselines.compound_hmm import CompoundHmm, CompoundHmmConfig
from contactlens.tracks.evaluation.baselines.contact_state import ContactState, ContactStateConfig
from contactlens.tracks.evaluation.baselines.frames import Frames
from contactlens.tracks.evaluation.baselines.memory_kernel import MemoryKernel
from contactlens.tracks.evaluation.baselines.ms2_threshold import Ms2Threshold


class StateBaseline(Protocol):
    """A fitted baseline. It predicts every frame, observed or not."""

    def probability(self, batch: TrackBatch) -> np.ndarray:
        """(N, T) probability that the promoter is on at each frame."""
        ...


@dataclass(frozen=True)
class StateBaselineConfig:
    contact_state: ContactStateConfig
    compound_hmm: CompoundHmmConfig


def fit_state_baselines(
    train: TrackBatch, validation: TrackBatch, config: StateBaselineConfig, kernel: MemoryKernel, seed: int
) -> dict[str, StateBaseline]:
    """Every baseline by name: the driver alone, MS2 frame by frame, and MS2 with its memory.

    The compound-state HMM is fitted to the signal of the train tracks alone; the others learn from their true states.

    Raises InputError where the states aren't known or only one of them occurs.
    """
    if train.state is None:
        raise InputError("states: the promoter's state isn't known for these tracks")
    frames = Frames.of(train)
    state = train.state.cpu().numpy()
    fits: dict[str, Callable[[], StateBaseline]] = {
        "contact_logistic": lambda: ContactState.fit(train, validation, config.contact_state, seed),
        "ms2_threshold": lambda: Ms2Threshold.fit(frames.signal, state, frames.observed),
        "compound_hmm": lambda: CompoundHmm.fit(frames.signal, frames.observed, kernel, config.compound_hmm, seed),
    }
    return {name: fit() for name, fit in counted(fits.items(), "baselines fitted")}
