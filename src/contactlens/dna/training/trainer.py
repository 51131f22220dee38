"""How both trainings of the DNA branch run in the loop of both branches. Needs torch and numpy alone."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from contactlens.dna.training.config import RunConfig, TrainerConfig
from contactlens.training.loop import Trainer
from contactlens.training.state import source_digest
from contactlens.training.trainable import Trainable
from contactlens.training.workers import ALONE, Workers

BETAS = (0.9, 0.95)  # as is usual for language models; motifs are learned in half the steps that 0.999 takes
# The code that decides what training gives, beside the loop's and a library's.
CODE = ("training/*.py", "models/**/*.py")


def code_digest() -> str:
    """Of the training's own source."""
    return source_digest(Path(__file__).parents[1], CODE)


def adamw(model: nn.Module, config: TrainerConfig) -> torch.optim.AdamW:
    """For what `model` trains. Weight decay acts on matrices; rates, norms and biases of a Mamba are kept."""
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    decays = {name: p.ndim > 1 and not name.endswith("A_log") for name, p in trained.items()}
    groups = [
        {"params": [p for name, p in trained.items() if decays[name]], "weight_decay": config.weight_decay},
        {"params": [p for name, p in trained.items() if not decays[name]], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=BETAS)


def trainer_of(
    trained: Trainable, config: RunConfig, seed: int, described: Any = None, workers: Workers = ALONE
) -> Trainer:
    """The loop for `trained`; described, workers: see `Trainer`, the code of this branch comes with the first."""
    own, trainer = [code_digest(), described], config.trainer
    return Trainer(
        trained,
        trainer,
        seed,
        own,
        trainer.accumulate,
        trainer.warmup_share,
        summed_in=torch.float64,
        workers=workers,
        checkpoint_steps=config.checkpoint_steps,
    )
