"""The one training loop of both branches: it knows how a model is trained, and nothing of what it predicts.

Needs torch and numpy alone.
"""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from contactlens.base.files import write_aside
from contactlens.base.progress import Count, counting
from contactlens.training.config import LoopConfig
from contactlens.training.state import fingerprint, load_state

EpochLog = dict[str, float]
KEPT_STATES = 2  # so that a damaged one costs an epoch and no more


class Validation(NamedTuple):
    """scores: by name, the criterion among them
    outputs: what the model gave for each validation row, where that is to be kept of every epoch
    """

    scores: EpochLog
    outputs: Tensor | None = None


class Trainable(Protocol):
    """A model with its data and its objective, which the loop trains."""

    @property
    def model(self) -> nn.Module: ...

    @property
    def n_rows(self) -> int:
        """Rows of the training set."""
        ...

    @property
    def criterion(self) -> str:
        """The validation score whose least value names the epoch that is kept."""
        ...

    def optimizer(self) -> torch.optim.Optimizer:
        """Of the model's trained parameters, each group with its own learning rate and decay."""
        ...

    def terms(self, rows: Tensor, random: torch.Generator, epoch: int) -> dict[str, Tensor]:
        """The terms whose sum is minimised, by name, each a mean over `rows` (n,), which index the training set.

        What is drawn comes from `random`, the run's own numbers, or torch's global ones, seeded anew every epoch.
        """
        ...

    def validate(self) -> Validation:
        """After an epoch, with the model in evaluation mode."""
        ...


@dataclass
class TrainingResult:
    """history: one dict per epoch, the mean loss and its terms as `train_...` and the validation scores
    best_epoch: the one of the lowest criterion, `best_score`
    validation_outputs: of each epoch, where the model's outputs are kept
    """

    history: list[EpochLog] = field(default_factory=list)
    best_epoch: int = -1
    best_score: float = math.inf
    validation_outputs: list[Tensor] = field(default_factory=list, compare=False)


def schedule(
    optimizer: torch.optim.Optimizer, max_epochs: int, steps_per_epoch: int, warmup_share: float | None
) -> torch.optim.lr_scheduler.LRScheduler:
    """Half a cosine from the learning rate to 0, over epochs where `warmup_share` is None, else over steps, after a
    linear rise over that share of all steps."""
    if warmup_share is None:
        return torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max_epochs)
    total = steps_per_epoch * max_epochs
    warmup = warmup_share * total

    def share(step: int) -> float:
        if step < warmup:
            return (step + 1) / (warmup + 1)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warmup) / max(1.0, total - warmup))))

    return torch.optim.lr_scheduler.LambdaLR(optimizer, share)


