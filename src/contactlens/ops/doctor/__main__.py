"""`python -m contactlens.ops.doctor MODULE ROOT FILE`: one examination; its rows -> FILE."""

import importlib
import sys
from dataclasses import asdict
from pathlib import Path

from contactlens.base.files import write_json


def main(module: str, root: str, file: str) -> None:
    rows = importlib.import_module(module).examine(Path(root))
    write_json(file, [asdict(row.without_secrets()) for row in rows])


if __name__ == "__main__":
    main(*sys.argv[1:])
