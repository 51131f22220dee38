"""Simulate windows, or take up the windows that were imported: -> data/dna."""

from contactlens.dna.data.window_set import WindowSet
from contactlens.dna.simulation.simulate import simulate_windows
from contactlens.ops.params import load_params
from contactlens.ops.stage import stage


def main() -> None:
    params = load_params()
    if params.dna.source == "import":
        windows = WindowSet.read("data/import_dna/windows")
    else:
        windows = simulate_windows(params.dna.simulate, params.seed)
    windows.write("data/dna")


if __name__ == "__main__":
    stage(main)
