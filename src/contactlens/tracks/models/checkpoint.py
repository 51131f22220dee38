"""A trained model as one safetensors file whose metadata hold its configuration; loading it runs no code."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from contactlens.base.errors import InputError
from contactlens.base.files import write_aside
from contactlens.tracks.data.track_set import Driver
from contactlens.tracks.models.config import GateConfig, ModelConfig
from contactlens.tracks.models.scaling import Scaling
from contactlens.tracks.models.tasks import Task, task_named
from contactlens.tracks.models.track_model import TrackModel
from contactlens.tracks.simulation.loading_grid import LoadingGrid

FORMAT = "contactlens-tracks-1"


@dataclass(frozen=True)
class ModelSpec:
    """Everything about a model but its weights. grid: that of its latents; None where it has none."""

    task: str
    driver: Driver
    model: ModelConfig
    gate: GateConfig
    scaling: Scaling
    frame_interval_s: float
    signal_unit: str
    grid: LoadingGrid | None = None

    def build(self) -> TrackModel:
        """The untrained model."""
        return TrackModel(
            self.model,
            self.gate,
            self.scaling,
            self.resolved_task,
            driver_channels=len(self.driver.columns),
            grid=self.grid,
        )

    @property
    def resolved_task(self) -> Task:
        return task_named(self.task)

    def to_json(self) -> str:
        return json.dumps({"format": FORMAT, **asdict(self)}, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "ModelSpec":
        """Raises ValueError where the text is not what `to_json` writes."""
        raw = json.loads(text)
        if raw.pop("format", None) != FORMAT:
            raise ValueError(f"not a {FORMAT} description")
        return TypeAdapter(cls).validate_json(json.dumps(raw))


def save_model(model: TrackModel, spec: ModelSpec, path: Path | str) -> None:
    """Write weights and spec. One metadata key only: safetensors writes several in no fixed order."""
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    with write_aside(path) as aside:
        aside.write_bytes(save(state, metadata={"contactlens": spec.to_json()}))


def load_model(path: Path | str) -> tuple[TrackModel, ModelSpec]:
    """The model, ready to predict, and its spec.

    Raises InputError where the file is missing, truncated, or not written by `save_model`.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such model file")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    except SafetensorError as error:
        raise InputError(f"{path}: not a readable safetensors file ({error})") from error
    if "contactlens" not in metadata:
        raise InputError(f"{path}: holds no contactlens model description")
    try:
        spec = ModelSpec.from_json(metadata["contactlens"])
        model = spec.build()
        model.load_state_dict(state)
    except (ValueError, KeyError, TypeError, RuntimeError) as error:
        raise InputError(f"{path}: not a contactlens tracks model ({error})") from error
    return model.eval(), spec
