"""A trained model of any task beside its baselines on the test split."""

from collections.abc import Callable

from contactlens.tracks.evaluation.config import EvaluationConfig
from contactlens.tracks.evaluation.loading import evaluate_loading
from contactlens.tracks.evaluation.signal import evaluate_signal
from contactlens.tracks.evaluation.states import evaluate_states
from contactlens.tracks.evaluation.table import EvaluatedModel, TaskEvaluation
from contactlens.tracks.models.tasks import Target

TARGETS: dict[Target, Callable[[EvaluatedModel, EvaluationConfig, int], TaskEvaluation]] = {
    "signal": evaluate_signal,
    "state": evaluate_states,
}


def evaluate_task(evaluated: EvaluatedModel, config: EvaluationConfig, seed: int) -> TaskEvaluation:
    """Fit the baselines of the model's task and score all of them beside it; the same seed gives the same tables.

    Raises InputError where the tracks lack the task's target.
    """
    task = evaluated.model.task
    evaluate = evaluate_loading if task.latent else TARGETS[task.target]
    return evaluate(evaluated, config, seed)
