"""Which backbone the classifier stands on: its architecture, where it comes from, and its files."""

import json
from pathlib import Path

import torch

from contactlens.dna.models.caduceus import CaduceusConfig, CaduceusForMaskedLM, load_caduceus, save_caduceus
from contactlens.dna.models.caduceus.strands import MaskedLanguageModel
from contactlens.dna.models.config import DILATED_CNN
from contactlens.dna.models.dilated_cnn import DilatedCnn, DilatedCnnConfig, load_dilated_cnn, save_dilated_cnn

NetworkConfig = CaduceusConfig | DilatedCnnConfig


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
    if _model_type(Path(source) / "config.json") == DILATED_CNN:
        return load_dilated_cnn(source, dtype)
    return load_caduceus(source, dtype)


def _model_type(path: Path) -> str | None:
    """None where the file can't be read: `load_caduceus` says why."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return content.get("model_type") if isinstance(content, dict) else None
