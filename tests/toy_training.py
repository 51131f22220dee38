"""A training small enough to be followed by hand, in one process or in several."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from contactlens.training.config import LoopConfig
from contactlens.training.loop import Trainer
from contactlens.training.trainable import EpochLog, Validation
from contactlens.training.workers import ALONE, Workers

CONFIG = LoopConfig(
    learning_rate=0.1,
    weight_decay=0.01,
    batch_size=4,
    max_epochs=4,
    patience=4,
    gradient_clip=10.0,
    amp=False,
    device="cpu",
    threads=1,
)
N = 20
STEPS, EPOCHS, EVERY = 5, CONFIG.max_epochs, 2  # steps of an epoch; epochs; steps between two states of `train`
Loss = Callable[[Tensor, torch.Generator], Tensor]


@dataclass
class Toy:
    """A `Trainable` of a loss and of scores."""

    model: nn.Module
    n_rows: int
    loss: Loss
    scores: Callable[[], dict[str, float]]
    rate: float = CONFIG.learning_rate
    criterion: str = "validation_loss"

    def optimizer(self) -> torch.optim.Optimizer:
        trained = [p for p in self.model.parameters() if p.requires_grad]
        return torch.optim.AdamW(trained, lr=self.rate, weight_decay=CONFIG.weight_decay)

    def terms(self, rows: Tensor, random: torch.Generator, epoch: int) -> dict[str, Tensor]:
        return {"loss": self.loss(rows, random)}

    def validate(self) -> Validation:
        return Validation(self.scores())


def regression(
    config: LoopConfig = CONFIG, seed: int = 0, noise: float = 0.0, weights: int = 0, described: Any = None, **more: Any
) -> Trainer:
    """A small network on fixed data; its loss may draw from the run's random numbers."""
    x = torch.randn(N, 3, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    y = x.prod(dim=1, keepdim=True)
    torch.manual_seed(weights)
    model = nn.Sequential(nn.Linear(3, 6), nn.Tanh(), nn.Linear(6, 1)).double()

    def loss(rows: Tensor, random: torch.Generator) -> Tensor:
        jitter = noise * torch.randn(len(rows), 3, generator=random, dtype=torch.float64) if noise else 0
        return (model(x[rows] + jitter) - y[rows]).square().mean()

    @torch.no_grad()
    def scores() -> dict[str, float]:
        return {"validation_loss": float((model(x) - y).square().mean())}

    toy = Toy(model, N, loss, scores, rate=config.learning_rate)
    return Trainer(toy, config, seed, described, **{"warmup_share": 0.1} | more)


class KilledError(Exception):
    pass


def assert_same(one: Trainer, other: Trainer) -> None:
    mine, its = one.model.state_dict(), other.model.state_dict()
    assert all(torch.equal(mine[name], its[name]) for name in mine)
    assert one.result == other.result


@dataclass(frozen=True)
class Run:
    """What a stage's section says of its training."""

    workers: int
    trainer: LoopConfig = CONFIG


def train(
    checkpoints: Path,
    on_epoch: Callable[[EpochLog], None],
    workers: Workers = ALONE,
    noise: float = 0.0,
    notes: Path | None = None,
    pause: float = 0.0,
) -> dict[str, Any]:
    """The regression trained as a stage trains. For each batch that is begun: a line in `notes`, of rank, step of the
    whole training and process, and a pause in seconds."""
    trainer = regression(noise=noise, workers=workers, checkpoint_steps=EVERY)
    loss = trainer.trained.loss

    def noted(rows: Tensor, random: torch.Generator) -> Tensor:
        if notes is not None:
            place = STEPS * len(trainer.result.history) + trainer.within.steps
            with notes.open("a") as file:
                file.write(f"{workers.rank} {place} {os.getpid()}\n")
        time.sleep(pause)
        return loss(rows, random)

    trainer.trained.loss = noted
    trainer.run(checkpoints, on_epoch)
    return {"history": trainer.result.history, "weights": [p.detach() for p in trainer.model.parameters()]}
