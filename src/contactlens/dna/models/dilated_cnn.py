"""A dilated convolutional network in Caduceus' place, with the same embedding, residual stream, two strands and heads:
what a state-space model adds can then be told from what pre-training adds. Needs torch and numpy alone.

Blocks as in BPNet (Avsec et al. 2021, Nature Genetics 53:354): a convolution of doubling dilation on a residual stream.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from contactlens.base.errors import InputError
from contactlens.base.files import read_json, write_aside
from contactlens.dna.data.tokens import COMPLEMENT, VOCAB_SIZE
from contactlens.dna.models.caduceus.checkpoint import WEIGHTS, load_tensors, require_numbers
from contactlens.dna.models.caduceus.operations import UsesOperations
from contactlens.dna.models.caduceus.strands import MaskedLanguageModel, Norm, StrandBackbone
from contactlens.dna.models.config import DILATED_CNN

MOST_LAYERS = 24  # the last one's taps then lie 8 million bases apart
EMBEDDING_SD = 0.02


@dataclass(frozen=True)
class DilatedCnnConfig:
    """kernel_size: taps of each convolution, odd; block i has dilation 2 ** i, so that n_layer blocks see
    1 + (kernel_size - 1) * (2 ** n_layer - 1) bases around each.
    """

    d_model: int
    n_layer: int
    kernel_size: int
    norm_epsilon: float = 1e-5

    def __post_init__(self) -> None:
        for name in ("d_model", "n_layer", "kernel_size"):
            value = getattr(self, name)
            if type(value) is not int or value < 1:
                raise ValueError(f"{name} must be a whole number of at least 1, got {value!r}")
        if self.kernel_size % 2 == 0 or self.n_layer > MOST_LAYERS:
            raise ValueError(f"kernel_size must be odd and n_layer at most {MOST_LAYERS}, got {self}")
        if type(self.norm_epsilon) not in (int, float) or not 0 < self.norm_epsilon < math.inf:
            raise ValueError(f"norm_epsilon must be positive and finite, got {self.norm_epsilon!r}")

    @property
    def vocab_size(self) -> int:
        return VOCAB_SIZE

    @property
    def complement_map(self) -> tuple[int, ...]:
        return tuple(COMPLEMENT.tolist())

    @property
    def rcps(self) -> bool:
        return True

    @property
    def rms_norm(self) -> bool:
        return True

    @property
    def residual_in_fp32(self) -> bool:
        return False

    @classmethod
    def from_mapping(cls, content: Mapping[str, Any], name: str) -> "DilatedCnnConfig":
        """Raises InputError for a key that is unknown, missing or out of bounds."""
        known = {one.name for one in fields(cls)}
        unknown = sorted(set(content) - known - {"model_type"})
        if unknown:
            raise InputError(f"{name}: unknown key {unknown[0]!r}; a {DILATED_CNN} has {', '.join(sorted(known))}")
        try:
            return cls(**{key: value for key, value in content.items() if key in known})
        except (TypeError, ValueError) as error:
            raise InputError(f"{name}: {str(error).replace('DilatedCnnConfig.__init__() ', '')}") from error

    def to_mapping(self) -> dict[str, Any]:
        """What config.json holds."""
        return {**asdict(self), "model_type": DILATED_CNN}


class DilatedBlock(nn.Module, UsesOperations):
    """SiLU of a dilated convolution of the normed residual stream (B, L, d); zero beyond the ends."""

    def __init__(self, config: DilatedCnnConfig, dilation: int) -> None:
        super().__init__()
        self.norm = Norm(config)
        self.conv1d = nn.Conv1d(config.d_model, config.d_model, config.kernel_size, dilation=dilation)
        self.reach = dilation * (config.kernel_size // 2)

    def forward(self, residual: Tensor) -> Tensor:
        x = self.norm(residual).transpose(1, 2)  # (B, d, L)
        conv, bias = self.conv1d, self.conv1d.bias
        assert bias is not None
        total = F.conv1d(x, conv.weight, padding=self.reach, dilation=conv.dilation).transpose(1, 2)
        return self.operations.silu(self.operations.add_bias(total, bias))


class DilatedCnn(StrandBackbone):
    """Token ids (B, L) -> last hidden states of both strands (B, L, 2 d), as an rcps Caduceus gives them."""

    config: DilatedCnnConfig

    def block(self, config: DilatedCnnConfig, i: int) -> nn.Module:
        return DilatedBlock(config, 2**i)

    def initialise(self) -> None:
        nn.init.normal_(self.embedding.weight, std=EMBEDDING_SD)


def save_dilated_cnn(model: MaskedLanguageModel, folder: Path | str) -> None:
    """Write config.json and model.safetensors into `folder`, each aside and renamed."""
    from safetensors.torch import save

    tensors = {name: value.detach().cpu().contiguous() for name, value in model.backbone.state_dict().items()}
    with write_aside(Path(folder) / "config.json") as aside:
        aside.write_text(json.dumps(model.config.to_mapping(), indent=2, sort_keys=True) + "\n")
    with write_aside(Path(folder) / WEIGHTS) as aside:
        aside.write_bytes(save(tensors, metadata={"format": "pt"}))


def load_dilated_cnn(folder: Path | str, dtype: torch.dtype = torch.float32) -> MaskedLanguageModel:
    """The model of `save_dilated_cnn`.

    Raises InputError where a file, a tensor or its shape is not what config.json asks for.
    """
    folder = Path(folder)
    config = DilatedCnnConfig.from_mapping(read_json(folder / "config.json"), f"{folder}/config.json")
    try:
        tensors = load_tensors(folder / WEIGHTS)
        with torch.device("meta"):  # no size claims memory before it is known to fit the file
            DilatedCnn(config).load_state_dict(tensors, assign=True)
    except FileNotFoundError as error:
        raise InputError(f"{folder}: holds no {WEIGHTS}") from error
    except Exception as error:  # safetensors and torch each raise their own
        reason = " ".join(str(error).split())
        raise InputError(f"{folder / WEIGHTS}: truncated, or not what config.json asks for ({reason})") from error
    require_numbers(tensors, folder / WEIGHTS)
    backbone = DilatedCnn(config)
    backbone.load_state_dict(tensors)
    return MaskedLanguageModel(backbone).to(dtype).eval()
