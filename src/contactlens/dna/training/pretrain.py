"""Masked-language-model pre-training of a small backbone on the sequence of chosen chromosomes, and what a masked base
is worth without a network: its frequency given the bases next to it.
"""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from contactlens.base.errors import InputError
from contactlens.base.torch_setup import resolve_device
from contactlens.dna.data.tokens import BASES, MASK, encode, reverse_complement_ids, unknown_as_pad
from contactlens.dna.models.backbone import NetworkConfig, new_backbone
from contactlens.dna.models.caduceus.strands import MaskedLanguageModel
from contactlens.dna.training.config import PretrainConfig
from contactlens.dna.training.trainer import adamw, trainer_of
from contactlens.training.state import fingerprint
from contactlens.training.trainable import EpochLog, TrainingResult, Validation
from contactlens.training.workers import ALONE, Workers

IGNORED = -100  # the target that cross_entropy leaves out
MASKED_AS_MASK, MASKED_AS_RANDOM = 0.8, 0.1  # the rest of the chosen bases stay as they are
PSEUDOCOUNT = 1.0
CHUNK = 1 << 20  # bases counted at a time, as a whole chromosome would take gigabytes


class Masked(NamedTuple):
    """ids: (B, L) with masked bases; target: (B, L) the base to predict, `IGNORED` elsewhere"""

    ids: Tensor
    target: Tensor


def mask_bases(ids: Tensor, fraction: float, random: torch.Generator) -> Masked:
    """Choose `fraction` of the bases; 80 % become [MASK], 10 % a random base, 10 % stay.

    Source: Devlin et al. 2019 (BERT), as in Caduceus' pre-training.
    """
    bases = torch.tensor(BASES)
    chosen = (torch.rand(ids.shape, generator=random) < fraction) & torch.isin(ids, bases)
    fate = torch.rand(ids.shape, generator=random)
    other = bases[torch.randint(len(BASES), ids.shape, generator=random)]
    masked = torch.where(chosen & (fate < MASKED_AS_MASK), torch.tensor(MASK), ids)
    swapped = chosen & (fate >= MASKED_AS_MASK) & (fate < MASKED_AS_MASK + MASKED_AS_RANDOM)
    return Masked(torch.where(swapped, other, masked), torch.where(chosen, ids, torch.tensor(IGNORED)))


def all_hidden(masked: Masked) -> Masked:
    """The same bases to predict, each as [MASK]: one that is shown could be read off, which no baseline can."""
    return Masked(torch.where(masked.target != IGNORED, torch.tensor(MASK), masked.ids), masked.target)


def draw_crops(sequences: Sequence[np.ndarray], n: int, length: int, random: torch.Generator) -> Tensor:
    """n crops (n, length) int64 from token arrays, each place equally likely; shorter sequences have none.

    Raises InputError where every sequence is shorter.
    """
    places = torch.tensor([max(0, len(sequence) - length + 1) for sequence in sequences])
    if not places.any():
        longest = max(map(len, sequences), default=0)
        raise InputError(f"dna.pretrain.crop_bp: no sequence has {length} bases, the longest has {longest}")
    ends = places.cumsum(0)
    drawn = torch.randint(int(ends[-1]), (n,), generator=random)
    record = torch.searchsorted(ends, drawn, right=True)
    start = drawn - (ends - places)[record]
    crops = [sequences[r][s : s + length] for r, s in zip(record.tolist(), start.tolist(), strict=True)]
    return torch.from_numpy(np.stack(crops).astype(np.int64))


def either_strand(crops: Tensor, random: torch.Generator) -> Tensor:
    """Each crop (n, length) as it is, or its reverse complement, with even odds."""
    turned = torch.rand(len(crops), generator=random) < 0.5
    return torch.where(turned.unsqueeze(1), reverse_complement_ids(crops), crops)


class Pretrained(NamedTuple):
    model: MaskedLanguageModel
    training: TrainingResult


