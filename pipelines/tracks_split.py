"""Split the tracks by group into train, validation, calibration and test -> models/tracks/splits.json."""

from contactlens.base.files import write_json
from contactlens.ops.params import load_params
from contactlens.ops.stage import stage
from contactlens.tracks.data.split import split_tracks
from contactlens.tracks.data.track_set import TrackSet


def main() -> None:
    params = load_params()
    splits = split_tracks(TrackSet.read("data/tracks"), params.tracks.split, params.seed)
    write_json("models/tracks/splits.json", splits)


if __name__ == "__main__":
    stage(main)
