"""A sweep on one node with 2 CPUs against two nodes with 1 CPU each, and what Ray and MLflow add to a trial.

    python benchmarks/cluster_sweep.py [--trials 16] [--steps 12000]

Two trials run at once in each way, on the same two cores, and each way runs in a process of its own, which reports the
wall time of one call, imports excluded:
- plain: as many trainings of as many steps, in a pool of two Python processes, the start of these two included
- one node, two nodes: `run_sweep` on a Ray cluster that is up already, with MLflow in a new SQLite file; joining the
  cluster, its workers' start, the search, epochs and results in MLflow and on disk are all included
The overhead per trial is (sweep - plain) / trials. A training is gradient descent on one thread, `--steps` steps in ten
epochs; its seconds are measured inside it.
"""

import argparse
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from ray_nodes import RayNodes

EPOCHS, AT_ONCE = 10, 2
DEFAULTS = {"penalty": 0.0, "learning_rate": 0.1}
PENALTIES = (0.0, 0.01, 0.1, 1.0)
Metrics = dict[str, float]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=16)
    parser.add_argument("--steps", type=int, default=12000)
    parser.add_argument(
        "--way", choices=["plain", "sweep"], help="measure one way, print JSON (used for the processes)"
    )
    return parser.parse_args()


def train(values: dict[str, Any], steps: int, report: Callable[[Metrics], None], folder: Path, epochs: int) -> Metrics:
    """Ridge regression of 256 coefficients; `seconds` is what it took."""
    start = time.perf_counter()
    rng = np.random.default_rng(0)
    X = rng.normal(size=(512, 256))
    y, w = X @ rng.normal(size=256), np.zeros(256)
    for step in range(steps):
        residual = X @ w - y
        w -= values["learning_rate"] * (X.T @ residual / len(X) + values["penalty"] * w)
        if (step + 1) % (steps // EPOCHS) == 0:
            error = float(residual @ residual / len(X))
            report({"epoch": (step + 1) // (steps // EPOCHS) - 1, "error": error})
    return {"epochs": EPOCHS, "error": error, "seconds": time.perf_counter() - start}


def plain(job: tuple[dict[str, Any], int]) -> float:
    return train(*job, lambda _: None, Path(), EPOCHS)["seconds"]


def measure_plain(trials: int, steps: int) -> Metrics:
    rng = np.random.default_rng(0)
    jobs = [({**DEFAULTS, "learning_rate": float(rng.uniform(0.01, 0.1))}, steps) for _ in range(trials)]
    start = time.perf_counter()
    with get_context("spawn").Pool(AT_ONCE) as pool:
        seconds = pool.map(plain, jobs, chunksize=1)
    return {"wall": time.perf_counter() - start, "training": sum(seconds)}


def measure_sweep(trials: int, steps: int) -> Metrics:
    from contactlens.ops.runs.tracking import mlflow_client
    from contactlens.ops.sweep.run import SweepTracking, run_sweep
    from contactlens.training.search import Dimension, SearchConfig, Sweep, fixed_trials

    space = {"learning_rate": Dimension(uniform=(0.01, 0.1))}
    fixed = fixed_trials(DEFAULTS, [{"penalty": penalty} for penalty in PENALTIES])
    n_trials = trials - len(fixed)
    config = SearchConfig(n_trials, AT_ONCE, 1, 0.0, EPOCHS, EPOCHS, EPOCHS, 2, "optuna", "none", space)
    sweep = Sweep(config, DEFAULTS, fixed, "error", ("error", "seconds"))
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
        mlflow_client()  # imports MLflow
        importlib.import_module("ray.tune")
        tracking = SweepTracking("benchmark", {"steps": steps}, {})
        start = time.perf_counter()
        result = run_sweep(train, steps, sweep, 0, Path(folder) / "states", [], tracking)
        wall = time.perf_counter() - start
    assert len(result.trials) == trials
    return {"wall": wall, "training": float(result.trials["seconds"].sum())}


def in_process(way: str, options: argparse.Namespace, environment: dict[str, str]) -> Metrics:
    command = [sys.executable, __file__, "--way", way, "--trials", str(options.trials), "--steps", str(options.steps)]
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def on_nodes(cpus_of_head: int, options: argparse.Namespace) -> Metrics:
    nodes = RayNodes(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    try:
        started = [nodes.head(cpus_of_head)]
        while not started[-1].started():
            time.sleep(0.2)
        if cpus_of_head < AT_ONCE:
            started.append(nodes.second())
        while not started[-1].started():
            time.sleep(0.2)
        return in_process("sweep", options, nodes.environment)
    finally:
        nodes.close()


def main() -> None:
    options = arguments()
    if options.way:
        measure = measure_plain if options.way == "plain" else measure_sweep
        print(json.dumps(measure(options.trials, options.steps)))
        return
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    results = {
        "plain": in_process("plain", options, one_thread),
        "one node": on_nodes(2, options),
        "two nodes": on_nodes(1, options),
    }
    print(f"{options.trials} trials, {AT_ONCE} at once; load of the machine {os.getloadavg()[0]:.1f}")
    plain_wall = results["plain"]["wall"]
    for name, result in results.items():
        training, more = (seconds / options.trials for seconds in (result["training"], result["wall"] - plain_wall))
        print(f"{name:9s} wall {result['wall']:6.1f} s; per trial: training {training:5.2f} s, overhead {more:5.2f} s")
    print(f"two nodes take {results['two nodes']['wall'] / results['one node']['wall']:.2f}x the time of one")


if __name__ == "__main__":
    main()
