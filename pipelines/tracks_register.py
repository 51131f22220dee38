"""Bring the MLflow registry in line with the pipeline's files and decide promotion.

Not a DVC stage: DVC does not know MLflow's store, so this looks at the registry itself, each time, and does nothing
where the version is there already.
"""

from pathlib import Path

import numpy as np

from contactlens.calibration import gaussian_nll
from contactlens.errors import InputError
from contactlens.files import read_json
from contactlens.ops.params import load_params
from contactlens.ops.provenance import provenance
from contactlens.ops.registry import Candidate, sync_registry
from contactlens.ops.stage import stage
from contactlens.tracks.batch import TrackBatch
from contactlens.tracks.dataset import batch_of
from contactlens.tracks.fit import predict
from contactlens.tracks.models.checkpoint import ModelSpec, load_model
from contactlens.tracks.tasks import model_input
from contactlens.tracks.track_set import TrackSet

DATA, SPLITS, MODEL = "data/tracks", "models/tracks/splits.json", "models/tracks/model.safetensors"
REPORTS = Path("reports/tracks")
ARTIFACTS = {
    "report": [Path("reports/report.html")],
    "figures": [REPORTS / "figures"],
    "attributions": [REPORTS / name for name in ("attribution.npz", "lag_profile.csv", "faithfulness.csv")],
    "tables": [REPORTS / name for name in ("metrics.csv", "trials.csv", "seeds.csv", "history.csv")],
    "validation": [REPORTS / "validation.json", REPORTS / "data_docs"],
}


def example_input(spec: ModelSpec, test: TrackBatch) -> np.ndarray:
    """Two test tracks as the served model takes them: NaN where a frame was not observed."""
    two = test.select([0, 1])
    x = model_input(spec.resolved_task, two)
    return x.masked_fill(~two.observed[:, None], float("nan")).numpy()


def test_nll(weights: Path, spec: ModelSpec, test: TrackBatch) -> float | None:
    """NLL of another model of this kind on the candidate's test tracks; None where it takes other data."""
    try:
        model, other = load_model(weights / Path(MODEL).name)
    except InputError:
        return None
    if (other.driver, other.signal_unit) != (spec.driver, spec.signal_unit):
        return None
    mean, sd = predict(model, model_input(other.resolved_task, test), test.observed, batch_size=16)
    seen = test.observed.numpy()
    return float(gaussian_nll(test.signal.numpy()[seen], mean[seen], sd[seen]).mean())


def main() -> None:
    params = load_params()
    tracks, splits = TrackSet.read(DATA), read_json(SPLITS)
    test = batch_of(tracks, splits["test"])
    model, spec = load_model(MODEL)
    candidate = Candidate(
        model=model,
        example=example_input(spec, test),
        weights=Path(MODEL),
        metrics=REPORTS / "metrics.json",
        history=REPORTS / "history.csv",
        params=params,
        tags=provenance(params.seed, [DATA, SPLITS, MODEL]),
        artifacts=ARTIFACTS,
    )
    done = sync_registry(candidate, params.tracks.promotion, lambda weights: test_nll(weights, spec, test))
    state = "registered" if done.created else "was registered before"
    print(f"{done.name} version {done.version} {state}; {'champion' if done.decision.promote else 'not promoted'}")
    print("\n".join(f"  {reason}" for reason in done.decision.reasons))


if __name__ == "__main__":
    stage(main)
