"""The sweep: every trial of a description run by Ray Tune, reproducible and resumable. Knows no science."""

import hashlib
import json
import logging
import math
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from contactlens.base.errors import InputError
from contactlens.base.progress import counting
from contactlens.ops.progress import progress_shown
from contactlens.ops.ray_session import gpus_per_trial, ray_session
from contactlens.ops.runs.store import StoreError
from contactlens.ops.sweep.trial import SCHEDULER_CLOCK, SweepInterruptedError, run_trial
from contactlens.training.search import Metrics, Row, Sweep, TrainTrial, Values

if TYPE_CHECKING:
    from ray.tune import ResultGrid, Tuner

    from contactlens.ops.sweep.search import BatchSearch
    from contactlens.ops.sweep.tracking import SweepRuns

MAX_FAILURES = 2


@dataclass(frozen=True)
class SweepTracking:
    """Where the sweep's MLflow runs go and what describes them."""

    experiment: str
    params: Any
    tags: Mapping[str, str]
    name: str = "sweep"


@dataclass(frozen=True)
class SweepResult:
    """trials: one row per trial, by number
    best: the searched keys of the best configuration; best_metrics: its results, the mean over its repeats
    """

    trials: pd.DataFrame
    best: Values
    best_metrics: Metrics


def sweep_key(sweep: Sweep, seed: int, identity: list[str]) -> str:
    """Names a sweep by its content; `identity` holds the hashes of data, code and all else that decides."""
    described = [asdict(sweep.config), sweep.defaults, sweep.fixed, sweep.metric, sweep.results, sweep.repeat]
    content = json.dumps([*described, seed, identity], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def run_sweep(
    train_trial: TrainTrial,
    data: Any,
    sweep: Sweep,
    seed: int,
    states: Path,
    identity: list[str],
    tracking: SweepTracking | None = None,
) -> SweepResult:
    """Run every trial and give their table and the best one's values.

    train_trial: called in a worker as `train_trial(values, data, report, folder, epochs)`. It trains until so many
        epochs are done, on a schedule that does not depend on them, calls `report` with `{"epoch": n, sweep.metric:
        ..., ...}` after each epoch, keeps a checkpoint in `folder` from which a second call goes on, and returns its
        final metrics: `epochs`, `sweep.metric` and what `sweep.results` names; a result that it lacks is NaN in the
        table.
    data: sent to the workers once, through Ray's object store
    states: folder in which an unfinished sweep is kept, in a folder named by `sweep_key`. Running an unfinished
        sweep again goes on: ended trials answer from their folder, others from their checkpoint. It is removed at
        the end.

    Two runs on the same seed give the same table although trials run at once (not with the scheduler `asha`).
    Raises SweepError where a trial failed MAX_FAILURES + 1 times, SweepInterruptedError on Ctrl-C or SIGTERM,
    InputError where a trial fits on no node or the cluster can't be used.
    """
    state = Path(states).absolute() / sweep_key(sweep, seed, identity)
    state.mkdir(parents=True, exist_ok=True)
    with ray_session(sweep.config, state):
        from contactlens.ops.sweep.search import BatchSearch
        from contactlens.ops.sweep.tracking import SweepRuns

        runs = None
        if tracking is not None:
            runs = SweepRuns.open(
                tracking.experiment, tracking.name, tracking.params, tracking.tags, sweep.metric, state
            )
        search = BatchSearch(sweep, seed)
        try:
            result = _table(_fit(train_trial, data, search, state, runs), search)
        except StoreError:
            raise  # the runs can't be closed either; the next run of the sweep takes them up
        except BaseException as error:
            if runs is not None:
                runs.end("KILLED" if isinstance(error, SweepInterruptedError) else "FAILED")
            raise
    if runs is not None:
        runs.end("FINISHED", result.best_metrics, result.trials.to_csv(index=False))
    shutil.rmtree(state)
    return result


def _fit(
    train_trial: TrainTrial, data: Any, search: "BatchSearch", state: Path, runs: "SweepRuns | None"
) -> "ResultGrid":
    """All trials through Ray Tune; anything but a full set of results is an error."""
    from contactlens.ops.sweep.tracking import SweepCallback

    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)  # SweepError says it once, without the stacks
    with progress_shown("sweep"), counting("trainings", search.sweep.trainings) as count:
        callback = SweepCallback(runs, search.sweep.metric, state, count)
        try:
            grid = _tuner(train_trial, data, search, state, callback).fit()
        except KeyboardInterrupt:  # the second one: Ray ends in good order on the first
            grid = None
        except Exception as error:  # Ray hides what its callback raised behind its own error
            raise callback.failure or error from None
    trainings = search.sweep.trainings
    if grid is None or callback.ended < trainings:
        raise SweepInterruptedError(
            f"the sweep was stopped after {callback.ended} of {trainings} trainings; run it again to go on"
        )
    return grid


