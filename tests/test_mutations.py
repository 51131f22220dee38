"""The small faults that benchmarks/mutations.py makes: each where it should be, and the tests that it then runs."""

import ast
import runpy
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPT = runpy.run_path(str(ROOT / "benchmarks" / "mutations.py"))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("é = a < b\n", {"é = (a >= b)\n"}),
        ("c = a not in b\n", {"c = (a in b)\n"}),
        ("c = (a +\n     b)\n", {"c = ((a - b))\n"}),
        ("c = a * b / d\n", {"c = (a * b * d)\n", "c = (a / b) / d\n"}),
        ("c = 3\n", {"c = (4)\n"}),
        ("c = f(on=True)\n", {"c = f(on=(False))\n"}),
        ("c = not a\n", {"c = (a)\n"}),
        ("def f():\n    return a\n", {"def f():\n    return None\n"}),
        ("def f(a: Literal[1]) -> Literal[2]:\n    return None\n", set()),
        ("c = 'text' + f'{a}' + \"1\"\nwhile a < b < d: ...\n", set()),
    ],
)
def test_a_fault_changes_its_own_place_alone(source: str, expected: set[str]) -> None:
    found = {fault.applied(source) for fault in SCRIPT["faults_of"]("x.py", source)}
    assert found == expected
    for text in found:
        ast.parse(text)


def test_equal_seeds_draw_equal_faults_of_every_kind(tmp_path: Path) -> None:
    room = "src/contactlens/tracks/data/importing"

    shutil.copytree(ROOT / room, tmp_path / room)
    drawn = [SCRIPT["drawn"](tmp_path, 40, seed) for seed in (1, 1, 2)]
    one, again, other = ([(fault.file, fault.text) for fault in faults] for faults in drawn)
    assert one == again != other
    assert {fault.kind for fault in drawn[0]} == {"comparison", "operator", "number", "not", "return"}


def test_the_tests_of_a_fault_import_its_module_then_are_its_room_then_all() -> None:
    first, room, all_of_them = SCRIPT["tests_of"](ROOT, "src/contactlens/calibration/bootstrap.py")
    assert first[0] == "tests/calibration/test_calibration.py"
    assert room == ["tests/calibration"] and all_of_them[-1] == "tests"
    only, *_ = SCRIPT["tests_of"](ROOT, "src/contactlens/dna/models/no_such_module.py")
    assert only == ["tests/dna/models"]


@pytest.mark.slow
def test_faults_are_caught_or_not_and_the_table_goes_on_where_it_stopped(tmp_path: Path) -> None:
    room = tmp_path / "src" / "contactlens" / "base"
    tests = tmp_path / "tests" / "base"
    for folder in (room, tests):
        folder.mkdir(parents=True)
    (room.parent / "__init__.py").touch()
    (room / "__init__.py").touch()
    source = "def same(a):\n    unused = 7\n    return a\n"
    (room / "sums.py").write_text(source)
    (tests / "test_sums.py").write_text(
        "from contactlens.base.sums import same\n\ndef test_same():\n    assert same(3) == 3\n"
    )
    faults = list(SCRIPT["faults_of"]("src/contactlens/base/sums.py", source))
    table = tmp_path / "table.csv"
    SCRIPT["run"](tmp_path, faults[:1], table, 60.0)
    kept = table.read_text()
    SCRIPT["run"](tmp_path, faults, table, 60.0)
    assert table.read_text().startswith(kept) and (room / "sums.py").read_text() == source
    rows = [line.split(",") for line in table.read_text().splitlines()[1:]]
    found = {row[1]: row[6] for row in rows}
    assert len(rows) == 2 and found == {"number": "", "return": "tests/base/test_sums.py::test_same"}
