"""Simulate tracks, or take up the tracks that were imported: -> data/tracks."""

from contactlens.ops.params import load_params
from contactlens.ops.stage import stage
from contactlens.tracks.data.track_set import TrackSet
from contactlens.tracks.simulation.simulators import simulate_by


def main() -> None:
    params = load_params()
    own = params.tracks
    if own.source == "import":
        tracks = TrackSet.read("data/import/tracks")
    else:
        tracks = simulate_by(own.resolved_task.simulator, own.simulate, own.toy, params.seed)
    tracks.write("data/tracks")


if __name__ == "__main__":
    stage(main)
