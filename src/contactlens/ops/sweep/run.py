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
    """trials: one row per trial, by number; best, best_metrics: swept keys and results of the best trial."""

    trials: pd.DataFrame
    best: Values
    best_metrics: Metrics


def sweep_key(sweep: Sweep, seed: int, identity: list[str]) -> str:
    """Names a sweep by its content; `identity` holds the hashes of data, code and all else that decides."""
    described = [asdict(sweep.config), sweep.defaults, sweep.fixed, sweep.metric, sweep.results]
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

    train_trial: called in a worker as `train_trial(values, data, report, folder)`. It calls `report` with
        `{"epoch": n, sweep.metric: ..., ...}` after each epoch, keeps a checkpoint in `folder` from which a second
        call goes on, and returns its final metrics: `epochs`, `sweep.metric` and what `sweep.results` names; a
        result that it lacks is NaN in the table.
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
    with progress_shown("sweep"), counting("trials", search.total) as count:
        callback = SweepCallback(runs, search.sweep.metric, state, count)
        try:
            grid = _tuner(train_trial, data, search, state, callback).fit()
        except KeyboardInterrupt:  # the second one: Ray ends in good order on the first
            grid = None
        except Exception as error:  # Ray hides what its callback raised behind its own error
            raise callback.failure or error from None
    if grid is None or callback.ended < search.total:
        raise SweepInterruptedError(
            f"the sweep was stopped after {callback.ended} of {search.total} trials; run it again to go on"
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
        grace_period=max(1, config.max_epochs // 4),
    )
    storage = state / "ray"
    shutil.rmtree(storage, ignore_errors=True)
    return tune.Tuner(
        tune.with_resources(trainable, {"cpu": config.cpus_per_trial, "gpu": gpus}),
        tune_config=tune.TuneConfig(
            search_alg=search,
            scheduler=asha if config.scheduler == "asha" else FIFOScheduler(),
            num_samples=search.total,
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
    """Rows by trial number: number, kind, swept keys, results. No times and no ids."""
    rows, results = [], search.sweep.results
    for result in (grid[i] for i in range(len(grid))):
        assert result.metrics is not None
        asked, reported = result.metrics["config"], result.metrics["reported"]
        measured = {name: reported.get(name, math.nan) for name in results}
        row = {"trial": asked["trial"], "kind": asked["kind"], **search.trials[asked["trial"]]}
        row |= {"epochs": int(result.metrics["epochs"]), **measured}
        rows.append(row)
    rows.sort(key=lambda row: row["trial"])
    best = choose(rows, search.sweep)
    metrics = {name: float(best[name]) for name in ("epochs", *results)}
    return SweepResult(pd.DataFrame(rows), search.trials[best["trial"]], metrics)


def choose(rows: list[Row], sweep: Sweep) -> Row:
    """The sweep's own choice among the trials whose metric is finite. Raises InputError where there is none."""
    finite = [row for row in rows if math.isfinite(row[sweep.metric])]
    if not finite:
        raise InputError(f"sweep: no trial reached a finite {sweep.metric}")
    return sweep.choose(finite)
