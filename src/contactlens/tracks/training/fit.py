"""Training of a `TrackModel` in the loop of both branches. Needs torch and numpy alone."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from contactlens.base.torch_setup import resolve_device
from contactlens.tracks.data.batch import TrackBatch
from contactlens.tracks.models.tasks import model_input
from contactlens.tracks.models.track_model import Output, TrackModel
from contactlens.tracks.training.config import FitConfig, LossConfig
from contactlens.tracks.training.objectives import objective_of
from contactlens.training.loop import Trainer
from contactlens.training.trainable import EpochLog, TrainingResult, Validation

if TYPE_CHECKING:
    from contactlens.tracks.models.ensemble import Ensemble


def random_rotations(count: int, random: torch.Generator) -> Tensor:
    """Uniform rotations (count, 3, 3), from unit quaternions whose direction is uniform.

    Source: Shoemake, Graphics Gems III (1992) 124.
    """
    quaternions = torch.randn(count, 4, generator=random, dtype=torch.float64)
    w, x, y, z = (quaternions / quaternions.norm(dim=1, keepdim=True)).unbind(dim=1)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    return torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)


def turned(x: Tensor, rotations: Tensor) -> Tensor:
    """x (B, C, T), whose first three channels are x, y and z, with each track turned by its rotation (B, 3, 3)."""
    return torch.cat([rotations @ x[:, :3], x[:, 3:]], dim=1)


class _Fitting:
    """A model with its objective and the tracks on their device; the `Trainable` of the loop."""

    criterion = "validation_nll"

    def __init__(
        self, model: TrackModel, train: TrackBatch, validation: TrackBatch, loss: LossConfig, config: FitConfig
    ) -> None:
        self.device = resolve_device(config.device)
        self.model, self.config = model.to(self.device), config
        self.train, self.validation = train.to(self.device), validation.to(self.device)
        self.n_rows = len(train)
        self.x, self.x_validation = (model_input(model.task, batch) for batch in (self.train, self.validation))
        self.objective = objective_of(model, loss)
        self.target, self.target_validation = map(self.objective.target, (self.train, self.validation))
        on_gpu = self.device.type == "cuda"
        self.amp = config.amp and on_gpu
        self.predict = model.standardised
        if config.compile and on_gpu:
            deterministic = torch.are_deterministic_algorithms_enabled()
            torch.use_deterministic_algorithms(deterministic, warn_only=True)  # tells the compiler
            self.predict = torch.compile(model.standardised)

    def optimizer(self) -> torch.optim.Optimizer:
        model, config = self.model, self.config
        gate = [] if model.distance_gate is None else list(model.distance_gate.parameters())
        rest = [p for name, p in model.named_parameters() if not name.startswith("distance_gate.")]
        return torch.optim.AdamW(
            [
                {"params": rest, "lr": config.learning_rate, "weight_decay": config.weight_decay},
                {"params": gate, "lr": config.gate_learning_rate, "weight_decay": 0.0},
            ],
            fused=True,  # a step of many small tensors costs as much as a convolution otherwise
        )

    def _forward(self, x: Tensor, observed: Tensor) -> Output:
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.amp):
            output = self.predict(x, observed)
        return Output.joined([output])

    def terms(self, rows: Tensor, random: torch.Generator, epoch: int) -> dict[str, Tensor]:
        """The objective's; latents are drawn from torch's own numbers."""
        index = rows.to(self.device)
        observed = self.train.observed[index]
        x = self.x[index]
        if self.model.turned_in_training:
            x = turned(x, random_rotations(len(x), random).to(x))
        return self.objective.terms(self.target[index], self._forward(x, observed), observed, epoch)

    @torch.no_grad()
    def validate(self) -> Validation:
        """The objective's scores, and the gate's two parameters."""
        batch = self.validation
        rows = torch.arange(len(batch), device=self.device).split(self.config.batch_size)
        output = Output.joined([self._forward(self.x_validation[i], batch.observed[i]) for i in rows])
        scores = self.objective.scores(self.target_validation, output, batch.observed)
        return Validation({**scores, "gate_midpoint": self.model.gate_midpoint, "gate_alpha": self.model.gate_alpha})


def fit(
    model: TrackModel,
    train: TrackBatch,
    validation: TrackBatch,
    loss: LossConfig,
    config: FitConfig,
    seed: int,
    checkpoints: Path | None = None,
    on_epoch: Callable[[EpochLog], None] | None = None,
    until: int | None = None,
) -> TrainingResult:
    """Train `model` in place for its task and leave it with the weights of its best validation NLL.

    Both batches go to the device once. In the folder `checkpoints` the last epochs' whole states are kept, and a run
    that finds one of its own configuration goes on from it to the same end; `until` ends it after so many epochs, to
    be gone on with later. `on_epoch` gets each epoch's log: the loss
    terms, the validation scores and the gate's parameters; those of the epochs taken up first.

    Raises InputError where the tracks lack the task's target.
    """
    fitting = _Fitting(model, train, validation, loss, config)
    trainer = Trainer(fitting, config, seed, described=[asdict(loss)])
    return trainer.run(checkpoints, on_epoch, f"epochs from seed {seed}", until)


@torch.no_grad()
def outputs(model: "TrackModel | Ensemble", x: Tensor, observed: Tensor, batch_size: int) -> Tensor:
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
