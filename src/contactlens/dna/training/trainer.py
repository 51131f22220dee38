"""How both trainings of the DNA branch run in the loop of both branches. Needs torch and numpy alone."""

from collections import defaultdict
from collections.abc import Callable
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


def adamw(
    model: nn.Module, config: TrainerConfig, rate: Callable[[str], float] = lambda name: 1.0
) -> torch.optim.AdamW:
    """For what `model` trains. Weight decay acts on matrices; rates, norms and biases of a Mamba are kept.

    rate: of a parameter's name, its learning rate as a share of the configured one
    """
    groups: dict[tuple[float, float], list[nn.Parameter]] = defaultdict(list)
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            decays = parameter.ndim > 1 and not name.endswith("A_log")
            groups[rate(name) * config.learning_rate, config.weight_decay * decays].append(parameter)
    given = [{"params": found, "lr": lr, "weight_decay": decay} for (lr, decay), found in groups.items()]
    return torch.optim.AdamW(given, lr=config.learning_rate, betas=BETAS)


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
