"""Attribute the model's mean and log-variance to the frames of test tracks -> attribution.npz, lag_profile.csv, …"""

import numpy as np

from contactlens.files import read_json, write_aside
from contactlens.ops.params import load_params
from contactlens.ops.stage import stage
from contactlens.torch_setup import resolve_device, seed_everything
from contactlens.tracks.dataset import batch_of
from contactlens.tracks.explain import Response, explain, reference_distance
from contactlens.tracks.models.checkpoint import load_model
from contactlens.tracks.simulate import contact_kernel, simulation_of
from contactlens.tracks.tasks import channel_names, model_input
from contactlens.tracks.track_set import TrackSet


def true_response(tracks: TrackSet, lag_max_s: float) -> Response | None:
    """The simulator's mean signal after a contact; None for real tracks."""
    simulation = simulation_of(tracks)
    if simulation is None:
        return None
    lags = np.arange(0.0, lag_max_s + 1, 1.0)
    return Response(lags, contact_kernel(simulation, lags))


def main() -> None:
    params = load_params()
    tracks, splits = TrackSet.read("data/tracks"), read_json("models/tracks/splits.json")
    model, spec = load_model("models/tracks/model.safetensors")
    device = resolve_device(params.tracks.fit.device)
    seed_everything(params.seed, params.tracks.fit.threads)
    train, test = batch_of(tracks, splits["train"]), batch_of(tracks, splits["test"]).to(device)
    config = params.tracks.explain
    explanation = explain(
        model.to(device),
        model_input(spec.resolved_task, test),
        test.observed,
        test.track_ids,
        channels=channel_names(spec.resolved_task, spec.driver.columns),
        frame_interval_s=test.frame_interval_s,
        far=reference_distance(train.driver, train.observed, config.reference_quantile),
        config=config,
        seed=params.seed,
        response=true_response(tracks, config.lag_max_s),
    )
    for name in ("lag_profile", "faithfulness", "deletion_curve"):
        with write_aside(f"reports/tracks/{name}.csv") as aside:
            getattr(explanation, name).to_csv(aside, index=False)
    with write_aside("reports/tracks/attribution.npz") as aside, aside.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **explanation.arrays)


if __name__ == "__main__":
    stage(main)
