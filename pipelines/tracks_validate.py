"""Check the tracks with Great Expectations; stop here if an expectation fails -> reports/tracks/validation.json."""

from contactlens.ops.params import load_params
from contactlens.ops.stage import stage
from contactlens.tracks.data.checks import validate_tracks
from contactlens.tracks.data.track_set import TrackSet


def main() -> None:
    params = load_params()
    tracks = TrackSet.read("data/tracks")
    checked = validate_tracks(
        tracks, params.tracks.checks, "data/tracks/frames.parquet", data_docs="reports/tracks/data_docs"
    )
    checked.write("reports/tracks/validation.json")


if __name__ == "__main__":
    stage(main)
