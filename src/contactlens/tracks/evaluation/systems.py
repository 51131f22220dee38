"""One system after another on one common set of tracks: trained without a sweep, evaluated, and put into one table."""

import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pandas as pd

from contactlens.reporting.figure_style import plain
from contactlens.reporting.metric_names import metric_name
from contactlens.tracks.data.track_set import TrackSet
from contactlens.tracks.evaluation.baselines import RECALIBRATED
from contactlens.tracks.evaluation.config import EvaluationConfig
from contactlens.tracks.evaluation.evaluate import evaluate_task
from contactlens.tracks.evaluation.from_scratch import train_for_evaluation
from contactlens.tracks.evaluation.table import NETWORK
from contactlens.tracks.models.tasks import Task, task_named
from contactlens.tracks.training.config import SeedsConfig, TrainingConfig

SHOWN = {
    "signal": ("nll", "crps", "r2"),
    "state": ("balanced_accuracy", "auroc", "f1"),
    "latent": ("nll", "f1_within_30s"),
}


@dataclass(frozen=True)
class System:
    """command: what runs the same pipeline alone."""

    command: str
    training: TrainingConfig
    train: SeedsConfig
    evaluation: EvaluationConfig

    @property
    def task(self) -> Task:
        return task_named(self.training.task)


def run_system(system: System, tracks: TrackSet, splits: Mapping[str, list[str]], seed: int) -> pd.DataFrame:
    """Train, and evaluate on the test split the best seed on validation and, of several, the ensemble.

    Columns: command, task, model, gate_midpoint (in the driver's unit), row (the network or a baseline), metric,
    estimate, low, high. The same seed gives the same table.
    """
    with tempfile.TemporaryDirectory() as states:
        evaluated = train_for_evaluation(system.training, system.train, tracks, splits, seed, states).evaluated
    metrics = evaluate_task(evaluated, system.evaluation, seed).metrics.rename(columns={"model": "row"})
    described = {
        "command": system.command,
        "task": system.training.task,
        "model": system.training.model.name,
        "gate_midpoint": evaluated.model.gate_midpoint,
    }
    return pd.concat([pd.DataFrame(described, index=metrics.index), metrics], axis=1)


def markdown_table(systems: Iterable[System], table: pd.DataFrame) -> str:
    """One line a system: its command, its test figures with intervals, and each baseline's first figure."""
    lines = ["| command | network | baselines and controls |", "|---|---|---|"]
    for system in systems:
        own = table[table["command"] == system.command].set_index(["row", "metric"])
        shown = SHOWN["latent" if system.task.latent else system.task.target]
        network = "; ".join(
            f"{metric_name(metric)} {_cell(own, NETWORK, metric)}" for metric in shown if (NETWORK, metric) in own.index
        )
        rows = [row for row in own.index.get_level_values("row").unique() if not row.startswith(NETWORK)]
        compared = [row for row in rows if not row.endswith(RECALIBRATED)]
        first = {row: next((metric for metric in shown if (row, metric) in own.index), None) for row in compared}
        baselines = "; ".join(
            f"{plain(row)} {metric_name(metric)} {_cell(own, row, metric)}" for row, metric in first.items() if metric
        )
        lines.append(f"| `{system.command}` | {network} | {baselines} |")
    return "\n".join(lines) + "\n"


def _cell(own: pd.DataFrame, row: str, metric: str) -> str:
    estimate, low, high = own.loc[(row, metric), ["estimate", "low", "high"]]
    return f"{estimate:.3f} [{low:.3f}, {high:.3f}]"