def _tuner(train_trial: TrainTrial, data: Any, search: "BatchSearch", state: Path, callback: Any) -> "Tuner":
    import ray
    from ray import tune
    from ray.tune.schedulers import ASHAScheduler, FIFOScheduler

    config, metric = search.config, search.sweep.metric
    gpus = gpus_per_trial(config, ray.cluster_resources())
    trainable = tune.with_parameters(run_trial, train_trial=train_trial, data=data, state=state, metric=metric)
    asha = ASHAScheduler(
        time_attr=SCHEDULER_CLOCK,
        metric=metric,
        mode="min",
        max_t=config.max_epochs + 1,  # the end comes from the training itself
        grace_period=config.min_epochs,
        reduction_factor=config.reduction_factor,
    )
    storage = state / "ray"
    shutil.rmtree(storage, ignore_errors=True)
    return tune.Tuner(
        tune.with_resources(trainable, {"cpu": config.cpus_per_trial, "gpu": gpus}),
        tune_config=tune.TuneConfig(
            search_alg=search,
            scheduler=asha if config.scheduler == "asha" else FIFOScheduler(),
            num_samples=search.sweep.trainings,
            max_concurrent_trials=config.max_concurrent,
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(
            name="sweep",
            storage_path=str(storage),
            failure_config=tune.FailureConfig(max_failures=MAX_FAILURES),
            callbacks=[callback],
            verbose=0,
        ),
    )


def _table(grid: "ResultGrid", search: "BatchSearch") -> SweepResult:
    """Rows by trial number: number, kind, swept keys, epochs that it was given, results. No times and no ids."""
    rows: dict[int, Row] = {}
    results = search.sweep.results
    ended = [grid[i].metrics or {} for i in range(len(grid))]
    for result in sorted(ended, key=lambda metrics: metrics["config"]["epochs"]):  # the furthest rung last
        asked, reported = result["config"], result["reported"]
        measured = {name: reported.get(name, math.nan) for name in results}
        row = {"trial": asked["trial"], "kind": asked["kind"], **search.trials[asked["trial"]]}
        rows[asked["trial"]] = row | {"budget": asked["epochs"], "epochs": int(result["epochs"]), **measured}
    table = [rows[number] for number in sorted(rows)]
    repeats = choose(table, search.sweep)
    best = {key: repeats[0][key] for key in search.sweep.searched}
    metrics = {name: sum(float(row[name]) for row in repeats) / len(repeats) for name in ("epochs", *results)}
    return SweepResult(pd.DataFrame(table), best, metrics)


def choose(rows: list[Row], sweep: Sweep) -> list[Row]:
    """The repeats of the best configuration: of those that were given the most epochs, the lowest mean metric, or the
    defaults where that is not lower than theirs by more than the sweep's margin.

    A configuration with a repeat that diverged is not chosen. Raises InputError where no other is left.
    """
    configurations: dict[str, list[Row]] = {}
    for row in rows:
        configurations.setdefault(repr([row["budget"], sweep.configuration(row)]), []).append(row)
    means = [(sum(row[sweep.metric] for row in repeats) / len(repeats), repeats) for repeats in configurations.values()]
    finite = [(mean, repeats) for mean, repeats in means if math.isfinite(mean)]
    if not finite:
        raise InputError(f"sweep: no trial reached a finite {sweep.metric}")
    most = max(repeats[0]["budget"] for _, repeats in finite)
    furthest = [one for one in finite if one[1][0]["budget"] == most]
    lowest, best = min(furthest, key=lambda one: one[0])
    usual = sweep.configuration(sweep.defaults)
    for mean, repeats in furthest:
        if sweep.configuration(repeats[0]) == usual and mean <= lowest + sweep.margin:
            return repeats
    return best