class _Pretraining:
    """Crops, their masks, and loss and scores over them; the `Trainable` of the loop."""

    criterion = "validation_loss"

    def __init__(
        self,
        train: Sequence[str],
        validation: Sequence[str],
        model: MaskedLanguageModel,
        config: PretrainConfig,
        seed: int,
        workers: Workers,
        scored: PretrainConfig,
    ) -> None:
        self.device = resolve_device(config.trainer.device)
        self.model, self.config, self.workers = model.to(self.device), config, workers
        self.n_rows = config.crops_per_epoch
        self.sequences = [unknown_as_pad(encode(sequence)) for sequence in train]
        random = torch.Generator().manual_seed(seed)
        held_out = [unknown_as_pad(encode(sequence)) for sequence in validation]
        crops = draw_crops(held_out, scored.validation_crops, scored.crop_bp, random)
        self.validation = all_hidden(mask_bases(crops, scored.mask_fraction, random))
        self.amp = config.trainer.amp and self.device.type == "cuda"

    def losses(self, masked: Masked) -> tuple[Tensor, Tensor]:
        """Cross-entropy and right-or-wrong of each base to predict."""
        target = masked.target.to(self.device)
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.amp):
            logits = self.model(masked.ids.to(self.device)).float()
        chosen = target != IGNORED
        logits, target = logits[chosen], target[chosen]
        return F.cross_entropy(logits, target, reduction="none"), logits.argmax(-1) == target

    def optimizer(self) -> torch.optim.Optimizer:
        return adamw(self.model, self.config.trainer)

    def terms(self, rows: Tensor, random: torch.Generator, epoch: int) -> dict[str, Tensor]:
        """The loss on as many new crops as `rows`."""
        crops = draw_crops(self.sequences, len(rows), self.config.crop_bp, random)
        if not self.model.config.rcps:  # an rcps model gives both strands the same loss as it is
            crops = either_strand(crops, random)
        losses, _ = self.losses(mask_bases(crops, self.config.mask_fraction, random))
        loss = losses.sum() / max(1, len(losses))  # crops of N alone have nothing to predict
        return {"loss": loss}

    @torch.no_grad()
    def validate(self) -> Validation:
        size = self.config.trainer.batch_size
        chunks = [Masked(*each) for each in zip(*(part.split(size) for part in self.validation), strict=True)]
        counts = [int((chunk.target != IGNORED).sum()) for chunk in chunks]
        found = torch.zeros(2, sum(counts), device=self.device)  # loss, and right or wrong, of each base to predict
        for chunk, place in self.workers.turns(list(zip(chunks, found.split(counts, dim=1), strict=True))):
            place[0], place[1] = self.losses(chunk)
        losses, right = self.workers.sum(found)
        loss, accuracy = float(losses.mean()), float(right.mean())
        perplexity = math.exp(loss)
        scores = {"validation_loss": loss, "validation_perplexity": perplexity, "validation_accuracy": accuracy}
        return Validation(scores)


def pretrain(
    train: Sequence[str],
    validation: Sequence[str],
    architecture: NetworkConfig,
    config: PretrainConfig,
    seed: int,
    checkpoints: Path | None = None,
    on_epoch: Callable[[EpochLog], None] | None = None,
    workers: Workers = ALONE,
    scored: PretrainConfig | None = None,
    until: int | None = None,
) -> Pretrained:
    """Train a new backbone to predict masked bases of the `train` sequences; scored on the `validation` ones.

    checkpoints: folder of the states to go on from, one for all workers
    scored: by which crops and masks of the validation sequences are drawn, so that trainings of other crops and masks
        are scored on the same bases; None: `config`
    until: epochs after which to stop, on the schedule of all; None: all
    """
    torch.manual_seed(seed)
    model = new_backbone(architecture)
    task = _Pretraining(train, validation, model, config, seed, workers, scored or config)
    data = fingerprint([*map(torch.from_numpy, task.sequences), *task.validation])
    described = [architecture.to_mapping(), config.crop_bp, config.mask_fraction, data]
    return Pretrained(model, trainer_of(task, config, seed, described, workers).run(checkpoints, on_epoch, until=until))


def _codes(ids: np.ndarray, flank: int) -> np.ndarray:
    """Of tokens (L,): a number for each base among its 2 x flank neighbours, where all are known; modulo 4 the base."""
    code = ids.astype(np.int64) - BASES[0]
    n = max(0, len(code) - 2 * flank)
    places = [flank, *(k for k in range(2 * flank + 1) if k != flank)]
    columns = np.stack([code[k : k + n] for k in places])
    known = ((columns >= 0) & (columns < len(BASES))).all(axis=0)
    return (len(BASES) ** np.arange(len(places)) @ columns)[known]


def _counts(sequences: Sequence[str], flank: int) -> np.ndarray:
    """How often each base (second axis) stands in each context, (4 ** (2 flank), 4)."""
    counts = np.zeros(len(BASES) ** (2 * flank + 1))
    for sequence in sequences:
        for start in range(0, len(sequence), CHUNK):
            piece = sequence[max(0, start - flank) : start + CHUNK + flank]
            np.add.at(counts, _codes(encode(piece), flank), 1)
    return counts.reshape(-1, len(BASES))


def context_loss(train: Sequence[str], validation: Sequence[str], flank: int) -> float:
    """Cross-entropy in nats per base of the frequency of a base given `flank` bases on either side.

    Counted on `train` with one pseudocount a base; 0 bases of context give the entropy of the composition. The
    neighbours are all known here, where the network has some of them masked.
    """
    counts = _counts(train, flank) + PSEUDOCOUNT
    share = counts / counts.sum(axis=1, keepdims=True)
    found = _counts(validation, flank)
    return float(-(found * np.log(share)).sum() / found.sum())
