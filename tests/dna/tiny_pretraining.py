"""A tiny pre-training, its network and sequence for it."""

from dataclasses import replace

import numpy as np
from tiny_fine_tuning import TRAINER

from contactlens.dna.models.caduceus import CaduceusConfig, SsmConfig
from contactlens.dna.training.config import PretrainConfig

CONFIG = PretrainConfig(
    workers=1,
    checkpoint_steps=0,
    crop_bp=64,
    crops_per_epoch=16,
    validation_crops=8,
    mask_fraction=0.15,
    trainer=replace(TRAINER, learning_rate=1e-2, batch_size=8, max_epochs=2, patience=2),
)
SIZE = CaduceusConfig(d_model=8, n_layer=1, ssm_cfg=SsmConfig(d_state=2))


def genome(seed: int, n: int = 500) -> list[str]:
    return ["".join(np.random.default_rng(seed).choice(list("ACGT"), n))]
