"""The table of faults holds what passing tests saw, and nothing else of the page changes."""

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]
START, END = "<!-- faults: start -->", "<!-- faults: end -->"

TESTS = """
def test_seen(record_fault):
    record_fault("SIGKILL of a trial", "retried", "nothing")

def test_failed(record_fault):
    record_fault("not seen", "", "")
    assert False
"""


@pytest.mark.parametrize("workers", [[], ["-n", "2"]])
def test_only_faults_of_passing_tests_are_rows(pytester: pytest.Pytester, workers: list[str]) -> None:
    here = Path(__file__).parent
    pytester.makeconftest((here / "conftest.py").read_text())
    pytester.makepyfile(fault_table=(here / "fault_table.py").read_text(), test_it=TESTS)
    page = pytester.path / "page.md"
    page.write_text(f"before\n{START}\nold\n{END}\nafter\n")
    pytester.runpytest_subprocess("--fault-table", str(page), "-p", "no:cacheprovider", *workers)
    assert page.read_text() == (
        f"before\n{START}\n| fault | what happened | what was lost |\n|---|---|---|\n"
        f"| SIGKILL of a trial | retried | nothing |\n{END}\nafter\n"
    )