class Trainer:
    """Trains a `Trainable`'s model in place; all of its state is in a file after every epoch, so that a kill costs one.

    described: what a state must agree in to be taken up again, beside `config`, `seed` and the weights that the model
        starts from (plain JSON)
    accumulate: backward passes per step of the optimiser
    warmup_share: of all steps, over which the learning rate rises from 0; None for a rate that changes with the epochs
    summed_in: precision in which an epoch's losses are summed for its log; that of the terms where None
    """

    def __init__(
        self,
        trained: Trainable,
        config: LoopConfig,
        seed: int,
        described: Any = None,
        accumulate: int = 1,
        warmup_share: float | None = None,
        summed_in: torch.dtype | None = None,
    ) -> None:
        self.trained, self.config, self.seed, self.accumulate = trained, config, seed, accumulate
        self.model = trained.model
        self.best_state = self._weights()
        weights = fingerprint(self.best_state.values())
        self.described = [asdict(config), trained.n_rows, seed, weights, described]
        self.parameters = [p for p in self.model.parameters() if p.requires_grad]
        self.optimizer = trained.optimizer()
        steps = math.ceil(trained.n_rows / (config.batch_size * accumulate))
        self.scheduler = schedule(self.optimizer, config.max_epochs, steps, warmup_share)
        self.by_step, self.summed_in = warmup_share is not None, summed_in
        self.random = torch.Generator().manual_seed(seed)
        self.result = TrainingResult()

    def _weights(self) -> dict[str, Tensor]:
        return {name: tensor.detach().cpu().clone() for name, tensor in self.model.state_dict().items()}

    def _step(self, rows: Tensor, epoch: int) -> dict[str, Tensor]:
        """One step of the optimiser on `rows`, batch by batch; the mean of the loss and of each of its terms."""
        self.optimizer.zero_grad(set_to_none=True)
        means: dict[str, Tensor] = {}
        for batch in rows.split(self.config.batch_size):
            share = len(batch) / len(rows)
            terms = self.trained.terms(batch, self.random, epoch)
            loss = torch.stack(list(terms.values())).sum()
            (loss * share).backward()
            for name, term in {"loss": loss, **terms}.items():
                means[name] = means.get(name, 0.0) + (term.detach() * share).to(self.summed_in or term.dtype)
        torch.nn.utils.clip_grad_norm_(self.parameters, self.config.gradient_clip)
        self.optimizer.step()
        if self.by_step:
            self.scheduler.step()
        return means

    def train_epoch(self, epoch: int) -> EpochLog:
        """Once over the training rows; the means over them."""
        self.model.train()
        torch.manual_seed(self.seed + epoch)  # a resumed run draws what an undisturbed one does
        sums: dict[str, Tensor] = {}
        n = self.trained.n_rows
        for rows in torch.randperm(n, generator=self.random).split(self.config.batch_size * self.accumulate):
            for name, mean in self._step(rows, epoch).items():
                sums[name] = sums.get(name, 0.0) + mean * len(rows)
        if not self.by_step:
            self.scheduler.step()
        return {f"train_{name}": float(total) / n for name, total in sums.items()}

    def epoch(self) -> EpochLog:
        """One more epoch, with its validation; its log."""
        number, result = len(self.result.history), self.result
        means = self.train_epoch(number)
        self.model.eval()
        validation = self.trained.validate()
        log: EpochLog = {"epoch": float(number), **means, **validation.scores}
        result.history.append(log)
        if validation.outputs is not None:
            result.validation_outputs.append(validation.outputs)
        if log[self.trained.criterion] < result.best_score:
            result.best_score, result.best_epoch = log[self.trained.criterion], number
            self.best_state = self._weights()
        return log

    @property
    def finished(self) -> bool:
        done = len(self.result.history)
        return done >= self.config.max_epochs or done - 1 - self.result.best_epoch >= self.config.patience

    def save(self, folder: Path) -> None:
        """The whole state of the last epoch, in a file of its own; that of the one before stays beside it."""
        state = {
            "described": self.described,
            "model": self._weights(),
            "best": self.best_state,
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "random": self.random.get_state(),
            "result": asdict(self.result),
        }
        last = len(self.result.history) - 1
        with write_aside(_state_file(folder, last)) as aside:
            torch.save(state, aside)
        _state_file(folder, last - KEPT_STATES).unlink(missing_ok=True)

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
        self,
        checkpoints: Path | None = None,
        on_epoch: Callable[[EpochLog], None] | None = None,
        counted_as: str = "epochs",
        until: int | None = None,
    ) -> TrainingResult:
        """Train to the end, or until so many epochs are done, from the newest state in the folder `checkpoints` on, and
        leave the model with its best epoch's weights.

        The learning rate falls over `max_epochs` whatever `until` is, so a training that goes on later ends as one that
        never stopped. `on_epoch` gets each epoch's log, those of the epochs taken up first: whoever keeps them may have
        been killed before they were. counted_as: what a display of the progress calls the epochs.
        """
        if checkpoints is not None:
            self.resume(checkpoints)
        last = self.config.max_epochs if until is None else until
        with counting(counted_as, min(last, self.config.max_epochs)) as count:
            for log in self.result.history:
                _tell(log, on_epoch, count)
            while not self.finished and len(self.result.history) < last:
                log = self.epoch()
                if checkpoints is not None:
                    self.save(checkpoints)
                _tell(log, on_epoch, count)
        self.model.load_state_dict(self.best_state)
        self.model.eval()
        return self.result


def _state_file(folder: Path, epoch: int) -> Path:
    return folder / f"epoch_{epoch:03d}.pt"


def _tell(log: EpochLog, on_epoch: Callable[[EpochLog], None] | None, count: Count) -> None:
    count.to(log["epoch"] + 1)
    if on_epoch is not None:
        on_epoch(log)
