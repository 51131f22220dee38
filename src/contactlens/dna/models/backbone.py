"""Which backbone the classifier stands on: its architecture, where it comes from, and its files."""

import json
from pathlib import Path
from typing import Literal

import torch

from contactlens.base.settings import PositiveInt, rule, settings
from contactlens.dna.data.names import CHECKPOINT
from contactlens.dna.models.caduceus import CaduceusConfig, CaduceusForMaskedLM, SsmConfig, load_caduceus, save_caduceus
from contactlens.dna.models.caduceus.strands import MaskedLanguageModel
from contactlens.dna.models.dilated_cnn import (
    MODEL_TYPE,
    DilatedCnn,
    DilatedCnnConfig,
    load_dilated_cnn,
    save_dilated_cnn,
)

PRETRAIN = "pretrain"
RANDOM = "random"
NetworkConfig = CaduceusConfig | DilatedCnnConfig


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
        if self.architecture == MODEL_TYPE:
            self.network  # noqa: B018 (raises ValueError)

    @property
    def network(self) -> NetworkConfig:
        """The sizes, as the network itself takes them."""
        if self.architecture == MODEL_TYPE:
            return DilatedCnnConfig(self.d_model, self.dilated_cnn.n_layer, self.dilated_cnn.kernel_size)
        return CaduceusConfig(
            d_model=self.d_model,
            n_layer=self.n_layer,
            rcps=self.rcps,
            fused_add_norm=self.fused_add_norm,
            ssm_cfg=SsmConfig(d_state=self.d_state),
        )


def new_backbone(network: NetworkConfig) -> MaskedLanguageModel:
    """A network of these sizes with new weights and its language-model head."""
    if isinstance(network, DilatedCnnConfig):
        return MaskedLanguageModel(DilatedCnn(network))
    return CaduceusForMaskedLM(network)


def save_backbone(model: MaskedLanguageModel, folder: Path | str) -> None:
    """Write config.json, which names the architecture, and model.safetensors into `folder`."""
    if isinstance(model.config, DilatedCnnConfig):
        save_dilated_cnn(model, folder)
    else:
        save_caduceus(model, folder)


def load_backbone(source: Path | str, dtype: torch.dtype = torch.float32) -> MaskedLanguageModel:
    """The model of `save_backbone`, or a Caduceus in the published format or on the hub: see `load_caduceus`.

    Raises InputError as the architecture's own loader does.
    """
    if _model_type(Path(source) / "config.json") == MODEL_TYPE:
        return load_dilated_cnn(source, dtype)
    return load_caduceus(source, dtype)


def _model_type(path: Path) -> str | None:
    """None where the file can't be read: `load_caduceus` says why."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return content.get("model_type") if isinstance(content, dict) else None
