"""Which tests protect what: a page with a row for each room, from what pytest timed and coverage saw.

make test PYTEST_ARGS=--junitxml=fast.xml
coverage run --source=src/contactlens -m pytest && coverage json -o coverage.json
python .ci/test_table.py fast.xml --covered coverage.json --page docs/tests.md
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "contactlens"
WHOLE = "whole project"
SLOWEST = 10


@dataclass
class Row:
    tests: int = 0
    skipped: int = 0
    seconds: float = 0.0
    slowest: tuple[float, str] = (0.0, "")
    files: set[str] = field(default_factory=set)


def room_of(module: str) -> str:
    """`tests.dna.models.test_scan` -> `dna/models`; what lies in no folder protects the whole project."""
    return "/".join(module.split(".")[1:-1][:2]) or WHOLE


def cases(files: list[Path]) -> list[tuple[str, str, float, bool]]:
    """(module, name, seconds with its set-up, skipped) of every test; a test in several files counts once, the last."""
    found = {}
    for path in files:
        for case in ElementTree.parse(path).iter("testcase"):
            key = case.attrib["classname"], case.attrib["name"]
            found[key] = (*key, float(case.attrib["time"]), case.find("skipped") is not None)
    return list(found.values())


def rows_by_room(found: list[tuple[str, str, float, bool]]) -> dict[str, Row]:
    rows: dict[str, Row] = defaultdict(Row)
    for module, name, seconds, skipped in found:
        row = rows[room_of(module)]
        row.tests += 1
        row.skipped += skipped
        row.seconds += seconds
        row.files.add(module)
        row.slowest = max(row.slowest, (seconds, f"{module.split('.')[-1]}::{name}"))
    return dict(sorted(rows.items(), key=lambda item: (item[0] == WHOLE, item[0])))


def statements(room: str, covered: Mapping[str, Mapping[str, int]]) -> tuple[int, int]:
    """How many a room's source has, and how many of them ran; `covered` is coverage's summary by file."""
    folder = PACKAGE if room == WHOLE else PACKAGE / room
    inside = [summary for path, summary in covered.items() if (ROOT / path).is_relative_to(folder)]
    all_of, ran = (sum(summary[key] for summary in inside) for key in ("num_statements", "covered_lines"))
    return all_of, ran


def page(
    rows: dict[str, Row], found: list[tuple[str, str, float, bool]], covered: Mapping[str, Mapping[str, int]]
) -> str:
    lines = [
        "# Which tests protect what",
        "",
        "A test in `tests/<room>` protects `src/contactlens/<room>`. `.ci/test_table.py` made the table and the list",
        "of the fast tests from what pytest timed, set-up included, and from the statements that coverage saw run in",
        "pytest's own process: what numba compiles and what a test starts as a command counts as not run. The seconds",
        "are of one run on two shared cores: compare the shares.",
        "",
        "| room | statements, of them run | test files | tests | skipped | seconds | slowest test (s) |",
        "|---|---|---|---|---|---|---|",
    ]
    for room, row in rows.items():
        slowest = f"`{row.slowest[1]}` ({row.slowest[0]:.1f})"
        counts = f"{_ran(room, covered)} | {len(row.files)} | {row.tests:,} | {row.skipped} | {row.seconds:.0f}"
        lines.append(f"| {room} | {counts} | {slowest} |")
    tests, skipped = len(found), sum(row.skipped for row in rows.values())
    files, seconds = sum(len(row.files) for row in rows.values()), sum(row.seconds for row in rows.values())
    lines += [f"| all | {_ran(WHOLE, covered)} | {files} | {tests:,} | {skipped} | {seconds:.0f} | |", ""]
    lines += [f"The slowest {SLOWEST}:", ""]
    ordered = sorted(found, key=lambda case: -case[2])[:SLOWEST]
    lines += [f"- {took:.1f} s `{module.replace('.', '/')}.py::{name}`" for module, name, took, _ in ordered]
    return "\n".join(lines) + "\n"


def _ran(room: str, covered: Mapping[str, Mapping[str, int]]) -> str:
    all_of, ran = statements(room, covered)
    return f"{all_of:,}, {ran / all_of:.0%}" if all_of else "-"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("junit", nargs="+", type=Path, help="what `pytest --junitxml` wrote")
    parser.add_argument("--covered", type=Path, required=True, help="what `coverage json` wrote")
    parser.add_argument("--page", type=Path, help="page to write; without it the table is printed")
    arguments = parser.parse_args()
    found = cases(arguments.junit)
    files = json.loads(arguments.covered.read_text())["files"]
    text = page(rows_by_room(found), found, {path: file["summary"] for path, file in files.items()})
    if arguments.page:
        arguments.page.write_text(text)
    else:
        print(text, end="")


if __name__ == "__main__":
    main()
