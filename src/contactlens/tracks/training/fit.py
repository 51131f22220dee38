"""The one training loop of the tracks branch. Needs torch and numpy alone."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from contactlens.base.files import write_aside
from contactlens.base.torch_setup import is_device, resolve_device
from contactlens.base.training_state import load_state
from contactlens.tracks.data.batch import TrackBatch
from contactlens.tracks.models.tasks import model_input
from contactlens.tracks.models.track_model import Output, TrackModel
from contactlens.tracks.training.objectives import LossConfig, objective_of

EpochLog = dict[str, float]


@dataclass(frozen=True)
class FitConfig:
    """How a model is trained.

    gate_learning_rate: of the gate's two parameters, which move over a much larger range than a weight does
    weight_decay: AdamW's, not applied to the gate
    patience: epochs without a better validation NLL after which training stops
    amp, compile: mixed precision and torch.compile, on a GPU only
    device: `auto` takes a GPU where there is one
    threads: CPU threads; the same number gives the same bytes
    """

    learning_rate: float
    gate_learning_rate: float
    weight_decay: float
    batch_size: int
    max_epochs: int
    patience: int
    gradient_clip: float
    amp: bool
    compile: bool
    device: str
    threads: int

    def __post_init__(self) -> None:
        for name in ("learning_rate", "gate_learning_rate", "gradient_clip"):
            if getattr(self, name) <= 0:
                raise ValueError(f"fit.{name} must be positive, got {getattr(self, name)}")
        for name in ("batch_size", "max_epochs", "patience", "threads"):
            if getattr(self, name) < 1:
                raise ValueError(f"fit.{name} must be at least 1, got {getattr(self, name)}")
        if not is_device(self.device):
            raise ValueError(f"fit.device must be auto or a device of torch, such as cuda, got {self.device!r}")


@dataclass
class FitResult:
    """history: one dict per epoch with the loss terms, the validation scores and the gate's parameters."""

    history: list[EpochLog] = field(default_factory=list)
    best_epoch: int = -1
    best_validation_nll: float = float("inf")


class _Trainer:
    """One training run; `epoch` goes once over the tracks, `state` and `resume` carry all of it over a kill."""

    def __init__(self, model: TrackModel, loss: LossConfig, config: FitConfig, seed: int) -> None:
        self.device = resolve_device(config.device)
        self.model = model.to(self.device)
        self.loss, self.config, self.seed = loss, config, seed
        self.objective = objective_of(model, loss)
        on_gpu = self.device.type == "cuda"
        self.amp = config.amp and on_gpu
        self.predict = torch.compile(model.standardised) if config.compile and on_gpu else model.standardised
        gate = [] if model.distance_gate is None else list(model.distance_gate.parameters())
        rest = [p for name, p in model.named_parameters() if not name.startswith("distance_gate.")]
        self.optimizer = torch.optim.AdamW(
            [
                {"params": rest, "lr": config.learning_rate, "weight_decay": config.weight_decay},
                {"params": gate, "lr": config.gate_learning_rate, "weight_decay": 0.0},
            ]
        )
        self.scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimizer, config.max_epochs)
        self.order = torch.Generator().manual_seed(seed)
        self.result = FitResult()
        self.best_state = self._weights()

    def _weights(self) -> dict[str, Tensor]:
        return {name: tensor.detach().cpu().clone() for name, tensor in self.model.state_dict().items()}

    def _forward(self, x: Tensor, observed: Tensor) -> Output:
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.amp):
            output = self.predict(x, observed)
        return Output.joined([output])

    def train_epoch(self, x: Tensor, batch: TrackBatch, epoch: int) -> EpochLog:
        """One pass over the training tracks; the mean of each loss term."""
        self.model.train()
        torch.manual_seed(self.seed + epoch)  # latents are drawn; a resumed run draws the same
        target = self.objective.target(batch)
        sums: dict[str, Tensor] = {}
        chunks = torch.randperm(len(batch), generator=self.order).split(self.config.batch_size)
        for rows in chunks:
            index = rows.to(self.device)
            observed = batch.observed[index]
            terms = self.objective.terms(target[index], self._forward(x[index], observed), observed, epoch)
            total = torch.stack(list(terms.values())).sum()
            self.optimizer.zero_grad(set_to_none=True)
            total.backward()
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.gradient_clip)
            self.optimizer.step()
            for name, term in [("loss", total), *terms.items()]:
                sums[name] = sums.get(name, torch.zeros((), device=self.device)) + term.detach() * len(rows)
        self.scheduler.step()
        return {f"train_{name}": float(total) / len(batch) for name, total in sums.items()}

    @torch.no_grad()
    def validate(self, x: Tensor, batch: TrackBatch) -> EpochLog:
        """The objective's scores on the validation tracks."""
        self.model.eval()
        rows = torch.arange(len(batch), device=self.device).split(self.config.batch_size)
        parts = [self._forward(x[i], batch.observed[i]) for i in rows]
        output = Output.joined(parts)
        return self.objective.scores(self.objective.target(batch), output, batch.observed)

    def epoch(self, x: Tensor, train: TrackBatch, x_validation: Tensor, validation: TrackBatch) -> EpochLog:
        number = len(self.result.history)
        log: EpochLog = {"epoch": float(number), **self.train_epoch(x, train, number)}
        log |= self.validate(x_validation, validation)
        log |= {"radius": self.model.contact_radius, "gate_alpha": self.model.gate_alpha}
        self.result.history.append(log)
        if log["validation_nll"] < self.result.best_validation_nll:
            self.result.best_validation_nll = log["validation_nll"]
            self.result.best_epoch = number
            self.best_state = self._weights()
        return log

    @property
    def finished(self) -> bool:
        done = len(self.result.history)
        waited = done - 1 - self.result.best_epoch
        return done >= self.config.max_epochs or (done > 0 and waited >= self.config.patience)

    def state(self) -> dict[str, Any]:
        return {
            "model": self._weights(),
            "best": self.best_state,
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "order": self.order.get_state(),
            "result": asdict(self.result),
            "config": [asdict(self.config), asdict(self.loss)],
        }

    def resume(self, path: Path) -> None:
        """Take up the state saved at `path`; a damaged one, or one of another configuration, is left alone."""
        state = load_state(path)
        if state is None or state.get("config") != [asdict(self.config), asdict(self.loss)]:
            return
        self.model.load_state_dict(state["model"])
        self.best_state = state["best"]
        self.optimizer.load_state_dict(state["optimizer"])
        self.scheduler.load_state_dict(state["scheduler"])
        self.order.set_state(state["order"])
        self.result = FitResult(**state["result"])


