"""The baselines that every network is compared with, on the same splits and with the same scores.

A row of SIGNAL_BASELINES or STATE_BASELINES registers a baseline; settings of its own are a field of the configuration.
A baseline's module is imported when it is fitted, so that reading params stays quick.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Literal, NamedTuple, Protocol, TypeVar, runtime_checkable

from contactlens.base.errors import InputError
from contactlens.base.progress import counted
from contactlens.tracks.evaluation.config import BaselineConfig, StateBaselineConfig

if TYPE_CHECKING:
    import numpy as np

    from contactlens.tracks.data.batch import TrackBatch
    from contactlens.tracks.evaluation.baselines.frames import Baseline
    from contactlens.tracks.evaluation.baselines.memory_kernel import MemoryKernel
    from contactlens.tracks.evaluation.state_posterior import StatePosterior
    from contactlens.tracks.models.tasks import Task

RECALIBRATED = "_recalibrated"


@dataclass(frozen=True)
class SignalView:
    """What the features may read of MS2: as much as the network they are compared with, and no more.

    radius: MS2 is seen in frames whose distance is below it (driver units); None: in none
    parts: the mean of MS2 in this many equal parts of the track is seen; None: no such means
    """

    radius: float | None = None
    parts: int | None = None


HIDDEN = SignalView()


class StateBaseline(Protocol):
    """A fitted baseline. It predicts every frame, observed or not."""

    def probability(self, batch: "TrackBatch") -> "np.ndarray":
        """(N, T) probability that the promoter is on at each frame."""
        ...


@runtime_checkable
class PathBaseline(StateBaseline, Protocol):
    """A baseline that knows whole paths."""

    def posterior(self, batch: "TrackBatch", seed: int) -> "StatePosterior":
        """Over the promoter's paths, with one drawn from it."""
        ...


class SignalFit(NamedTuple):
    """What a baseline of the signal may use to be fitted; view: what it may read of MS2."""

    train: "TrackBatch"
    validation: "TrackBatch"
    config: BaselineConfig
    seed: int
    view: SignalView


class StateFit(NamedTuple):
    """What a baseline of the promoter's state may use to be fitted; kernel: the memory of MS2."""

    train: "TrackBatch"
    validation: "TrackBatch"
    config: StateBaselineConfig
    kernel: "MemoryKernel"
    seed: int


Given = TypeVar("Given")
Fitted = TypeVar("Fitted")


@dataclass(frozen=True)
class Registered(Generic[Given, Fitted]):
    """reads: the inputs without which there is no such baseline."""

    reads: frozenset[Literal["driver", "signal"]]
    fit: Callable[[Given], Fitted]


def _fit_constant(given: SignalFit) -> "Baseline":
    from contactlens.tracks.evaluation.baselines.constant import ConstantGaussian

    return ConstantGaussian.fit(given.train)


def _fit_contact_filter(given: SignalFit) -> "Baseline":
    from contactlens.tracks.evaluation.baselines.contact_filter import ContactFilter

    return ContactFilter.fit(given.train, given.validation, given.config.contact_filter)


def _fit_boosted_trees(given: SignalFit) -> "Baseline":
    from contactlens.tracks.evaluation.baselines.boosted_trees import BoostedTrees

    return BoostedTrees.fit(given.train, given.validation, given.config.boosted_trees, given.seed, given.view)


def _fit_contact_state(given: StateFit) -> StateBaseline:
    from contactlens.tracks.evaluation.baselines.contact_state import ContactState

    return ContactState.fit(given.train, given.validation, given.config.contact_state, given.seed)


def _fit_ms2_threshold(given: StateFit) -> StateBaseline:
    from contactlens.tracks.evaluation.baselines.frames import Frames
    from contactlens.tracks.evaluation.baselines.ms2_threshold import Ms2Threshold

    frames = Frames.of(given.train)
    assert given.train.state is not None  # `fit_state_baselines` has refused tracks without states
    return Ms2Threshold.fit(frames.signal, given.train.state.cpu().numpy(), frames.observed)


