"""One trial of the sweep of pre-training: a pre-training with the values that the sweep chose, and what it reports."""

from dataclasses import dataclass
from pathlib import Path

from contactlens.base.torch_setup import seed_everything
from contactlens.dna.models.backbone import NetworkConfig
from contactlens.dna.training.config import PretrainConfig
from contactlens.dna.training.pretrain import pretrain
from contactlens.dna.training.pretraining_sweep import RESULTS, SWEPT
from contactlens.training.search import Metrics, Report, Values
from contactlens.training.swept import with_values_at


@dataclass(frozen=True)
class PretrainingTrialData:
    """What every trial shares: the settings that its values change, the network, the sequences and the seed."""

    pretrain: PretrainConfig
    network: NetworkConfig
    train: list[str]
    validation: list[str]
    seed: int


def pretrain_trial(values: Values, data: PretrainingTrialData, report: Report, folder: Path, epochs: int) -> Metrics:
    """Pre-train with a trial's values until so many epochs are done, on from the checkpoint in `folder`; the best
    epoch's scores."""
    config = with_values_at(data.pretrain, SWEPT, values)
    seed_everything(data.seed, config.trainer.threads)
    done = pretrain(
        data.train, data.validation, data.network, config, data.seed, folder, report, scored=data.pretrain, until=epochs
    ).training
    best = done.history[done.best_epoch]
    return {"epochs": len(done.history), **{name: best[name] for name in RESULTS}}
