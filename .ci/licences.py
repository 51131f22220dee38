"""The licence of every locked package, as the installed package states it; one that states none fails.

Run it with the project's own Python: `.venv/bin/python .ci/licences.py`.
"""

import re
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

LOCK = Path(__file__).parents[1] / "requirements.lock"
# Read from the project's own licence file where the package's metadata say nothing.
READ = {"hdf5plugin": "MIT AND BSD AND Zlib", "huey": "MIT", "skops": "MIT"}
WIDTH = 60


def locked(lock: Path) -> Iterator[str]:
    """Names of the packages that a lock file pins."""
    for line in lock.read_text().splitlines():
        if pinned := re.match(r"([A-Za-z0-9._-]+)==", line):
            yield pinned[1]


def licence_of(found: Distribution) -> str:
    """Licence expression, else the classifiers, else the first line of the free text; '' where nothing is stated."""
    if expression := found.metadata.get("License-Expression"):
        return expression
    classifiers = [one.split(" :: ") for one in found.metadata.get_all("Classifier") or ()]
    if named := [one[-1] for one in classifiers if one[0] == "License" and one[-1] != "OSI Approved"]:
        return "; ".join(named)
    stated = (found.metadata.get("License") or "").strip().splitlines()
    return stated[0][:WIDTH] if stated else READ.get(found.name, "")


def main(lock: Path = LOCK) -> int:
    unknown = []
    for name in locked(lock):
        try:
            found = distribution(name)
        except PackageNotFoundError:
            unknown.append(f"{name}: not installed")
            continue
        if licence := licence_of(found):
            print(f"{found.name:<32} {found.version:<16} {licence}")
        else:
            unknown.append(f"{name}: states no licence")
    for line in unknown:
        print(f"licences: {line}", file=sys.stderr)
    return 1 if unknown else 0


if __name__ == "__main__":
    sys.exit(main())
