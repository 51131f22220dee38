"""The table of faults holds what passing tests saw; nothing else of the page changes, nor it if a test failed."""

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]
START, END = "<!-- faults: start -->", "<!-- faults: end -->"

TESTS = """
import pytest

@pytest.mark.parametrize("twice", [1, 2])
def test_seen(record_fault, twice):
    record_fault("SIGKILL of a trial", "retried", "nothing")

@pytest.mark.MARK
def test_not_seen(record_fault):
    record_fault("not seen", "", "")
    assert False
"""
BEFORE = f"before\n{START}\nold\n{END}\nafter\n"
AFTER = (
    f"before\n{START}\n| fault | what happened | what was lost |\n|---|---|---|\n"
    f"| SIGKILL of a trial | retried | nothing |\n{END}\nafter\n"
)


IN_PROCESSES = [
    pytest.param(mark, written, ["-n", "2"], marks=pytest.mark.slow)
    for mark, written in (("xfail", AFTER), ("slow", BEFORE))
]


@pytest.mark.parametrize(("mark", "written", "workers"), [("xfail", AFTER, []), ("slow", BEFORE, []), *IN_PROCESSES])
def test_only_faults_of_passing_tests_are_rows_and_none_if_one_fails(
    pytester: pytest.Pytester, mark: str, written: str, workers: list[str]
) -> None:
    here = Path(__file__).parent
    pytester.makeconftest((here / "conftest.py").read_text())
    helpers = {name: (here / f"{name}.py").read_text() for name in ("fault_table", "reference_files")}
    pytester.makepyfile(**helpers, test_it=TESTS.replace("MARK", mark))
    page = pytester.path / "page.md"
    page.write_text(BEFORE)
    pytester.runpytest_inprocess("--slow", "--fault-table", str(page), "-p", "no:cacheprovider", *workers)
    assert page.read_text() == written
