"""Which baselines a model must beat: those that see no more than its task lets it see."""

from collections.abc import Iterable
from typing import Literal

from contactlens.tracks.evaluation.evaluate import RECALIBRATED
from contactlens.tracks.models.tasks import Task

READS: dict[str, Literal["driver", "signal"]] = {
    "contact_filter": "driver",
    "boosted_trees": "driver",
    "contact_logistic": "driver",
    "ms2_threshold": "signal",
    "compound_hmm": "signal",
}


def fair_rivals(task: Task, names: Iterable[str]) -> tuple[str, ...]:
    """Those of `names` (baselines, also as `<baseline>_recalibrated`) that read nothing hidden from the task."""
    return readers(names, driver=task.driver_input, signal=task.sees_signal)


def readers(names: Iterable[str], driver: bool, signal: bool) -> tuple[str, ...]:
    """Those of `names` that need no more than what is seen, and all that are no known baseline."""
    seen = {"driver": driver, "signal": signal}
    return tuple(name for name in names if seen.get(READS.get(name.removesuffix(RECALIBRATED), ""), True))
