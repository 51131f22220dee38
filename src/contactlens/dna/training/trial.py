"""One trial of the DNA branch's sweep: a fine-tuning with the values that the sweep chose, and what it reports."""

from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from contactlens.base.torch_setup import seed_everything
from contactlens.calibration.classification import ece_score
from contactlens.dna.data.batch import Windows
from contactlens.dna.data.names import Task
from contactlens.dna.models.caduceus.strands import StrandBackbone
from contactlens.dna.models.classifier import WindowClassifier
from contactlens.dna.training.fit import cache_frozen_states, fine_tune
from contactlens.dna.training.sweep import ECE, RESULTS, ClassifierTraining, with_values
from contactlens.training.search import Metrics, Report, Values


@dataclass(frozen=True)
class TrialData:
    """What every trial of a sweep shares: the training that its values change, the backbone, the splits, and the seed.

    calibration_bins: of the expected calibration error
    frozen: folder of what the frozen blocks give, one for all trials, which all nodes see
    """

    training: ClassifierTraining
    task: Task
    backbone: StrandBackbone
    train: Windows
    validation: Windows
    seed: int
    calibration_bins: int
    frozen: Path

    def classifier(self, training: ClassifierTraining) -> WindowClassifier:
        """An untrained one, as the stage that fine-tunes draws it."""
        seed_everything(self.seed, training.fine_tune.trainer.threads)
        return WindowClassifier(deepcopy(self.backbone), self.task, training.head, training.context_bp)


def cache_before(data: TrialData) -> None:
    """Run the frozen blocks once for all trials that freeze as many as params.yaml does; a trial that freezes others
    runs them itself."""
    model = data.classifier(data.training)
    cache_frozen_states(model, data.train, data.validation, data.training.fine_tune, data.frozen)


def train_trial(values: Values, data: TrialData, report: Report, folder: Path, epochs: int) -> Metrics:
    """Fine-tune with a trial's values until so many epochs are done, on from the checkpoint in `folder`; the best
    epoch's scores on validation."""
    training = with_values(data.training, values)
    done = fine_tune(
        data.classifier(training),
        data.train,
        data.validation,
        training.fine_tune,
        data.seed,
        folder,
        report,
        frozen=data.frozen,
        until=epochs,
    )
    best = done.training.best_epoch
    scores = {name: value for name, value in done.training.history[best].items() if name in RESULTS}
    ece = calibration_error(data.validation, done.validation_logits[best], data.calibration_bins)
    return {"epochs": len(done.training.history), **scores, ECE: ece}


def calibration_error(windows: Windows, logit: np.ndarray, bins: int) -> float:
    """ECE of the probabilities as they are, before any recalibration."""
    label, probability = windows.label.double().numpy(), 1 / (1 + np.exp(-logit))
    return float(ece_score(label, probability, bins)(np.ones((1, len(label))))[0])


def drawn(window_ids: list[str], n: int | None, seed: int) -> list[str]:
    """At most so many of the windows, in their order; all where None."""
    if n is None or n >= len(window_ids):
        return window_ids
    rows = np.random.default_rng(seed).choice(len(window_ids), n, replace=False)
    return [window_ids[row] for row in sorted(rows.tolist())]