def _fit_compound_hmm(given: StateFit) -> StateBaseline:
    """It learns from the signal of the train tracks alone; the others learn from their true states."""
    from contactlens.tracks.evaluation.baselines.compound_hmm import CompoundHmm
    from contactlens.tracks.evaluation.baselines.frames import Frames

    frames = Frames.of(given.train)
    return CompoundHmm.fit(frames.signal, frames.observed, given.kernel, given.config.compound_hmm, given.seed)


def _fit_supervised_hmm(given: StateFit) -> StateBaseline:
    from contactlens.tracks.evaluation.baselines.supervised_hmm import supervised_hmm

    return supervised_hmm(given.train, given.kernel)


def _fit_input_output_hmm(given: StateFit) -> StateBaseline:
    from contactlens.tracks.evaluation.baselines.supervised_hmm import InputOutputHmm, supervised_hmm

    return InputOutputHmm.of(supervised_hmm(given.train, given.kernel), given.train)


Inputs = frozenset[Literal["driver", "signal"]]
NOTHING: Inputs = frozenset()
DRIVER: Inputs = frozenset({"driver"})
SIGNAL: Inputs = frozenset({"signal"})
SIGNAL_BASELINES: dict[str, Registered[SignalFit, "Baseline"]] = {  # the weakest first
    "constant_gaussian": Registered(NOTHING, _fit_constant),
    "contact_filter": Registered(DRIVER, _fit_contact_filter),
    "boosted_trees": Registered(DRIVER, _fit_boosted_trees),
}
STATE_BASELINES: dict[str, Registered[StateFit, StateBaseline]] = {
    "contact_logistic": Registered(DRIVER, _fit_contact_state),
    "ms2_threshold": Registered(SIGNAL, _fit_ms2_threshold),
    "compound_hmm": Registered(SIGNAL, _fit_compound_hmm),
    "supervised_hmm": Registered(SIGNAL, _fit_supervised_hmm),
    "input_output_hmm": Registered(DRIVER | SIGNAL, _fit_input_output_hmm),
}
READS = {name: one.reads for name, one in SIGNAL_BASELINES.items()} | {
    name: one.reads for name, one in STATE_BASELINES.items()
}


def fit_baselines(
    train: "TrackBatch", validation: "TrackBatch", config: BaselineConfig, seed: int, view: SignalView = HIDDEN
) -> dict[str, "Baseline"]:
    """Every baseline of the signal by name, the weakest first.

    view: what the trees may read of MS2 (give the network's own contact radius or parts, so that both read the same).
    """
    given = SignalFit(train, validation, config, seed, view)
    return {name: one.fit(given) for name, one in counted(SIGNAL_BASELINES.items(), "baselines fitted")}


def fit_state_baselines(
    train: "TrackBatch", validation: "TrackBatch", config: StateBaselineConfig, kernel: "MemoryKernel", seed: int
) -> dict[str, StateBaseline]:
    """Every baseline of the state by name: the driver alone, MS2 frame by frame, MS2 with its memory, and both.

    Raises InputError where the states aren't known or only one of them occurs.
    """
    if train.state is None:
        raise InputError("states: the promoter's state isn't known for these tracks")
    given = StateFit(train, validation, config, kernel, seed)
    return {name: one.fit(given) for name, one in counted(STATE_BASELINES.items(), "baselines fitted")}


def comparable_baselines(task: "Task", names: Iterable[str]) -> tuple[str, ...]:
    """Those of `names` (baselines, also as `<baseline>_recalibrated`) that read nothing hidden from the task."""
    return without_hidden_inputs(names, driver=task.driver_input, signal=task.sees_signal)


def without_hidden_inputs(names: Iterable[str], driver: bool, signal: bool) -> tuple[str, ...]:
    """Those of `names` that read no more than the given inputs, and all that are no known baseline."""
    inputs = {"driver": driver, "signal": signal}

    def reads_only_inputs(name: str) -> bool:
        return all(inputs[one] for one in READS.get(name.removesuffix(RECALIBRATED), NOTHING))

    return tuple(name for name in names if reads_only_inputs(name))
