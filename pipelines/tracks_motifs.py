"""Contact histories that the promoted model relies on, beside a control's -> reports/tracks/motifs."""

from pathlib import Path

from contactlens.base.files import read_json, write_aside, write_json
from contactlens.base.progress import counted
from contactlens.base.torch_setup import seed_everything
from contactlens.ops.params import Params, load_params
from contactlens.ops.params.strict import from_mapping
from contactlens.ops.registry.champion import TRAINING
from contactlens.ops.stage import stage
from contactlens.tracks.data.batch import TrackBatch
from contactlens.tracks.data.dataset import batch_of
from contactlens.tracks.data.track_set import TrackSet
from contactlens.tracks.explanation.motifs.analysis import (
    compare_motifs,
    temporal_motifs,
    with_drivers_exchanged,
    write_temporal_motifs,
)
from contactlens.tracks.explanation.truth import true_memories
from contactlens.tracks.models.checkpoint import load_model
from contactlens.tracks.models.tasks import model_input
from contactlens.tracks.models.track_model import TrackModel
from contactlens.tracks.training.config import TrainingConfig
from contactlens.tracks.training.training import spec_of, train_model

CHAMPION, OUT = Path("models/tracks/champion"), "reports/tracks/motifs"


def control_of(tracks: TrackSet, train: TrackBatch, validation: TrackBatch, seed: int) -> TrackModel:
    """The same model trained on tracks whose drivers were exchanged between tracks."""
    chosen = from_mapping(read_json(CHAMPION / TRAINING), TrainingConfig, "", str(CHAMPION / TRAINING))
    train, validation = (with_drivers_exchanged(batch, seed) for batch in (train, validation))
    return train_model(spec_of(chosen, tracks, train), chosen, train, validation, seed).model


def refusal() -> tuple[str, list[str]] | None:
    """Why no search is made, with the rules of promotion behind it; None where one is."""
    described = read_json(CHAMPION / "champion.json")
    if described["champion"] is None:
        return "no model passes the rules of promotion", described["reasons"]
    model, _ = load_model(CHAMPION / "model.safetensors")
    return None if model.distance_gate is not None else ("the model has no gate", described["reasons"])


def search(params: Params, aside: Path) -> None:
    model, _ = load_model(CHAMPION / "model.safetensors")
    config = params.tracks.motifs
    tracks, splits = TrackSet.read("data/tracks"), read_json("models/tracks/splits.json")
    train, validation, test = (batch_of(tracks, splits[name]) for name in ("train", "validation", "test"))
    seed_everything(params.seed, params.tracks.fit.threads)
    found = {}
    models = {"network": model, "control": control_of(tracks, train, validation, params.seed)}
    for name, one in counted(models.items(), "models searched by TF-MoDISco"):
        (aside / name).mkdir()
        found[name] = temporal_motifs(
            one.eval(),
            model_input(one.task, test),
            test.observed,
            test.track_ids,
            radius=model.gate_midpoint,
            frame_interval_s=test.frame_interval_s,
            config=config,
            seed=params.seed,
            hdf5=aside / name / "modisco.h5",
            memories=true_memories(tracks, model.task, config.lag_max_s),
        )
        write_temporal_motifs(found[name], aside / name)
    compare_motifs(found).to_csv(aside / "comparison.csv", index=False)


def main() -> None:
    params, refused = load_params(), refusal()
    with write_aside(OUT) as aside:
        aside.mkdir()
        if refused is None:
            search(params, aside)
        else:
            write_json(aside / "summary.json", {"patterns": 0, "reason": refused[0], "rules": refused[1]})


if __name__ == "__main__":
    stage(main, lambda params: params.tracks.fit)
