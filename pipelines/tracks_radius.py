"""Measure the contact radius from the tracks, with its interval, alternatives and checks -> reports/tracks/radius."""

from contactlens.ops.params import load_params
from contactlens.ops.runs.provenance import provenance
from contactlens.ops.runs.tracking import stage_run
from contactlens.ops.stage import stage
from contactlens.tracks.data.track_set import TrackSet
from contactlens.tracks.radius.run import measure_and_write

INPUTS = ["data/tracks", "reports/tracks/validation.json"]
FOLDER = "reports/tracks/radius"


def main() -> None:
    params = load_params()
    tracks, config, reporter = TrackSet.read(INPUTS[0]), params.tracks.radius, params.tracks.reporter
    verdict, metrics = measure_and_write(tracks, reporter, config, params.seed, FOLDER)
    with stage_run("radius", config, provenance(params.seed, INPUTS)) as run:
        run.log_metrics(metrics)
        run.client.log_artifacts(run.run_id, FOLDER, "radius")
    print(verdict.sentence)


if __name__ == "__main__":
    stage(main)
