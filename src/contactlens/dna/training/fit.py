"""Fine-tuning of the window classifier. Needs torch and numpy alone."""

import hashlib
import re
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from contactlens.base.torch_setup import resolve_device
from contactlens.dna.data.batch import Windows, contents
from contactlens.dna.data.names import CRITERION
from contactlens.dna.models.classifier import WindowClassifier
from contactlens.dna.models.pair_head import Drop
from contactlens.dna.models.pieces import Pieces
from contactlens.dna.training.adapters import adapters
from contactlens.dna.training.balance import Balance
from contactlens.dna.training.config import FineTuneConfig
from contactlens.dna.training.frozen import FrozenStates, base_bytes, cached_lengths, is_whole, require_room
from contactlens.dna.training.trainer import adamw, code_digest, trainer_of
from contactlens.training.state import fingerprint
from contactlens.training.trainable import EpochLog, TrainingResult, Validation
from contactlens.training.workers import ALONE, Workers


class FineTuned(NamedTuple):
    """model: with the weights of its best epoch
    training: one log an epoch
    validation_logits: (epochs, N) in the order of the validation windows
    """

    model: WindowClassifier
    training: TrainingResult
    validation_logits: np.ndarray


def freeze(model: WindowClassifier, unfrozen_layers: int) -> int:
    """Leave the last `unfrozen_layers` blocks, the final norm and the head trainable; the number of frozen blocks.

    Without adapters, what is frozen runs without a graph, as nothing before it needs a gradient.
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
    """The windows, read batch by batch, and loss and scores over them; the `Trainable` of the loop."""

    criterion = CRITERION

    def __init__(
        self,
        model: WindowClassifier,
        train: Windows,
        validation: Windows,
        config: FineTuneConfig,
        workers: Workers = ALONE,
    ) -> None:
        self.device = resolve_device(config.trainer.device)
        self.model, self.config, self.workers = model.to(self.device), config, workers
        self.train, self.validation = train, validation
        self.n_rows = len(train)
        self.amp = config.trainer.amp and self.device.type == "cuda"
        n_frozen = freeze(model, config.unfrozen_layers)
        self.adapted = list(model.backbone.layers[:n_frozen]) if config.adapter_rank else []
        self.n_frozen = n_frozen - len(self.adapted)
        self.balance = Balance.of(train.label.double()) if config.class_weights == "balanced" else None
        self.cached: dict[int, FrozenStates] = {}

    def cache(self, folder: Path, data: str) -> None:
        """Run the frozen blocks once, where there are any and that is asked for, into files of `folder`.

        data: digest of the windows
        """
        if not (self.config.cache_frozen and self.n_frozen):
            return
        backbone, size, context_bp = self.model.backbone, self.config.trainer.batch_size, self.model.context_bp
        both = {"train": self.train, "validation": self.validation}
        weights = fingerprint(backbone.state_dict().values())
        network = (weights, backbone.config.to_mapping(), self.n_frozen, context_bp)
        dtype = torch.bfloat16 if self.config.cache_bfloat16 else backbone.embedding.weight.dtype
        described = (network, data, code_digest(), self.device.type, dtype)
        bytes_of_base = base_bytes(backbone, dtype)
        name = hashlib.sha256(repr(described).encode()).hexdigest()[:16]
        lengths = {split: cached_lengths(windows, context_bp, size) for split, windows in both.items()}
        paths = {split: folder / f"frozen_{name}_{split}" for split in both}
        missing = [split for split in both if not is_whole(paths[split], lengths[split], bytes_of_base)]
        n_missing = sum(len(both[split]) for split in missing)
        require_room(folder, [lengths[split] for split in missing], n_missing, self.train.length, bytes_of_base)
        for split, windows in both.items():
            given = (paths[split], windows, lengths[split], context_bp, dtype)
            self.cached[id(windows)] = FrozenStates(*given, backbone, self.n_frozen, size)

    def pooled(self, windows: Windows, rows: Tensor) -> Tensor:
        """What the head takes of the windows' elements, (B, R, C)."""
        batch, cached = windows.read(rows).to(self.device), self.cached.get(id(windows))
        if cached is None:
            return self.model.pooled_tokens(batch.ids, batch.regions)

        def states(pieces: Pieces | None) -> Tensor:
            read = cached.read(rows, pieces).to(self.device, self.model.backbone.embedding.weight.dtype)
            return self.model.states_from_prefix(read, self.n_frozen)

        return self.model.pooled(batch.regions, states)

    def rows(self, windows: Windows) -> Sequence[Tensor]:
        return torch.arange(len(windows)).split(self.config.trainer.batch_size)

    @torch.no_grad()
    def standardise_head(self) -> None:
        """Set the head's scale from the training windows' mean states."""
        batches = self.rows(self.train)
        own = self.workers.turns(batches)
        pooled = torch.empty(0)  # (N, R, C) in one piece: small tensors kept one by one leave holes in memory
        for rows in own or batches[:1]:  # a worker without a batch has to know the shape
            found = self.pooled(self.train, rows)
            if not len(pooled):
                pooled = found.new_zeros((self.n_rows, *found.shape[1:]))
            if own:
                pooled[rows.to(self.device)] = found
        self.model.head.standardise(self.workers.sum(pooled))
        if self.balance is not None:
            self.model.head.out.bias.add_(self.balance.log_odds)

    def logit(self, windows: Windows, rows: Tensor, drop: Drop | None = None) -> Tensor:
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.amp):
            return self.model.head.score(self.pooled(windows, rows), drop).float()

    def rate(self, name: str) -> float:
        """Share of the learning rate that a parameter of this name trains at."""
        place = re.match(r"backbone\.(?:layers\.(\d+)|embedding)\.", name)
        if place is None:
            return 1.0
        blocks_above = len(self.model.backbone.layers) - int(place[1] or -1)
        return self.config.layer_decay**blocks_above

    def optimizer(self) -> torch.optim.Optimizer:
        return adamw(self.model, self.config.trainer, self.rate)

    def terms(self, rows: Tensor, random: torch.Generator, epoch: int) -> dict[str, Tensor]:
        smoothing, label = self.config.label_smoothing, self.train.label[rows].to(self.device)
        drop = dropping(self.config.dropout, random) if self.config.dropout else None
        logit = self.logit(self.train, rows, drop)
        if self.balance is None:
            target = label * (1 - smoothing) + smoothing / 2
            return {"loss": F.binary_cross_entropy_with_logits(logit, target)}
        target, weight = self.balance.target(label, smoothing), self.balance.weight(label)
        return {"loss": F.binary_cross_entropy_with_logits(logit - self.balance.log_odds, target, weight)}

    @torch.no_grad()
    def validate(self) -> Validation:
        """Scores and the logits behind them."""
        logit = torch.zeros(len(self.validation), device=self.device)
        for rows in self.workers.turns(self.rows(self.validation)):
            logit[rows.to(self.device)] = self.logit(self.validation, rows)
        self.workers.sum(logit)
        label = self.validation.label.to(self.device)
        one_by_one = logit.double().cpu()
        scores = {
            CRITERION: float(F.binary_cross_entropy_with_logits(logit, label)),
            "validation_refined_loss": refined_loss(label, logit),
            "validation_auroc": auroc(label.cpu().numpy(), one_by_one.numpy()),
            "validation_accuracy": float(((logit > 0) == (label > 0.5)).float().mean()),
        }
        return Validation(scores, one_by_one)


