"""What a hyperparameter sweep is: fixed trials, a space to search, a metric to minimise, and a rule that chooses.

A branch describes its own sweep; what runs it (`contactlens.ops.sweep`) knows no more than this. Needs Python alone.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from contactlens.base.settings import NonNegativeFloat, NonNegativeInt, PositiveInt, rule, settings

Value = float | int | str | bool
Values = dict[str, Any]
Row = dict[str, Any]
Metrics = dict[str, float]
Report = Callable[[Metrics], None]
TrainTrial = Callable[[Values, Any, Report, Path], Metrics]


@settings
class Dimension:
    """One searched key: exactly one of the four. Both ends of every range are included."""

    uniform: tuple[float, float] | None = None
    loguniform: tuple[float, float] | None = None
    randint: tuple[int, int] | None = None
    choice: tuple[Value, ...] | None = None

    @rule
    def _one_range_is_given(self) -> None:
        given = [field.name for field in fields(self) if getattr(self, field.name) is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one of uniform, loguniform, randint, choice; got {given or 'none'}")
        ends = self.uniform or self.loguniform or self.randint
        if ends is not None and not ends[0] < ends[1]:
            raise ValueError(f"{given[0]} needs a lower end below its upper end, got {list(ends)}")
        if self.loguniform is not None and self.loguniform[0] <= 0:
            raise ValueError(f"loguniform needs ends above 0, got {list(self.loguniform)}")
        if self.choice is not None and len(set(self.choice)) != max(len(self.choice), 1):
            raise ValueError(f"choice needs distinct values, got {list(self.choice)}")

    def contains(self, value: Value) -> bool:
        """Whether a search could give this value."""
        if self.choice is not None:
            return value in self.choice
        low, high = self.uniform or self.loguniform or self.randint or (0, 0)
        return not isinstance(value, (str, bool)) and low <= value <= high


@settings
class SearchConfig:
    """How a sweep is run and what it searches.

    n_trials: trials of the search, beside the fixed ones
    max_concurrent: trials at once, and the size of the batches in which the search asks and learns; a sweep
        with the same value gives the same trials on any machine
    cpus_per_trial, gpus_per_trial: resources of one trial; a fraction of a GPU lets trials share it, and the
        GPU share counts only where there is a GPU
    max_epochs: longest training of one trial
    searcher: `optuna` (TPE; Bergstra et al., NeurIPS 2011) or `random`
    scheduler: `none`, every trial stops by its own patience; or `asha` (Li et al., MLSys 2020), which stops
        trials by comparing those that happen to be running: cheaper in large sweeps, and *not reproducible*;
        it leaves the fixed trials and the first quarter of max_epochs alone
    space: searched key -> range
    """

    n_trials: NonNegativeInt
    max_concurrent: PositiveInt
    cpus_per_trial: PositiveInt
    gpus_per_trial: NonNegativeFloat
    max_epochs: PositiveInt
    searcher: Literal["optuna", "random"]
    scheduler: Literal["none", "asha"]
    space: dict[str, Dimension]

    @rule
    def _there_is_a_space_to_search(self) -> None:
        if self.n_trials and not self.space:
            raise ValueError("space is empty, so n_trials must be 0")


@dataclass(frozen=True)
class Sweep:
    """The description of one sweep.

    config: its budget and its space
    defaults: the value of every key that a trial has; keys of the space that are not among them are not searched
    fixed: trials that are run whatever the search asks, each with a value for every key of `defaults`
    metric: what a trial reports after each epoch and returns at its end, minimised
    results: names of what a trial returns beside its number of epochs: columns of the table of trials
    choose: of the rows of the table whose metric is finite, the one to keep
    """

    config: SearchConfig
    defaults: Values
    fixed: list[Values]
    metric: str
    results: tuple[str, ...]
    choose: Callable[[list[Row]], Row]

    @property
    def total(self) -> int:
        """Trials, fixed and searched."""
        return len(self.fixed) + self.config.n_trials


def fixed_trials(defaults: Values, changes: Iterable[Mapping[str, Any]]) -> list[Values]:
    """`defaults` with each of the changes, as far as it has their keys; none twice."""
    trials: list[Values] = []
    for change in changes:
        trial = {**defaults, **{key: value for key, value in change.items() if key in defaults}}
        if trial not in trials:
            trials.append(trial)
    return trials
