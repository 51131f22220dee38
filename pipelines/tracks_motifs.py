"""Contact histories that the promoted kind of model relies on, beside a control's -> reports/tracks/motifs."""

from dataclasses import asdict

import numpy as np

from contactlens.files import read_json, write_aside, write_json
from contactlens.ops.params import Params, apply_best, load_params
from contactlens.ops.stage import stage
from contactlens.ops.strict import read_yaml
from contactlens.torch_setup import seed_everything
from contactlens.tracks.batch import TrackBatch
from contactlens.tracks.dataset import batch_of
from contactlens.tracks.models import TrackModel
from contactlens.tracks.models.checkpoint import load_model
from contactlens.tracks.motifs.analysis import (
    compare_motifs,
    temporal_motifs,
    with_drivers_exchanged,
    write_temporal_motifs,
)
from contactlens.tracks.simulate import contact_kernel, simulation_of
from contactlens.tracks.tasks import model_input
from contactlens.tracks.track_set import TrackSet
from contactlens.tracks.training import spec_of, train_model

MODEL, BEST, OUT = "models/tracks/model.safetensors", "models/tracks/best_params.yaml", "reports/tracks/motifs"
MEMORY_SHARE = 0.9


def memory_s(tracks: TrackSet, lag_max_s: float) -> float | None:
    """Lag by which the true response to a contact has given `MEMORY_SHARE` of its area; None for real tracks."""
    simulation = simulation_of(tracks)
    if simulation is None:
        return None
    lags = np.arange(0.0, lag_max_s + 1, 1.0)
    area = contact_kernel(simulation, lags).cumsum()
    return float(lags[np.searchsorted(area, MEMORY_SHARE * area[-1])])


def control_of(params: Params, tracks: TrackSet, train: TrackBatch, validation: TrackBatch) -> TrackModel:
    """The same model trained on tracks whose drivers were exchanged between tracks."""
    chosen = apply_best(params.tracks, read_yaml(BEST), BEST).training
    train, validation = (with_drivers_exchanged(batch, params.seed) for batch in (train, validation))
    return train_model(spec_of(chosen, tracks, train), chosen, train, validation, params.seed).model


def main() -> None:
    params = load_params()
    config = params.tracks.motifs
    decision = params.tracks.rules.decide(read_json("reports/tracks/metrics.json"), champion_score=None)
    model, _ = load_model(MODEL)
    with write_aside(OUT) as aside:
        aside.mkdir()
        if not decision.promote or model.distance_gate is None:
            reason = "the model has no gate" if decision.promote else "the model does not pass the rules of promotion"
            write_json(aside / "summary.json", {"patterns": 0, "reason": reason, "rules": asdict(decision)["reasons"]})
            return
        tracks, splits = TrackSet.read("data/tracks"), read_json("models/tracks/splits.json")
        train, validation, test = (batch_of(tracks, splits[name]) for name in ("train", "validation", "test"))
        seed_everything(params.seed, params.tracks.fit.threads)
        found = {}
        for name, one in {"network": model, "control": control_of(params, tracks, train, validation)}.items():
            (aside / name).mkdir()
            found[name] = temporal_motifs(
                one.eval(),
                model_input(one.task, test),
                test.observed,
                test.track_ids,
                radius=model.contact_radius,
                frame_interval_s=test.frame_interval_s,
                config=config,
                seed=params.seed,
                hdf5=aside / name / "modisco.h5",
                memory_s=memory_s(tracks, config.lag_max_s),
            )
            write_temporal_motifs(found[name], aside / name)
        compare_motifs(found).to_csv(aside / "comparison.csv", index=False)


if __name__ == "__main__":
    stage(main)
