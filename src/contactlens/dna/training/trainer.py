"""The one training loop of the DNA branch, for pre-training and fine-tuning alike. Needs torch and numpy alone."""

import math
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from contactlens.base.files import write_aside
from contactlens.base.torch_setup import is_device
from contactlens.base.training_state import fingerprint, load_state, source_digest

EpochLog = dict[str, float]
BETAS = (0.9, 0.95)  # as is usual for language models; motifs are learned in half the steps that 0.999 takes
# Rows of the training set and the run's own random numbers -> mean loss over the rows.
BatchLoss = Callable[[Tensor, torch.Generator], Tensor]


@dataclass(frozen=True)
class TrainerConfig:
    """How a model is optimised, with AdamW under a cosine schedule.

    batch_size: windows per backward pass
    accumulate: backward passes per step of the optimiser
    warmup_share: of all steps, over which the learning rate rises from 0
    patience: epochs without a better validation score after which training stops
    amp: mixed precision (bfloat16), on a GPU only
    device: `auto` takes a GPU where there is one
    threads: CPU threads; the same number gives the same bytes
    """

    learning_rate: float
    weight_decay: float
    batch_size: int
    accumulate: int
    max_epochs: int
    patience: int
    warmup_share: float
    gradient_clip: float
    amp: bool
    device: str
    threads: int

    def __post_init__(self) -> None:
        for name in ("learning_rate", "gradient_clip"):
            if getattr(self, name) <= 0:
                raise ValueError(f"trainer.{name} must be positive, got {getattr(self, name)}")
        for name in ("batch_size", "accumulate", "max_epochs", "patience", "threads"):
            if getattr(self, name) < 1:
                raise ValueError(f"trainer.{name} must be at least 1, got {getattr(self, name)}")
        if not is_device(self.device):
            raise ValueError(f"trainer.device must be auto or a device of torch, such as cuda, got {self.device!r}")
        if not 0 <= self.warmup_share < 1:
            raise ValueError(f"trainer.warmup_share must be at least 0 and below 1, got {self.warmup_share}")


@dataclass
class TrainingResult:
    """history: one dict per epoch; the best epoch has the lowest value of the criterion."""

    history: list[EpochLog] = field(default_factory=list)
    best_epoch: int = -1
    best_loss: float = float("inf")


# The code that decides what training gives, beside a library's.
CODE = ("training/*.py", "models/**/*.py")


def code_digest() -> str:
    """Of the training's own source."""
    return source_digest(Path(__file__).parents[1], CODE)


