"""Which trial comes next: decided by the seed and earlier results alone, never by which ended first."""

import math
from typing import Any, NamedTuple

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from ray.tune.search import Searcher

from contactlens.ops.sweep.trial import SweepError
from contactlens.training.search import Dimension, Sweep, Values


def distribution(dimension: Dimension) -> BaseDistribution:
    """Optuna's counterpart of a dimension."""
    if dimension.choice is not None:
        return CategoricalDistribution(dimension.choice)
    if dimension.randint is not None:
        return IntDistribution(*dimension.randint)
    if dimension.loguniform is not None:
        return FloatDistribution(*dimension.loguniform, log=True)
    assert dimension.uniform is not None
    return FloatDistribution(*dimension.uniform)


class Leg(NamedTuple):
    """What Ray Tune runs as one of its trials: a trial's training until so many epochs are done."""

    trial: int
    epochs: int


class BatchSearch(Searcher):
    """Fixed trials first, then batches from a seeded Optuna sampler, then the rungs of successive halving.

    Ray's own OptunaSearch learns of results as they come, so its suggestions depend on timing. Here a batch, and a
    rung, is asked as a whole once every earlier training has ended, and results are told in order of trial number.
    Optuna learns from what its trials reach on the first rung. It is told of the fixed trials after as many epochs
    too, as far as only searched keys set them apart from the defaults; its own first trial has the defaults, unless a
    fixed one of the longest training does.

    A configuration that Ray sees is `{"trial": number, "kind": "fixed" or "search", "values": {key: value}, "epochs":
    number}`.
    """

    def __init__(self, sweep: Sweep, seed: int) -> None:
        super().__init__(metric=sweep.metric, mode="min")
        self.sweep, self.config, self.seed = sweep, sweep.config, seed
        self.trials = list(sweep.fixed)
        self.legs = [Leg(number, self.config.fixed_epochs) for number in range(len(self.trials))]
        self.started: dict[str, Leg] = {}
        self.early: dict[int, float] = {}  # the lowest metric of a trial within the epochs of the first rung
        self.ended: dict[Leg, float] = {}
        self._rungs = self.config.rungs
        self._asked: list[optuna.trial.Trial] = []
        self._space = {key: distribution(dimension) for key, dimension in sweep.searched.items()}
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._optuna = optuna.create_study(sampler=self._sampler())

    def _sampler(self) -> optuna.samplers.BaseSampler:
        """TPE starts to learn after a quarter of the trials; its usual ten random ones are most of a small search."""
        if self.config.searcher == "random":
            return optuna.samplers.RandomSampler(seed=self.seed)
        return optuna.samplers.TPESampler(seed=self.seed, n_startup_trials=min(10, max(2, self.config.n_trials // 4)))

    @property
    def n_fixed(self) -> int:
        return len(self.sweep.fixed)

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        """The next training, or None until the running ones have told enough."""
        number = len(self.started)
        if number == len(self.legs):
            if len(self.ended) < number:
                return None
            self.legs += self._next_legs()
        if number == len(self.legs):
            return None
        leg = self.started[trial_id] = self.legs[number]
        kind = "fixed" if leg.trial < self.n_fixed else "search"
        return {"trial": leg.trial, "kind": kind, "values": self.trials[leg.trial], "epochs": leg.epochs}

    def _next_legs(self) -> list[Leg]:
        """The next batch of the first rung, or the best of a rung on the next one."""
        if len(self._asked) < self.config.n_trials:
            self._tell()
            return self._ask()
        below = self.legs[-1].epochs
        rung = next((rung for rung in self._rungs if rung.epochs > below), None)
        if rung is None or not self._asked:
            return []
        reached = sorted(
            (loss, leg.trial) for leg, loss in self.ended.items() if leg.epochs == below and leg.trial >= self.n_fixed
        )
        return [Leg(trial, rung.epochs) for trial in sorted(trial for _, trial in reached[: rung.n_trials])]

    def _ask(self) -> list[Leg]:
        if not self._asked and self._defaults_are_untried:
            self._optuna.enqueue_trial({key: self.sweep.defaults[key] for key in self._space})
        size = min(self.config.max_concurrent, self.config.n_trials - len(self._asked))
        asked = [self._optuna.ask(self._space) for _ in range(size)]
        first = len(self.trials)
        self._asked += asked
        self.trials += [{**self.sweep.defaults, **trial.params} for trial in asked]
        return [Leg(number, self._rungs[0].epochs) for number in range(first, len(self.trials))]

    @property
    def _defaults_are_untried(self) -> bool:
        tried = self.config.fixed_epochs == self.config.max_epochs and self.sweep.defaults in self.sweep.fixed
        return not tried and self._inside(self.sweep.defaults)

    def _inside(self, values: Values) -> bool:
        return all(dimension.contains(values[key]) for key, dimension in self.sweep.searched.items())

    def _tell(self) -> None:
        """Hand the results of all trials since the last batch to Optuna, in order of trial number."""
        if not self._asked:
            self._tell_fixed()
        for number, trial in enumerate(self._asked, start=self.n_fixed):
            loss = self.early.get(number, math.inf)
            failed = None if math.isfinite(loss) else optuna.trial.TrialState.FAIL
            self._optuna.tell(trial, None if failed else loss, state=failed, skip_if_finished=True)

    def _tell_fixed(self) -> None:
        """A configuration once, with the mean of its repeats."""
        losses: dict[tuple[Any, ...], list[float]] = {}
        for number, values in enumerate(self.sweep.fixed):
            if self._is_told(values):
                point = tuple(values[key] for key in self._space)
                losses.setdefault(point, []).append(self.early.get(number, math.inf))
        for point, repeats in losses.items():
            if math.isfinite(loss := sum(repeats) / len(repeats)):
                params = dict(zip(self._space, point, strict=True))
                self._optuna.add_trial(optuna.trial.create_trial(params=params, distributions=self._space, value=loss))

    def _is_told(self, values: Values) -> bool:
        """Whether a fixed trial is a point of the space, trained as far as the first rung, and is not asked again."""
        changed = {key for key in self.sweep.defaults if values[key] != self.sweep.defaults[key]} - {self.sweep.repeat}
        again = not changed and self._defaults_are_untried
        trained = self.config.fixed_epochs >= self._rungs[0].epochs
        return trained and changed <= set(self._space) and self._inside(values) and not again

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        number, loss = self.started[trial_id].trial, float(result[self.sweep.metric])
        if result["epochs"] <= self._rungs[0].epochs and loss < self.early.get(number, math.inf):
            self.early[number] = loss

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """A diverged training teaches the search nothing, and is the last to go on."""
        leg, loss = self.started[trial_id], math.inf
        if result and self.sweep.metric in result and not error:
            self.on_trial_result(trial_id, result)
            loss = float(result[self.sweep.metric])
        self.ended[leg] = loss if math.isfinite(loss) else math.inf

    def save(self, checkpoint_path: str) -> None:
        """Nothing: a resumed sweep asks the same again and finds the answers in its trials' folders."""

    def restore(self, checkpoint_path: str) -> None:
        raise SweepError("a sweep is resumed by running it again")
