"""Which trial comes next: decided by the seed and earlier results alone, never by which ended first."""

from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from ray.tune.search import Searcher

from contactlens.ops.sweep.trial import SweepError
from contactlens.training.search import Dimension, Sweep


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


class BatchSearch(Searcher):
    """Fixed trials first, then batches from a seeded Optuna sampler.

    Ray's own OptunaSearch learns of results as they come, so its suggestions depend on timing. Here a batch
    is asked as a whole once every earlier trial has ended, and results are told in order of trial number. The
    fixed trials that lie inside the space are told too: the search starts from what they showed.

    A configuration that Ray sees is `{"trial": number, "kind": "fixed" or "search", "values": {key: value}}`.
    """

    def __init__(self, sweep: Sweep, seed: int) -> None:
        super().__init__(metric=sweep.metric, mode="min")
        self.sweep, self.config, self.seed = sweep, sweep.config, seed
        self.trials = list(sweep.fixed)
        self.numbers: dict[str, int] = {}
        self.objectives: dict[int, float | None] = {}
        self._asked: list[optuna.trial.Trial] = []
        self._searched = {key: dimension for key, dimension in self.config.space.items() if key in sweep.defaults}
        self._space = {key: distribution(dimension) for key, dimension in self._searched.items()}
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        sampler = optuna.samplers.TPESampler if self.config.searcher == "optuna" else optuna.samplers.RandomSampler
        self._optuna = optuna.create_study(sampler=sampler(seed=seed))

    @property
    def n_fixed(self) -> int:
        return len(self.sweep.fixed)

    @property
    def total(self) -> int:
        return self.sweep.total

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        """The next trial, or None until the running ones have told enough."""
        number = len(self.numbers)
        if number == len(self.trials):
            if number == self.total or len(self.objectives) < number:
                return None
            self._tell()
            self._ask()
        self.numbers[trial_id] = number
        kind = "fixed" if number < self.n_fixed else "search"
        return {"trial": number, "kind": kind, "values": self.trials[number]}

    def _ask(self) -> None:
        size = min(self.config.max_concurrent, self.total - len(self.trials))
        asked = [self._optuna.ask(self._space) for _ in range(size)]
        self._asked += asked
        self.trials += [{**self.sweep.defaults, **trial.params} for trial in asked]

    def _tell(self) -> None:
        """Hand the results of all trials since the last batch to Optuna, in order of trial number."""
        if not self._asked:
            for number in range(self.n_fixed):
                self._tell_fixed(self.trials[number], self.objectives[number])
        for number, trial in enumerate(self._asked, start=self.n_fixed):
            objective = self.objectives[number]
            state = optuna.trial.TrialState.FAIL if objective is None else None
            self._optuna.tell(trial, objective, state=state, skip_if_finished=True)

    def _tell_fixed(self, values: dict[str, Any], objective: float | None) -> None:
        inside = all(dimension.contains(values[key]) for key, dimension in self._searched.items())
        if objective is not None and inside:
            params = {key: values[key] for key in self._space}
            self._optuna.add_trial(optuna.trial.create_trial(params=params, distributions=self._space, value=objective))

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        metric = self.sweep.metric
        objective = float(result[metric]) if result and metric in result and not error else float("nan")
        finite = abs(objective) < float("inf")  # False for NaN too: a diverged training teaches the search nothing
        self.objectives[self.numbers[trial_id]] = objective if finite else None

    def save(self, checkpoint_path: str) -> None:
        """Nothing: a resumed sweep asks the same again and finds the answers in its trials' folders."""

    def restore(self, checkpoint_path: str) -> None:
        raise SweepError("a sweep is resumed by running it again")
