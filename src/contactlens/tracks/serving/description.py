"""What travels beside a model's weights: how it was evaluated, what it was trained on, and how it is explained."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter

from contactlens.base.errors import InputError
from contactlens.base.files import read_json, require_file, write_json
from contactlens.tracks.data.config import CheckLimits
from contactlens.tracks.data.dataset import batch_of
from contactlens.tracks.data.track_set import TrackSet
from contactlens.tracks.explanation.config import ExplainConfig
from contactlens.tracks.models.tasks import model_input
from contactlens.tracks.models.track_model import TrackModel
from contactlens.tracks.serving.training_set import TrainingSet

FILE = "serving.json"
Form = Literal["network", "network_recalibrated", "ensemble", "ensemble_recalibrated"]
Interval = dict[str, float | None]


@dataclass(frozen=True)
class Description:
    """Of a model as it is served.

    evaluated: which form was evaluated, and is served
    metrics: of that form on the test split, {metric: {estimate, low, high}}
    training: what it was trained on
    limits: what was plausible in those data
    reference: (C,) input of no contact and no transcription, from which explanations start
    ig_steps: nodes of the path integral of an explanation
    """

    evaluated: Form
    metrics: dict[str, Interval]
    training: TrainingSet
    limits: CheckLimits
    reference: list[float]
    ig_steps: int

    @classmethod
    def of(
        cls,
        network: TrackModel,
        tracks: TrackSet,
        train: list[str],
        *,
        evaluated: Form,
        metrics: dict[str, Interval],
        limits: CheckLimits,
        explain: ExplainConfig,
        seed: int,
    ) -> "Description":
        """Of a network (of an ensemble: the seed that is explained) that was trained on the named tracks of a set; the
        others of the set were held out."""
        from contactlens.tracks.explanation.explainer import reference_input  # needs captum, which serving does without

        batch = batch_of(tracks, train)
        x = model_input(network.task, batch)
        reference = reference_input(x, batch.observed, network.driver_channels, explain.reference_quantile)
        training = TrainingSet.of(tracks, train, seed)
        return cls(evaluated, metrics, training, limits, reference.tolist(), explain.ig_steps)

    def write(self, path: Path | str) -> None:
        write_json(path, asdict(self))

    @classmethod
    def read(cls, path: Path | str) -> "Description":
        """Raises InputError where the file is missing or is not what `write` writes."""
        require_file(Path(path))
        try:
            return TypeAdapter(cls).validate_json(json.dumps(read_json(path)))
        except ValueError as error:
            raise InputError(f"{path}: not the description of a served model ({error})") from error