def digest_of(*splits: Windows) -> str:
    """Of all that a model is given of the windows."""
    return fingerprint(x for windows in splits for x in contents(windows))


def cache_frozen_states(
    model: WindowClassifier, train: Windows, validation: Windows, config: FineTuneConfig, folder: Path
) -> None:
    """Leave in `folder` what a `fine_tune` with `frozen=folder` looks for there first."""
    _FineTuning(model, train, validation, config).cache(folder, digest_of(train, validation))


def fine_tune(
    model: WindowClassifier,
    train: Windows,
    validation: Windows,
    config: FineTuneConfig,
    seed: int,
    checkpoints: Path | None = None,
    on_epoch: Callable[[EpochLog], None] | None = None,
    workers: Workers = ALONE,
    frozen: Path | None = None,
    until: int | None = None,
) -> FineTuned:
    """Train `model` in place with binary cross-entropy; it is left with the weights of its best epoch, by the
    cross-entropy of the validation windows.

    A window and its reverse complement have one logit, so adding the other strand as data would add nothing.
    Of the windows, batches alone are in memory. `on_epoch` gets each epoch's losses, validation AUROC and accuracy.
    checkpoints: folder of the states to go on from, and of what the frozen blocks give, one for all workers; a
        temporary one where None
    frozen: folder of what the frozen blocks give, where it is another: trainings of one backbone on the same windows
        may share it, at once too
    until: epochs after which to stop, on the schedule of all; None: all
    """
    with TemporaryDirectory() if checkpoints is None else nullcontext(checkpoints) as folder:
        tuning = _FineTuning(model, train, validation, config, workers)
        data = digest_of(train, validation)
        with workers.first_before_others():  # who comes later finds the files whole
            tuning.cache(Path(frozen or folder), data)
        tuning.standardise_head()
        described = [
            config.unfrozen_layers,
            config.adapter_rank,
            config.layer_decay,
            config.class_weights,
            config.dropout,
            config.label_smoothing,
            model.backbone.config.to_mapping(),
            model.context_bp,
            data,
        ]
        with adapters(tuning.adapted, config.adapter_rank, seed):
            result = trainer_of(tuning, config, seed, described, workers).run(checkpoints, on_epoch, until=until)
    return FineTuned(model, result, torch.stack(result.validation_outputs).numpy())


@torch.no_grad()
def predict(model: WindowClassifier, windows: Windows, batch_size: int) -> np.ndarray:
    """Logits (N,) float64."""
    model.eval()
    device = model.backbone.embedding.weight.device
    found = np.empty(len(windows))
    for rows in torch.arange(len(windows)).split(batch_size):
        batch = windows.read(rows).to(device)
        found[rows.numpy()] = model(batch.ids, batch.regions).double().cpu().numpy()
    return found