class Trainer:
    """Trains `model` in place; all of its state is in `checkpoint` after every epoch, so that a kill costs one.

    n_rows: rows of the training set, shuffled anew each epoch
    batch_loss: mean loss over some rows
    validate: scores after an epoch, `criterion` among them: the epoch with the lowest is kept
    described: what a state must agree in to be taken up again, beside `config`, `seed`, the code and the weights that
        `model` starts from (plain JSON)
    """

    def __init__(
        self,
        model: nn.Module,
        n_rows: int,
        batch_loss: BatchLoss,
        validate: Callable[[], EpochLog],
        config: TrainerConfig,
        seed: int,
        described: Any = None,
        criterion: str = "validation_loss",
    ) -> None:
        self.criterion = criterion
        self.model, self.n_rows, self.batch_loss, self.validate = model, n_rows, batch_loss, validate
        self.config = config
        self.best_state = self._weights()
        weights = fingerprint(self.best_state.values())
        self.described = [asdict(config), n_rows, seed, code_digest(), weights, described]
        trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
        self.trained = list(trained.values())
        # Weight decay acts on matrices; rates, norms and biases of a Mamba are kept as they are.
        decays = {name: p.ndim > 1 and not name.endswith("A_log") for name, p in trained.items()}
        groups = [
            {"params": [p for name, p in trained.items() if decays[name]], "weight_decay": config.weight_decay},
            {"params": [p for name, p in trained.items() if not decays[name]], "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(groups, lr=config.learning_rate, betas=BETAS)
        self.scheduler = torch.optim.lr_scheduler.LambdaLR(self.optimizer, self._rate)
        self.random = torch.Generator().manual_seed(seed)
        self.result = TrainingResult()

    def _rate(self, step: int) -> float:
        """Share of the learning rate at a step: linear rise, then half a cosine to 0."""
        per_epoch = math.ceil(self.n_rows / (self.config.batch_size * self.config.accumulate))
        total = per_epoch * self.config.max_epochs
        warmup = self.config.warmup_share * total
        if step < warmup:
            return (step + 1) / (warmup + 1)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warmup) / max(1.0, total - warmup))))

    def _weights(self) -> dict[str, Tensor]:
        return {name: tensor.detach().cpu().clone() for name, tensor in self.model.state_dict().items()}

    def _step(self, batches: Iterable[Tensor], n_rows: int) -> float:
        """One step of the optimiser on `n_rows` rows, batch by batch; the mean loss."""
        self.optimizer.zero_grad(set_to_none=True)
        total = 0.0
        for rows in batches:
            loss = self.batch_loss(rows, self.random) * (len(rows) / n_rows)
            loss.backward()
            total += float(loss.detach())
        torch.nn.utils.clip_grad_norm_(self.trained, self.config.gradient_clip)
        self.optimizer.step()
        self.scheduler.step()
        return total

    def epoch(self) -> EpochLog:
        number, size = len(self.result.history), self.config.batch_size
        self.model.train()
        steps = torch.randperm(self.n_rows, generator=self.random).split(size * self.config.accumulate)
        losses = [self._step(rows.split(size), len(rows)) * len(rows) for rows in steps]
        self.model.eval()
        log: EpochLog = {"epoch": float(number), "train_loss": sum(losses) / self.n_rows, **self.validate()}
        self.result.history.append(log)
        if log[self.criterion] < self.result.best_loss:
            self.result.best_loss, self.result.best_epoch = log[self.criterion], number
            self.best_state = self._weights()
        return log

    @property
    def finished(self) -> bool:
        done = len(self.result.history)
        return done >= self.config.max_epochs or done - 1 - self.result.best_epoch >= self.config.patience

    def save(self, folder: Path) -> None:
        """The whole state of the last epoch, in a file of its own."""
        state = {
            "described": self.described,
            "model": self._weights(),
            "best": self.best_state,
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "random": self.random.get_state(),
            "result": asdict(self.result),
        }
        with write_aside(folder / f"epoch_{len(self.result.history) - 1:03d}.pt") as aside:
            torch.save(state, aside)

    def resume(self, folder: Path) -> None:
        """Take up the newest epoch in `folder` that is whole and of the same configuration, code and data."""
        for path in sorted(folder.glob("epoch_*.pt"), reverse=True):
            state = load_state(path)
            if state is not None and state.get("described") == self.described:
                self._take(state)
                return

    def _take(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.best_state = state["best"]
        self.optimizer.load_state_dict(state["optimizer"])
        self.scheduler.load_state_dict(state["scheduler"])
        self.random.set_state(state["random"])
        self.result = TrainingResult(**state["result"])

    def run(
        self, checkpoints: Path | None = None, on_epoch: Callable[[EpochLog], None] | None = None
    ) -> TrainingResult:
        """Train to the end, from the newest checkpoint on, and leave the model with its best epoch's weights.

        `on_epoch` gets each epoch's log, those of the epochs taken up first: whoever keeps them may have been killed
        before they were.
        """
        if checkpoints is not None:
            self.resume(checkpoints)
        if on_epoch is not None:
            for log in self.result.history:
                on_epoch(log)
        while not self.finished:
            log = self.epoch()
            if checkpoints is not None:
                self.save(checkpoints)
            if on_epoch is not None:
                on_epoch(log)
        self.model.load_state_dict(self.best_state)
        self.model.eval()
        return self.result
