"""Fine-tuning of the window classifier. Needs torch and numpy alone."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from contactlens.base.errors import InputError
from contactlens.base.settings import Field, NonNegativeInt, settings
from contactlens.base.torch_setup import available_memory, resolve_device
from contactlens.dna.data.batch import WindowBatch
from contactlens.dna.data.names import CRITERION
from contactlens.dna.models.classifier import WindowClassifier
from contactlens.dna.models.pair_head import Drop
from contactlens.dna.training.trainer import TrainerConfig, adamw, trainer_of
from contactlens.training.loop import EpochLog, TrainingResult, Validation
from contactlens.training.state import fingerprint


@settings
class FineTuneConfig:
    """What is trained, beside the head.

    unfrozen_layers: blocks, counted from the last, that are trained with the final norm; as many as there are blocks
        or more also train the embedding
    cache_frozen: keep what the frozen blocks give in memory (2 L d_model floats a window) instead of running them
        again in every epoch
    dropout: of the head's features and of its hidden units, in training
    label_smoothing: labels s / 2 and 1 - s / 2 are trained on in place of 0 and 1: the logit then has a best value,
        log(2 / s - 1), and does not grow with every epoch (Szegedy et al. 2016, CVPR, p. 2818)
    """

    unfrozen_layers: NonNegativeInt
    cache_frozen: bool
    dropout: Annotated[float, Field(ge=0, lt=1)]
    label_smoothing: Annotated[float, Field(ge=0, lt=1)]
    trainer: TrainerConfig


class FineTuned(NamedTuple):
    """training: one log an epoch; validation_logits: (epochs, N) in the order of the validation windows."""

    training: TrainingResult
    validation_logits: np.ndarray


def freeze(model: WindowClassifier, unfrozen_layers: int) -> int:
    """Leave the last `unfrozen_layers` blocks, the final norm and the head trainable; the number of frozen blocks.

    What is frozen runs without a graph, as nothing before it needs a gradient.
    """
    backbone = model.backbone
    n_frozen = max(0, len(backbone.layers) - unfrozen_layers)
    parts = [backbone.embedding, *backbone.layers[:n_frozen]] if n_frozen else []
    for part in parts:
        part.requires_grad_(False)
    return n_frozen


def auroc(label: np.ndarray, score: np.ndarray) -> float:
    """Area under the ROC curve: the share of (positive, negative) pairs in the right order, ties counted half.

    By numpy alone: training also runs where the scipy of `calibration` is not installed.
    """
    _, place, count = np.unique(score, return_inverse=True, return_counts=True)
    rank = (count.cumsum() - (count - 1) / 2)[place]
    positive = label > 0.5
    n, m = positive.sum(), (~positive).sum()
    return float((rank[positive].sum() - n * (n + 1) / 2) / (n * m)) if n and m else float("nan")


def refined_loss(label: Tensor, logit: Tensor) -> float:
    """Cross-entropy (nats) after the scale and shift of the logits (N,) that make it least.

    What is left when calibration is put right afterwards; over-confidence, which grows with every epoch, does not
    count. Beside the plain cross-entropy, by which the epoch is kept, it tells whether more than that has changed.
    Source: Berta et al. 2025, "Rethinking early stopping: refine, then calibrate" (arXiv 2501.19195).
    """
    label, logit = label.double().cpu(), logit.double().cpu()
    parameters = [torch.zeros(1, dtype=torch.float64, requires_grad=True) for _ in range(2)]  # log of scale, shift
    optimizer = torch.optim.LBFGS(parameters, max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = F.binary_cross_entropy_with_logits(parameters[0].exp() * logit + parameters[1], label)
        value.backward()
        return value

    with torch.enable_grad():
        optimizer.step(loss)
        return float(loss().detach())


def dropping(share: float, random: torch.Generator) -> Drop:
    """Dropout that draws from `random`, so that a training that is taken up again draws the same."""

    def drop(x: Tensor) -> Tensor:
        kept = (torch.rand(x.shape, generator=random) >= share).to(x.device)
        return x * kept / (1 - share)

    return drop


class _FineTuning:
    """The windows on their device, and loss and scores over them; the `Trainable` of the loop."""

    criterion = CRITERION

    def __init__(
        self, model: WindowClassifier, train: WindowBatch, validation: WindowBatch, config: FineTuneConfig
    ) -> None:
        self.device = resolve_device(config.trainer.device)
        self.model, self.config = model.to(self.device), config
        self.train, self.validation = train.to(self.device), validation.to(self.device)
        self.n_rows = len(train)
        self.amp = config.trainer.amp and self.device.type == "cuda"
        self.n_frozen = freeze(model, config.unfrozen_layers)
        self.cached: dict[int, Tensor] = {}
        if config.cache_frozen and self.n_frozen:
            self._check_cache(len(train) + len(validation), train.ids.shape[1])
            self.cached = {id(batch): self._frozen(batch) for batch in (self.train, self.validation)}

    def _check_cache(self, n_windows: int, length: int) -> None:
        """InputError where the cache would not fit, before hours are spent on filling it."""
        backbone = self.model.backbone
        needed = n_windows * 2 * length * backbone.config.d_model * backbone.embedding.weight.element_size()
        free = available_memory(self.device)
        if needed > free:
            raise InputError(
                f"dna.fine_tune.cache_frozen: {n_windows:,} windows of {length:,} bp take {needed / 2**30:,.1f} GiB on"
                f" {self.device.type}, where {free / 2**30:,.1f} GiB are free; set it to false"
            )

    @torch.no_grad()
    def _frozen(self, batch: WindowBatch) -> Tensor:
        backbone = self.model.backbone
        shape = (len(batch), 2, batch.ids.shape[1], backbone.config.d_model)
        states = torch.empty(shape, dtype=backbone.embedding.weight.dtype, device=self.device)
        for rows in self.rows(batch):
            states[rows] = backbone.prefix(batch.ids[rows], self.n_frozen)
        return states

    def states(self, batch: WindowBatch, rows: Tensor) -> Tensor:
        if id(batch) in self.cached:
            return self.model.states_from_prefix(self.cached[id(batch)][rows], self.n_frozen)
        return self.model.states(batch.ids[rows])

    def rows(self, batch: WindowBatch) -> Sequence[Tensor]:
        return torch.arange(len(batch), device=self.device).split(self.config.trainer.batch_size)

    @torch.no_grad()
    def standardise_head(self) -> None:
        """Set the head's scale from the training windows' mean states."""
        train, head = self.train, self.model.head
        head.standardise(torch.cat([head.pooled(self.states(train, i), train.regions[i]) for i in self.rows(train)]))

    def logit(self, batch: WindowBatch, rows: Tensor, drop: Drop | None = None) -> Tensor:
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.amp):
            return self.model.head(self.states(batch, rows), batch.regions[rows], drop).float()

    def optimizer(self) -> torch.optim.Optimizer:
        return adamw(self.model, self.config.trainer)

    def terms(self, rows: Tensor, random: torch.Generator, epoch: int) -> dict[str, Tensor]:
        rows = rows.to(self.device)
        smoothing, label = self.config.label_smoothing, self.train.label[rows]
        drop = dropping(self.config.dropout, random) if self.config.dropout else None
        target = label * (1 - smoothing) + smoothing / 2
        return {"loss": F.binary_cross_entropy_with_logits(self.logit(self.train, rows, drop), target)}

    @torch.no_grad()
    def validate(self) -> Validation:
        """Scores and the logits behind them."""
        logit = torch.cat([self.logit(self.validation, rows) for rows in self.rows(self.validation)])
        label = self.validation.label
        one_by_one = logit.double().cpu()
        scores = {
            CRITERION: float(F.binary_cross_entropy_with_logits(logit, label)),
            "validation_refined_loss": refined_loss(label, logit),
            "validation_auroc": auroc(label.cpu().numpy(), one_by_one.numpy()),
            "validation_accuracy": float(((logit > 0) == (label > 0.5)).float().mean()),
        }
        return Validation(scores, one_by_one)


def fine_tune(
    model: WindowClassifier,
    train: WindowBatch,
    validation: WindowBatch,
    config: FineTuneConfig,
    seed: int,
    checkpoints: Path | None = None,
    on_epoch: Callable[[EpochLog], None] | None = None,
) -> FineTuned:
    """Train `model` in place with binary cross-entropy; it is left with the weights of its best epoch, by the
    cross-entropy of the validation windows.

    A window and its reverse complement have one logit, so adding the other strand as data would add nothing.
    `on_epoch` gets each epoch's losses, validation AUROC and accuracy.
    """
    tuning = _FineTuning(model, train, validation, config)
    data = fingerprint(x for batch in (train, validation) for x in (batch.ids, batch.regions, batch.label))
    tuning.standardise_head()
    described = [
        config.unfrozen_layers,
        config.dropout,
        config.label_smoothing,
        model.backbone.config.to_mapping(),
        data,
    ]
    result = trainer_of(tuning, config.trainer, seed, described).run(checkpoints, on_epoch)
    return FineTuned(result, torch.stack(result.validation_outputs).numpy())


@torch.no_grad()
def predict(model: WindowClassifier, batch: WindowBatch, batch_size: int) -> np.ndarray:
    """Logits (N,) float64."""
    model.eval()
    device = model.backbone.embedding.weight.device
    rows = torch.arange(len(batch)).split(batch_size)
    parts = [model(batch.ids[i].to(device), batch.regions[i].to(device)) for i in rows]
    return torch.cat(parts).double().cpu().numpy()
