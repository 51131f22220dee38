"""Check windows and splits with Great Expectations; stop here if one fails -> reports/dna/validation.json."""

from contactlens.base.files import read_json
from contactlens.dna.data.checks import validate_windows
from contactlens.dna.data.window_set import WindowSet
from contactlens.ops.params import load_params
from contactlens.ops.stage import stage


def main() -> None:
    params = load_params()
    checked = validate_windows(
        WindowSet.read("data/dna"),
        params.dna.checks,
        "data/dna/windows.parquet",
        splits=read_json("models/dna/splits.json"),
        data_docs="reports/dna/data_docs",
    )
    checked.write("reports/dna/validation.json")


if __name__ == "__main__":
    stage(main)
