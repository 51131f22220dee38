"""The published config.json as a typed object, and back."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from contactlens.base.errors import InputError
from contactlens.dna.data.tokens import COMPLEMENT, VOCAB_SIZE
from contactlens.dna.data.tokens import N as LAST_TOKEN


def _check_types(config: Any) -> None:
    """Numbers and switches as declared; JSON may hold anything."""
    for one in fields(config):
        value = getattr(config, one.name)
        right = type(value) in (int, float) if one.type is float else type(value) is one.type
        if one.type in (bool, int, float) and not right:
            raise ValueError(f"{one.name} must be {one.type.__name__}, got {value!r}")


def _whole(token: Any) -> int:
    if type(token) is not int:
        raise ValueError(f"complement_map must hold whole numbers, got {token!r}")
    return token


def _part(key: str, part: type, content: Any) -> Any:
    """A nested section; an unknown key is refused, as what it asks for would not be done."""
    if not isinstance(content, Mapping):
        raise ValueError(f"{key} must be a mapping, got {content!r}")
    unknown = sorted(set(content) - {one.name for one in fields(part)})
    if unknown:
        raise ValueError(f"{key} has the unknown key {unknown[0]!r}")
    return part(**content)


@dataclass(frozen=True)
class SsmConfig:
    """Sizes of the Mamba mixer and how its step size starts; values as published."""

    d_state: int = 16
    d_conv: int = 4
    expand: int = 2
    dt_rank: int | Literal["auto"] = "auto"
    dt_min: float = 0.001
    dt_max: float = 0.1
    dt_init: Literal["random", "constant"] = "random"
    dt_scale: float = 1.0
    dt_init_floor: float = 1e-4
    conv_bias: bool = True
    bias: bool = False
    use_fast_path: bool = True


@dataclass(frozen=True)
class InitializerConfig:
    initializer_range: float = 0.02
    rescale_prenorm_residual: bool = True
    n_residuals_per_layer: int = 1


@dataclass(frozen=True)
class CaduceusConfig:
    """Field names and defaults of the published configuration.

    rcps: equivariant under reverse complement (`ps`), or not (`ph`)
    fused_add_norm: for `rcps` this selects between two different functions, see `Caduceus`; otherwise it has no effect
    complement_map: token -> token on the other strand
    """

    d_model: int
    n_layer: int
    rcps: bool = True
    vocab_size: int = VOCAB_SIZE
    pad_vocab_size_multiple: int = 8
    bidirectional: bool = True
    bidirectional_strategy: Literal["add", "ew_multiply"] = "add"
    bidirectional_weight_tie: bool = True
    fused_add_norm: bool = True
    residual_in_fp32: bool = False
    rms_norm: bool = True
    norm_epsilon: float = 1e-5
    complement_map: tuple[int, ...] = tuple(COMPLEMENT.tolist())
    ssm_cfg: SsmConfig = field(default_factory=SsmConfig)
    initializer_cfg: InitializerConfig = field(default_factory=InitializerConfig)

    def __post_init__(self) -> None:
        for part in (self, self.ssm_cfg, self.initializer_cfg):
            _check_types(part)
        if not self.bidirectional:
            raise ValueError("bidirectional: false is not supported: no published Caduceus is unidirectional")
        if self.bidirectional_strategy not in ("add", "ew_multiply"):
            raise ValueError(f"bidirectional_strategy must be add or ew_multiply, got {self.bidirectional_strategy!r}")
        if min(self.d_model, self.n_layer, self.ssm_cfg.d_state, self.ssm_cfg.d_conv, self.ssm_cfg.expand) < 1:
            raise ValueError("d_model, n_layer, d_state, d_conv and expand must be at least 1")
        if self.ssm_cfg.dt_rank != "auto" and (type(self.ssm_cfg.dt_rank) is not int or self.ssm_cfg.dt_rank < 1):
            raise ValueError(f"dt_rank must be auto or at least 1, got {self.ssm_cfg.dt_rank!r}")
        if not 0 < self.norm_epsilon < math.inf:
            raise ValueError(f"norm_epsilon must be positive and finite, got {self.norm_epsilon}")
        if self.vocab_size <= LAST_TOKEN:
            problem = "another tokenizer's, where bases have other numbers than in Caduceus' own"
            raise ValueError(f"vocab_size must be at least {LAST_TOKEN + 1}, got {self.vocab_size}: {problem}")
        complement = self.complement_map
        if (
            len(complement) != self.vocab_size
            or sorted(complement) != list(range(self.vocab_size))
            or any(complement[c] != t for t, c in enumerate(complement))
        ):
            raise ValueError("complement_map must map the tokens 0 to vocab_size - 1 onto each other, in pairs")

    @property
    def d_inner(self) -> int:
        return self.ssm_cfg.expand * self.d_model

    @property
    def dt_rank(self) -> int:
        rank = self.ssm_cfg.dt_rank
        return math.ceil(self.d_model / 16) if rank == "auto" else rank

    @classmethod
    def read(cls, folder: Path | str) -> "CaduceusConfig":
        """config.json of a folder in the published format; InputError for what is missing or not supported."""
        path = Path(folder) / "config.json"
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise InputError(f"{path}: no such file; a checkpoint folder holds config.json and the weights") from None
        except (ValueError, OSError, RecursionError) as error:
            raise InputError(f"{path}: not readable as JSON ({error})") from error
        if not isinstance(content, dict) or content.get("model_type") != "caduceus":
            kind = content.get("model_type") if isinstance(content, dict) else content
            raise InputError(f"{path}: model_type must be caduceus, got {kind!r}")
        return cls.from_mapping(content, str(path))

    @classmethod
    def from_mapping(cls, content: Mapping[str, Any], name: str) -> "CaduceusConfig":
        known = {one.name for one in fields(cls)}
        values = {key: value for key, value in content.items() if key in known and value is not None}
        try:
            if "complement_map" in values:
                # Keys may come in any order: as strings they sort 0, 1, 10, 11, ..., 2.
                by_token = {int(key): _whole(token) for key, token in values["complement_map"].items()}
                values["complement_map"] = tuple(by_token[token] for token in sorted(by_token))
            for key, part in (("ssm_cfg", SsmConfig), ("initializer_cfg", InitializerConfig)):
                values[key] = _part(key, part, values.get(key, {}))
            return cls(**values)
        except (TypeError, ValueError, AttributeError) as error:
            raise InputError(f"{name}: {str(error).replace('__init__() ', '').replace('.__init__()', '')}") from error

    def to_mapping(self) -> dict[str, Any]:
        """What config.json holds."""
        return {
            **asdict(self),
            "architectures": ["CaduceusForMaskedLM"],
            "complement_map": {str(token): other for token, other in enumerate(self.complement_map)},
            "model_type": "caduceus",
            "torch_dtype": "float32",
        }
