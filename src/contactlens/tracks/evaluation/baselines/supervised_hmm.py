"""Hidden Markov models whose rates and levels come from true states: one sees MS2 alone, the other the driver too.

The chain and the kernel are those of the compound-state HMM. Where states are known, its M-step on what is known in
place of what is expected gives rates, levels and variances at once. The input-output HMM (Bengio and Frasconi, NIPS
1994) lets the chance to switch on within a frame depend on the driver before, at and after it.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import SplineTransformer

from contactlens.base.errors import InputError
from contactlens.tracks.data.batch import TrackBatch
from contactlens.tracks.evaluation.baselines.compound_em import LEAST_PROBABILITY, CompoundModel, Expected
from contactlens.tracks.evaluation.baselines.compound_hmm import LEAST_VARIANCE, CompoundHmm
from contactlens.tracks.evaluation.baselines.frames import Frames
from contactlens.tracks.evaluation.baselines.memory_kernel import MemoryKernel

Array = np.ndarray

STEPS = 30  # of the M-step: levels and variances are fitted in turn
OFFSETS = (-2, -1, 0, 1)  # frames whose driver is read for a switch between frames -1 and 0
KNOTS = 8  # of the splines over the driver


def supervised_hmm(train: TrackBatch, kernel: MemoryKernel) -> CompoundHmm:
    """Raises InputError where the states aren't known, or no track is as long as the memory."""
    frames, state = Frames.of(train), _known_state(train)
    known = _counted(frames, state, len(kernel.mean))
    values = frames.signal[frames.observed]
    variance = float(values.var())
    model = CompoundModel(kernel, 0.1, 0.1, 0.5, 0.0, 1.0, variance, variance / float(kernel.square.sum()))
    for _ in range(STEPS):
        model = model.maximise(known, LEAST_VARIANCE * variance)
    return CompoundHmm(model, ())


class DriverSwitching(NamedTuple):
    """P(on within a frame) of a promoter that was off, as a function of the driver: splines of it, then a logistic."""

    logistic: Pipeline

    @classmethod
    def fit(cls, train: TrackBatch) -> "DriverSwitching":
        """From the frames of the train tracks before which the promoter was off."""
        frames, state = Frames.of(train), _known_state(train) > 0.5
        pair = np.zeros(state.shape, dtype=bool)
        pair[:, 1:] = ~state[:, :-1] & frames.observed[:, 1:] & frames.observed[:, :-1]
        switched = state[pair]
        if switched.all() or not switched.any():
            raise InputError("input_output_hmm: needs train tracks whose promoter switches on")
        splines = SplineTransformer(n_knots=KNOTS, degree=2, knots="quantile", extrapolation="constant")
        logistic = make_pipeline(SimpleImputer(strategy="median"), splines, LogisticRegression(max_iter=500))
        return cls(logistic.fit(_around(frames.distance)[pair], switched))

    def __call__(self, frames: Frames) -> Array:
        """(N, T) of each frame."""
        N, T = frames.distance.shape
        on = self.logistic.predict_proba(_around(frames.distance).reshape(N * T, -1))[:, 1].reshape(N, T)
        return np.clip(on, LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)


@dataclass(frozen=True)
class InputOutputHmm(CompoundHmm):
    """switching: gives p_on of each frame, in place of the model's own."""

    switching: DriverSwitching

    @classmethod
    def of(cls, hmm: CompoundHmm, train: TrackBatch) -> "InputOutputHmm":
        """With the other parameters of `hmm`."""
        return cls(hmm.model, hmm.history, DriverSwitching.fit(train))

    def switching_on(self, batch: TrackBatch) -> Array | None:
        return self.switching(Frames.of(batch))


def _known_state(train: TrackBatch) -> Array:
    if train.state is None:
        raise InputError("supervised_hmm: needs tracks whose promoter state is known")
    return train.state.cpu().numpy()


def _counted(frames: Frames, state: Array, memory: int) -> Expected:
    """What `CompoundModel.expect` would give, were the posterior sure of the true states."""
    if state.shape[1] <= memory:
        raise InputError(f"supervised_hmm: needs tracks of more than {memory} frames")
    recent = sliding_window_view(state > 0.5, memory, axis=1)[:, :, ::-1]  # (N, T - memory + 1, memory), present first
    code = recent @ (1 << np.arange(memory))
    reached = np.flip(np.maximum.accumulate(np.flip(frames.observed, 1), axis=1), 1)[:, memory - 1 :]
    observed, y = frames.observed[:, memory - 1 :], frames.signal[:, memory - 1 :]

    def total(where: Array, values: Array | None = None) -> Array:
        return np.bincount(code[where], None if values is None else values[where], minlength=2**memory).astype(float)

    later = reached.copy()
    later[:, 0] = False
    first = np.bincount(code[reached[:, 0], 0], minlength=2**memory).astype(float)
    return Expected(first, total(later), total(observed), total(observed, y), total(observed, y**2), 0.0)


def _around(driver: Array) -> Array:
    """(N, T, offsets) the driver around each frame; NaN where missing or beyond the track."""
    T = driver.shape[1]
    wide = np.pad(driver, ((0, 0), (max(0, -min(OFFSETS)), max(0, max(OFFSETS)))), constant_values=np.nan)
    start = max(0, -min(OFFSETS))
    return np.stack([wide[:, start + offset : start + offset + T] for offset in OFFSETS], axis=2)
