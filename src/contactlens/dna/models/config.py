"""Settings of the network; imports no torch, so that reading params stays quick."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from contactlens.base.settings import NonNegativeInt, PositiveInt, rule, settings
from contactlens.dna.data.names import CHECKPOINT

if TYPE_CHECKING:
    from contactlens.dna.models.backbone import NetworkConfig

DILATED_CNN = "dilated_cnn"


Pooling = Literal["mean", "directed"]


PRETRAIN = "pretrain"


RANDOM = "random"


@settings
class DilatedCnnSizes:
    """n_layer: blocks, of dilation 1, 2, 4, ...
    kernel_size: taps of each convolution, odd
    """

    n_layer: PositiveInt
    kernel_size: PositiveInt


@settings
class BackboneConfig:
    """architecture: `caduceus`, or `dilated_cnn`, the baseline that goes through the same stages
    source: `pretrain` for a model of the size below, trained on the windows' own training chromosomes, `random` for
        one that is not (the control of pre-training); else a checkpoint in the published format, which brings its own
        architecture and sizes: CHECKPOINT, where `contactlens dna run --checkpoint FOLDER` puts it, or its name on the
        hub
    d_model: channels of a strand, of either architecture
    n_layer, d_state, rcps, fused_add_norm: as in Caduceus' own configuration
    dilated_cnn: its own sizes
    """

    architecture: Literal["caduceus", "dilated_cnn"]
    source: str
    d_model: PositiveInt
    n_layer: PositiveInt
    d_state: PositiveInt
    rcps: bool
    fused_add_norm: bool
    dilated_cnn: DilatedCnnSizes

    @rule
    def _source_is_no_folder(self) -> None:
        if not self.source.strip():
            raise ValueError("source must be `pretrain`, `random`, a checkpoint or a name on the hub")
        if self.source != CHECKPOINT and (self.source[0] in "./~" or Path(self.source).is_dir()):
            how = "start with `contactlens dna run --checkpoint FOLDER`, so that DVC sees what is in it"
            raise ValueError(f"source must be no folder but {CHECKPOINT}, got {self.source!r}; {how}")

    @rule
    def _dilated_cnn_can_be_built(self) -> None:
        if self.architecture == DILATED_CNN:
            self.network  # noqa: B018 (raises ValueError)

    @property
    def network(self) -> "NetworkConfig":
        """The sizes, as the network itself takes them."""
        from contactlens.dna.models.caduceus.config import CaduceusConfig, SsmConfig
        from contactlens.dna.models.dilated_cnn import DilatedCnnConfig

        if self.architecture == DILATED_CNN:
            return DilatedCnnConfig(self.d_model, self.dilated_cnn.n_layer, self.dilated_cnn.kernel_size)
        return CaduceusConfig(
            d_model=self.d_model,
            n_layer=self.n_layer,
            rcps=self.rcps,
            fused_add_norm=self.fused_add_norm,
            ssm_cfg=SsmConfig(d_state=self.d_state),
        )


@settings
class HeadConfig:
    """hidden: width of the head's one hidden layer
    pooling: of pairs. `mean`: an element's mean state. `directed`: the strands apart, and where in the element, read
        from enhancer to promoter: what orientation and order need
    detectors: rectified sums of a base's state that are pooled in place of the state itself; 0: the state
    """

    hidden: PositiveInt
    pooling: Pooling = "mean"
    detectors: NonNegativeInt = 0
