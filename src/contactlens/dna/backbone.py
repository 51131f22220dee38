"""Which backbone the classifier stands on: one trained here, or a user's checkpoint."""

from dataclasses import dataclass

from contactlens.dna.caduceus import CaduceusConfig, SsmConfig

PRETRAIN = "pretrain"


@dataclass(frozen=True)
class BackboneConfig:
    """source: `pretrain` for a model of the size below, trained on the windows' own training chromosomes; else a
        checkpoint in the published format, by folder or by its name on the hub, which brings its own sizes
    d_model, n_layer, d_state, rcps, fused_add_norm: as in Caduceus' own configuration
    """

    source: str
    d_model: int
    n_layer: int
    d_state: int
    rcps: bool
    fused_add_norm: bool

    def __post_init__(self) -> None:
        if not self.source.strip():
            raise ValueError("dna.backbone.source must be `pretrain`, a folder or a name on the hub")
        for name in ("d_model", "n_layer", "d_state"):
            if getattr(self, name) < 1:
                raise ValueError(f"dna.backbone.{name} must be at least 1, got {getattr(self, name)}")

    @property
    def architecture(self) -> CaduceusConfig:
        return CaduceusConfig(
            d_model=self.d_model,
            n_layer=self.n_layer,
            rcps=self.rcps,
            fused_add_norm=self.fused_add_norm,
            ssm_cfg=SsmConfig(d_state=self.d_state),
        )
