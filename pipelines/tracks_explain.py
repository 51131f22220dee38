"""Attribute each output of the model to the frames of test tracks -> attribution.npz, lag_profile.csv, …"""

import numpy as np

from contactlens.base.files import read_json, write_aside
from contactlens.base.torch_setup import resolve_device, seed_everything
from contactlens.ops.params import load_params
from contactlens.ops.stage import stage
from contactlens.tracks.data.dataset import batch_of
from contactlens.tracks.data.track_set import TrackSet
from contactlens.tracks.explanation.explain import explain, reference_input, true_causes
from contactlens.tracks.models.checkpoint import load_model
from contactlens.tracks.models.tasks import channel_names, model_input

TABLES = ("lag_profile", "faithfulness", "deletion_curve", "insertion_curve", "attribution_methods")


def main() -> None:
    params = load_params()
    tracks, splits = TrackSet.read("data/tracks"), read_json("models/tracks/splits.json")
    model, spec = load_model("models/tracks/model.safetensors")
    device = resolve_device(params.tracks.fit.device)
    seed_everything(params.seed, params.tracks.fit.threads)
    train, test = batch_of(tracks, splits["train"]), batch_of(tracks, splits["test"]).to(device)
    config, task = params.tracks.explain, spec.resolved_task
    explanation = explain(
        model.to(device),
        model_input(task, test),
        test.observed,
        test.track_ids,
        head=model.head_name,
        channels=channel_names(task, spec.driver.columns),
        frame_interval_s=test.frame_interval_s,
        reference=reference_input(
            model_input(task, train), train.observed, model.driver_channels, config.reference_quantile
        ),
        config=config,
        seed=params.seed,
        truth=true_causes(tracks, task, test.track_ids, test.observed.size(1), config.lag_max_s),
    )
    for name in TABLES:
        with write_aside(f"reports/tracks/{name}.csv") as aside:
            getattr(explanation, name).to_csv(aside, index=False)
    with write_aside("reports/tracks/attribution.npz") as aside, aside.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **explanation.arrays)


if __name__ == "__main__":
    stage(main, lambda params: params.tracks.fit)
