"""Split the windows by chromosome into train, validation, calibration and test -> models/dna/splits.json."""

from contactlens.base.files import write_json
from contactlens.dna.data.dataset import split_by_chromosome
from contactlens.dna.data.window_set import WindowSet
from contactlens.ops.params import load_params
from contactlens.ops.stage import stage


def main() -> None:
    params = load_params()
    splits = split_by_chromosome(WindowSet.read("data/dna"), params.dna.split, params.seed)
    write_json("models/dna/splits.json", splits)


if __name__ == "__main__":
    stage(main)
