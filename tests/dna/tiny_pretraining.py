"""A tiny pre-training, its network and sequence for it."""

import numpy as np

from contactlens.dna.models.caduceus import CaduceusConfig, SsmConfig
from contactlens.dna.training.config import PretrainConfig, TrainerConfig

CONFIG = PretrainConfig(
    workers=1,
    checkpoint_steps=0,
    crop_bp=64,
    crops_per_epoch=16,
    validation_crops=8,
    mask_fraction=0.15,
    trainer=TrainerConfig(
        learning_rate=1e-2,
        weight_decay=0.01,
        batch_size=8,
        accumulate=1,
        max_epochs=2,
        patience=2,
        warmup_share=0.1,
        gradient_clip=1.0,
        amp=False,
        device="cpu",
        threads=1,
    ),
)
SIZE = CaduceusConfig(d_model=8, n_layer=1, ssm_cfg=SsmConfig(d_state=2))


def genome(seed: int, n: int = 500) -> list[str]:
    return ["".join(np.random.default_rng(seed).choice(list("ACGT"), n))]
