"""What a hyperparameter sweep is: fixed trials, a space to search, and a metric to minimise.

A branch describes its own sweep; what runs it (`contactlens.ops.sweep`) knows no more than this. Needs Python alone.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from contactlens.base.settings import Field, NonNegativeFloat, NonNegativeInt, PositiveInt, rule, settings

Value = float | int | str | bool
Values = dict[str, Any]
Row = dict[str, Any]
Metrics = dict[str, float]
Report = Callable[[Metrics], None]
TrainTrial = Callable[[Values, Any, Report, Path, int], Metrics]


class Rung(NamedTuple):
    """How many searched trials train to how many epochs."""

    epochs: int
    n_trials: int


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
    fixed_epochs: epochs of a fixed trial, at most max_epochs
    min_epochs: epochs that every searched trial gets, at most max_epochs
    reduction_factor: one in so many trials is trained on, to as many times the epochs, until max_epochs
    searcher: `optuna` (TPE; Bergstra et al., NeurIPS 2011) or `random`
    scheduler: `none`, every searched trial trains for max_epochs; `halving` (Jamieson and Talwalkar, AISTATS 2016):
        all of them train for min_epochs, the best of all, not of those that happen to be done, go on from their
        checkpoints, and so forth: as reproducible as `none`; or `asha` (Li et al., MLSys 2020), which stops trials by
        comparing those that happen to be running: no worker waits on a cluster, and *not reproducible*
    space: searched key -> range. These keys, and no others, are taken over from the best trial; every other key
        trains with its value in params.yaml
    """

    n_trials: NonNegativeInt
    max_concurrent: PositiveInt
    cpus_per_trial: PositiveInt
    gpus_per_trial: NonNegativeFloat
    max_epochs: PositiveInt
    fixed_epochs: PositiveInt
    min_epochs: PositiveInt
    reduction_factor: Annotated[int, Field(ge=2)]
    searcher: Literal["optuna", "random"]
    scheduler: Literal["none", "halving", "asha"]
    space: dict[str, Dimension]

    @rule
    def _there_is_a_space_to_search(self) -> None:
        if self.n_trials and not self.space:
            raise ValueError("space is empty, so n_trials must be 0")

    @rule
    def _no_trial_trains_longer_than_the_longest(self) -> None:
        for name in ("fixed_epochs", "min_epochs"):
            if (epochs := getattr(self, name)) > self.max_epochs:
                raise ValueError(f"{name} must be at most max_epochs, {self.max_epochs}, got {epochs}")

    @property
    def rungs(self) -> list[Rung]:
        """Of the searched trials: one rung unless they are halved."""
        rungs, epochs, n = [], self.min_epochs, self.n_trials
        while self.scheduler == "halving" and epochs < self.max_epochs and n:
            rungs.append(Rung(epochs, n))
            epochs, n = epochs * self.reduction_factor, max(1, n // self.reduction_factor)
        return [*rungs, Rung(self.max_epochs, n)]


@dataclass(frozen=True)
class Sweep:
    """The description of one sweep.

    config: its budget and its space
    defaults: the value of every key that a trial has; keys of the space that are not among them are not searched
    fixed: trials that are run whatever the search asks, each with a value for every key of `defaults`
    metric: what a trial reports after each epoch and returns at its end, minimised
    results: names of what a trial returns beside its number of epochs: columns of the table of trials
    repeat: the key of `defaults` in which repeats of one configuration differ, such as an offset of the seed; the
        metric of a configuration is the mean over them
    margin: how much lower the metric of other values must be than that of `defaults`, where both were given as many
        epochs, for them to be chosen
    """

    config: SearchConfig
    defaults: Values
    fixed: list[Values]
    metric: str
    results: tuple[str, ...]
    repeat: str | None = None
    margin: float = 0.0

    @property
    def total(self) -> int:
        """Trials, fixed and searched."""
        return len(self.fixed) + self.config.n_trials

    @property
    def trainings(self) -> int:
        """A trial that goes on to a further rung is trained once more."""
        return len(self.fixed) + sum(rung.n_trials for rung in self.config.rungs)

    @property
    def columns(self) -> list[str]:
        """Of the table of trials; `budget`: the epochs that one was given."""
        return ["trial", "kind", *self.defaults, "budget", "epochs", *self.results]

    @property
    def searched(self) -> dict[str, Dimension]:
        """The keys that are searched, and taken over from the best trial."""
        return {key: dimension for key, dimension in self.config.space.items() if key in self.defaults}

    def configuration(self, values: Mapping[str, Any]) -> Values:
        """A trial's values without what tells its repeats apart."""
        return {key: values[key] for key in self.defaults if key != self.repeat}


def fixed_trials(defaults: Values, changes: Iterable[Mapping[str, Any]]) -> list[Values]:
    """`defaults` with each of the changes, as far as it has their keys; none twice."""
    trials: list[Values] = []
    for change in changes:
        trial = {**defaults, **{key: value for key, value in change.items() if key in defaults}}
        if trial not in trials:
            trials.append(trial)
    return trials
