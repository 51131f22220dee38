"""The one training loop of both branches: it knows how a model is trained, and nothing of what it predicts.

Needs torch and numpy alone.
"""

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from contactlens.base.errors import InputError
from contactlens.base.progress import Count, counting
from contactlens.training.config import LoopConfig
from contactlens.training.state import StateFolder, fingerprint, load_state
from contactlens.training.trainable import EpochLog, Trainable, TrainingResult
from contactlens.training.workers import ALONE, Workers


@dataclass
class Within:
    """How far an epoch has come: `order` of its rows (n,), `steps` that are done, and `sums` over them for its log."""

    order: Tensor
    steps: int = 0
    sums: dict[str, Tensor] = field(default_factory=dict)


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
    """Trains a `Trainable`'s model in place; all of its state is in a file after every epoch, so that a kill costs one,
    or no more than `checkpoint_steps` of it.

    described: what a state must agree in to be taken up again, beside `config`, `seed` and the weights that the model
        starts from (plain JSON)
    accumulate: backward passes per step of the optimiser
    warmup_share: of all steps, over which the learning rate rises from 0; None for a rate that changes with the epochs
    summed_in: precision in which an epoch's losses are summed for its log; that of the terms where None
    workers: those that train this model together. Each has a `Trainer` of its own on the same data and takes its part
        of every step's rows, so a step is that of one process, to rounding, however many they are; what is drawn is
        not, beside the order of the rows. The first one keeps the states, which all must see
    checkpoint_steps: steps from one state within an epoch to the next; 0: a state after every epoch alone
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
        workers: Workers = ALONE,
        checkpoint_steps: int = 0,
    ) -> None:
        self.trained, self.config, self.seed, self.accumulate = trained, config, seed, accumulate
        self.workers, self.checkpoint_steps = workers, checkpoint_steps
        self.model = trained.model
        workers.share_weights(self.model)
        self.best_state = self._weights()
        weights = fingerprint(self.best_state.values())
        self.described = [asdict(config), trained.n_rows, seed, weights, workers.count, described]
        self.parameters = [p for p in self.model.parameters() if p.requires_grad]
        self.optimizer = trained.optimizer()
        steps = math.ceil(trained.n_rows / (config.batch_size * accumulate))
        self.scheduler = schedule(self.optimizer, config.max_epochs, steps, warmup_share)
        self.by_step, self.summed_in = warmup_share is not None, summed_in
        self.random = torch.Generator().manual_seed(seed)
        self.result = TrainingResult()
        self.within: Within | None = None
        self.states: StateFolder | None = None

    def _weights(self) -> dict[str, Tensor]:
        return {name: tensor.detach().cpu().clone() for name, tensor in self.model.state_dict().items()}

    def _draws(self, *place: int) -> torch.Generator:
        """What a batch draws from. Each of many workers draws by the batch's place alone: it does not know what the
        others draw, and whoever takes a state up must draw the same."""
        if self.workers.count == 1:
            return self.random
        own, torchs = np.random.SeedSequence((self.seed, *place)).generate_state(2, np.uint64).tolist()
        torch.manual_seed(torchs)
        return torch.Generator().manual_seed(own)

    def _step(self, rows: Tensor, epoch: int, number: int) -> dict[str, Tensor]:
        """One step of the optimiser on `rows`, batch by batch; the mean of the loss and of each of its terms."""
        self.optimizer.zero_grad(set_to_none=True)
        means: dict[str, Tensor] = {}
        own = self.workers.part(rows)
        batches = own if len(own) else rows[:1]  # at no weight: a worker without rows has the same terms as the others
        for place, batch in enumerate(batches.split(self.config.batch_size)):
            share = len(batch) / len(rows) if len(own) else 0.0
            terms = self.trained.terms(batch, self._draws(epoch, number, self.workers.rank, place), epoch)
            loss = torch.stack(list(terms.values())).sum()
            (loss * share).backward()
            for name, term in {"loss": loss, **terms}.items():
                means[name] = means.get(name, 0.0) + (term.detach() * share).to(self.summed_in or term.dtype)
        self.workers.sum_gradients(self.parameters)
        torch.nn.utils.clip_grad_norm_(self.parameters, self.config.gradient_clip)
        self.optimizer.step()
        if self.by_step:
            self.scheduler.step()
        return self.workers.sum_named(means)

    def train_epoch(self, epoch: int) -> EpochLog:
        """Once over the training rows, or over those that a state within the epoch left; the means over all."""
        self.model.train()
        n = self.trained.n_rows
        if self.within is None:
            torch.manual_seed(self.seed + epoch)  # a resumed run draws what an undisturbed one does
            self.within = Within(torch.randperm(n, generator=self.random))
        within = self.within
        steps = within.order.split(self.config.batch_size * self.accumulate)
        for rows in steps[within.steps :]:
            for name, mean in self._step(rows, epoch, within.steps).items():
                within.sums[name] = within.sums.get(name, 0.0) + mean * len(rows)
            within.steps += 1
            if self.checkpoint_steps and within.steps % self.checkpoint_steps == 0 and within.steps < len(steps):
                self._save()
        self.within = None
        if not self.by_step:
            self.scheduler.step()
        return {f"train_{name}": float(total) / n for name, total in within.sums.items()}

    def epoch(self) -> EpochLog:
        """One more epoch, with its validation; its log."""
        number, result = len(self.result.history), self.result
        means = self.train_epoch(number)
        self.model.eval()
        validation = self.trained.validate()
        log: EpochLog = {"epoch": float(number), **means, **validation.scores}
        log = self.workers.from_first(log, self.device)  # all stop at the same epoch, and keep the same one
        result.history.append(log)
        if validation.outputs is not None:
            result.validation_outputs.append(validation.outputs)
        if log[self.trained.criterion] < result.best_score:
            result.best_score, result.best_epoch = log[self.trained.criterion], number
            self.best_state = self._weights()
        return log

    @property
    def device(self) -> torch.device:
        return self.parameters[0].device

    @property
    def finished(self) -> bool:
        done = len(self.result.history)
        return done >= self.config.max_epochs or done - 1 - self.result.best_epoch >= self.config.patience

    def _save(self) -> None:
        """The whole state, of the last epoch or within the next one, in a file of its own."""
        if self.states is None or not self.workers.is_first:
            return
        state = {
            "described": self.described,
            "model": self._weights(),
            "best": self.best_state,
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "random": self.random.get_state(),
            "result": asdict(self.result),
        }
        done = len(self.result.history)
        if self.within is None:
            self.states.write(state, done - 1)
            return
        torchs = [torch.get_rng_state()]
        if self.device.type == "cuda":
            torchs.append(torch.cuda.get_rng_state(self.device))
        state |= {"within": vars(self.within), "torch_random": torchs}
        self.states.write(state, done, self.within.steps)

    def resume(self, folder: Path) -> None:
        """Take up the newest state in `folder` that is whole and of the same configuration, code and data.

        Raises InputError where a worker has not what the first one has.
        """
        self.states = StateFolder(folder)
        found = self._newest(self.states) if self.workers.is_first else (None, {})
        described, path = self.workers.from_first([self.described, found[0] and str(found[0])], self.device)
        if described != json.loads(json.dumps(self.described)):
            raise InputError(f"worker {self.workers.rank} has other code, settings or data than worker 0")
        if path is not None:
            state = found[1] if self.workers.is_first else load_state(Path(path))
            if state is None:
                raise InputError(f"{path}: worker {self.workers.rank} doesn't see it as worker 0 does")
            self._take(state)

    def _newest(self, states: StateFolder) -> tuple[Path | None, dict[str, Any]]:
        for path in states.newest_first():
            state = load_state(path)
            if state is not None and state.get("described") == self.described:
                return path, state
        return None, {}

    def _take(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.best_state = state["best"]
        self.optimizer.load_state_dict(state["optimizer"])
        self.scheduler.load_state_dict(state["scheduler"])
        self.random.set_state(state["random"])
        self.result = TrainingResult(**state["result"])
        if "within" not in state:
            return
        self.within = Within(**state["within"])
        self.within.sums = {name: total.to(self.device) for name, total in self.within.sums.items()}
        own, *gpu = state["torch_random"]
        torch.set_rng_state(own)
        if gpu and self.device.type == "cuda":
            torch.cuda.set_rng_state(gpu[0], self.device)

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
        never stopped. `on_epoch` gets, in the first worker, each epoch's log, those of the epochs taken up first:
        whoever keeps them may have been killed before they were. counted_as: what a display calls the epochs.
        """
        if checkpoints is not None:
            self.resume(checkpoints)
        last = self.config.max_epochs if until is None else until
        on_epoch = on_epoch if self.workers.is_first else None
        with counting(counted_as, min(last, self.config.max_epochs)) as count:
            for log in self.result.history:
                _tell(log, on_epoch, count)
            while not self.finished and len(self.result.history) < last:
                log = self.epoch()
                self._save()
                _tell(log, on_epoch, count)
        self.model.load_state_dict(self.best_state)
        self.model.eval()
        return self.result


def _tell(log: EpochLog, on_epoch: Callable[[EpochLog], None] | None, count: Count) -> None:
    count.to(log["epoch"] + 1)
    if on_epoch is not None:
        on_epoch(log)
