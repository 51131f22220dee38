"""Which backbone the classifier stands on: one trained here, or a user's checkpoint."""

from pathlib import Path

from contactlens.base.settings import PositiveInt, rule, settings
from contactlens.dna.data.names import CHECKPOINT
from contactlens.dna.models.caduceus import CaduceusConfig, SsmConfig

PRETRAIN = "pretrain"
RANDOM = "random"


@settings
class BackboneConfig:
    """source: `pretrain` for a model of the size below, trained on the windows' own training chromosomes, `random` for
        one that is not (the control of pre-training); else a checkpoint in the published format, which brings its own
        sizes: CHECKPOINT, where `contactlens dna run --checkpoint FOLDER` puts it, or its name on the hub
    d_model, n_layer, d_state, rcps, fused_add_norm: as in Caduceus' own configuration
    """

    source: str
    d_model: PositiveInt
    n_layer: PositiveInt
    d_state: PositiveInt
    rcps: bool
    fused_add_norm: bool

    @rule
    def _source_is_no_folder(self) -> None:
        if not self.source.strip():
            raise ValueError("source must be `pretrain`, `random`, a checkpoint or a name on the hub")
        if self.source != CHECKPOINT and (self.source[0] in "./~" or Path(self.source).is_dir()):
            how = "start with `contactlens dna run --checkpoint FOLDER`, so that DVC sees what is in it"
            raise ValueError(f"source must be no folder but {CHECKPOINT}, got {self.source!r}; {how}")

    @property
    def architecture(self) -> CaduceusConfig:
        return CaduceusConfig(
            d_model=self.d_model,
            n_layer=self.n_layer,
            rcps=self.rcps,
            fused_add_norm=self.fused_add_norm,
            ssm_cfg=SsmConfig(d_state=self.d_state),
        )
