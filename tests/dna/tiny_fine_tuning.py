"""A tiny classifier, its fine-tuning and windows of 64 bases for it."""

import numpy as np
import torch

from contactlens.base.torch_setup import seed_everything
from contactlens.dna.data.batch import WindowBatch
from contactlens.dna.data.tokens import encode
from contactlens.dna.models.caduceus import Caduceus, CaduceusConfig, SsmConfig
from contactlens.dna.models.classifier import WindowClassifier
from contactlens.dna.models.config import HeadConfig
from contactlens.dna.training.config import FineTuneConfig, TrainerConfig

L = 64
ENHANCER, PROMOTER = slice(2, 28), slice(36, 62)
TRAINER = TrainerConfig(
    learning_rate=5e-3,
    weight_decay=0.01,
    batch_size=4,
    accumulate=1,
    max_epochs=3,
    patience=3,
    warmup_share=0.1,
    gradient_clip=1.0,
    amp=False,
    device="cpu",
    threads=1,
)
CONFIG = FineTuneConfig(
    workers=1,
    checkpoint_steps=0,
    trainer=TRAINER,
    unfrozen_layers=1,
    adapter_rank=0,
    layer_decay=1.0,
    class_weights="none",
    cache_frozen=False,
    cache_bfloat16=False,
    dropout=0.0,
    label_smoothing=0.0,
)


def build(seed: int = 0, hidden: int = 6, **changes: object) -> WindowClassifier:
    seed_everything(seed, 1)
    config = CaduceusConfig(**({"d_model": 8, "n_layer": 2, "ssm_cfg": SsmConfig(d_state=2)} | changes))
    return WindowClassifier(Caduceus(config), "pair", HeadConfig(hidden))


def windows(n: int, seed: int = 0, words: tuple[tuple[str, str], tuple[str, str]] | None = None) -> WindowBatch:
    """Random windows with labels by chance, or where `words` are given by whether the words in both elements match."""
    rng = np.random.default_rng(seed)
    ids = rng.integers(7, 11, (n, L))
    label = np.arange(n) % 2
    if words is not None:
        first = rng.integers(0, 2, n)
        second = np.where(label == 1, first, 1 - first)
        for row, kinds in enumerate(zip(first, second, strict=True)):
            for element, names, kind in zip((ENHANCER, PROMOTER), words, kinds, strict=True):
                start = int(rng.integers(element.start, element.stop - 8))
                ids[row, start : start + 8] = encode(names[kind])
    regions = np.zeros((n, 2, L), dtype=bool)
    regions[:, 0, ENHANCER], regions[:, 1, PROMOTER] = True, True
    names = [f"w{seed}_{row}" for row in range(n)]
    return WindowBatch(torch.from_numpy(ids), torch.from_numpy(regions), torch.from_numpy(label).float(), names)
