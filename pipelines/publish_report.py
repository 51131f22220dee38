"""Add the report and its figures to the registered versions that they are about.

Not a DVC stage: it comes after the report, and DVC does not know MLflow's store, so this looks at the registry itself,
each time, and does nothing where all is there already.
"""

from pathlib import Path

from contactlens.base.files import read_json
from contactlens.ops.registry.register import attach
from contactlens.ops.stage import stage
from contactlens.ops.workspace import branches_of


def main() -> None:
    registered = {branch: Path("models", branch, "registered.json") for branch in branches_of()}
    for branch, path in registered.items():
        if not path.is_file():  # a pipeline cut short before the registration
            continue
        version = read_json(path)
        artifacts = {"report": [Path("reports/report.html")], "figures": [Path("reports", branch, "figures")]}
        attach(version["registered_model"], version["content_hash"], artifacts)


if __name__ == "__main__":
    stage(main)
