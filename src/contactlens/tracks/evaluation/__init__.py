"""A trained model of any task beside its baselines on the test split."""

from collections.abc import Callable

from contactlens.tracks.evaluation.latent import evaluate_latent
from contactlens.tracks.evaluation.result import EvaluationConfig, Subject, TaskEvaluation
from contactlens.tracks.evaluation.rivals import fair_rivals
from contactlens.tracks.evaluation.signal import evaluate_signal
from contactlens.tracks.evaluation.state import evaluate_state
from contactlens.tracks.models.tasks import Target

__all__ = ["EvaluationConfig", "Subject", "TaskEvaluation", "evaluate_task", "fair_rivals"]

TARGETS: dict[Target, Callable[[Subject, EvaluationConfig, int], TaskEvaluation]] = {
    "signal": evaluate_signal,
    "state": evaluate_state,
}


def evaluate_task(subject: Subject, config: EvaluationConfig, seed: int) -> TaskEvaluation:
    """Fit the baselines of the subject's task and score all of them with it; the same seed gives the same tables.

    Raises InputError where the tracks lack the task's target.
    """
    task = subject.model.task
    evaluate = evaluate_latent if task.latent else TARGETS[task.target]
    return evaluate(subject, config, seed)
