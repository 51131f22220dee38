"""Simulate tracks, or take up the tracks that were imported: -> data/tracks."""

from contactlens.ops.params import load_params
from contactlens.ops.stage import stage
from contactlens.tracks.simulate import simulate
from contactlens.tracks.simulate_toy import simulate_toy
from contactlens.tracks.track_set import TrackSet


def main() -> None:
    params = load_params()
    if params.tracks.source == "import":
        tracks = TrackSet.read("data/import/tracks")
    elif params.tracks.resolved_task.simulator == "random_walk":
        tracks = simulate_toy(params.tracks.toy, params.seed)
    else:
        tracks = simulate(params.tracks.simulate, params.seed)
    tracks.write("data/tracks")


if __name__ == "__main__":
    stage(main)