def fit(
    model: TrackModel,
    train: TrackBatch,
    validation: TrackBatch,
    loss: LossConfig,
    config: FitConfig,
    seed: int,
    checkpoint: Path | None = None,
    on_epoch: Callable[[EpochLog], None] | None = None,
) -> FitResult:
    """Train `model` in place for its task and leave it with the weights of its best validation NLL.

    Both batches go to the device once. With a `checkpoint` path every epoch's whole state is kept there, and a run
    that finds one of its own configuration goes on from it to the same end. `on_epoch` gets each epoch's log, those of
    the epochs taken up first: whoever keeps them may have been killed before they were.

    Raises InputError where the tracks lack the task's target.
    """
    trainer = _Trainer(model, loss, config, seed)
    if checkpoint is not None and checkpoint.is_file():
        trainer.resume(checkpoint)
    train, validation = train.to(trainer.device), validation.to(trainer.device)
    x, x_validation = (model_input(model.task, batch) for batch in (train, validation))
    if on_epoch is not None:
        for log in trainer.result.history:
            on_epoch(log)
    while not trainer.finished:
        log = trainer.epoch(x, train, x_validation, validation)
        if checkpoint is not None:
            with write_aside(checkpoint) as aside:
                torch.save(trainer.state(), aside)
        if on_epoch is not None:
            on_epoch(log)
    model.load_state_dict(trainer.best_state)
    model.eval()
    return trainer.result


@torch.no_grad()
def outputs(model: TrackModel, x: Tensor, observed: Tensor, batch_size: int) -> Tensor:
    """What the model gives for each frame, (N, K, T) float64 on the CPU."""
    model.eval()
    device = model.signal_mean.device
    parts = [
        model(x[i : i + batch_size].to(device), observed[i : i + batch_size].to(device))
        for i in range(0, len(x), batch_size)
    ]
    return torch.cat(parts).double().cpu()


def predict(model: TrackModel, x: Tensor, observed: Tensor, batch_size: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of the signal per frame, each (N, T) float64 in its unit."""
    mean, logvar = outputs(model, x, observed, batch_size).unbind(dim=1)
    return mean.numpy(), torch.exp(0.5 * logvar).numpy()


def predict_state(model: TrackModel, x: Tensor, observed: Tensor, batch_size: int) -> np.ndarray:
    """Probability that the promoter is on at each frame, (N, T) float64."""
    return torch.sigmoid(outputs(model, x, observed, batch_size)[:, 0]).numpy()
