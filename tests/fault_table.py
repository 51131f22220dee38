"""The table of docs/reliability.md: what each injected fault did, as the tests that injected it saw it."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from contactlens.reporting.files import replace_marked

PROPERTY = "fault"
COLUMNS = ("fault", "happened", "lost")


def table_of(rows: list[Mapping[str, str]]) -> str:
    """Markdown, a line a fault, in alphabetical order; what several tests saw alike is one line."""
    lines = ["| fault | what happened | what was lost |", "|---|---|---|"]
    cells = sorted({tuple(row[column].replace("|", "\\|") for column in COLUMNS) for row in rows})
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in cells)])


class FaultTable:
    """Pytest plugin: gathers the faults of tests that passed, of all workers, and writes the table once all is well."""

    def __init__(self, page: Path) -> None:
        self.page, self.rows = page, list[Mapping[str, str]]()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" and report.passed:
            self.rows += [row for name, row in report.user_properties if name == PROPERTY and isinstance(row, Mapping)]

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        if exitstatus == pytest.ExitCode.OK and not hasattr(session.config, "workerinput"):
            self.page.write_text(replace_marked(self.page.read_text(), "faults", table_of(self.rows), str(self.page)))
