"""Every fault that a test of this folder records is a row of the page that `make reliability` writes."""

import ast
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "reliability.md"


def recorded() -> list[str]:
    """Faults that stand in a test as they are; names put together while it runs are left out."""
    nodes = [node for path in sorted(HERE.glob("*.py")) for node in ast.walk(ast.parse(path.read_text()))]
    calls = [node for node in nodes if isinstance(node, ast.Call) and ast.unparse(node.func) == "record_fault"]
    return [call.args[0].value for call in calls if isinstance(call.args[0], ast.Constant)]


def test_every_recorded_fault_is_a_row(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--fault-table"):
        pytest.skip("this run writes the page")
    rows = {line.removeprefix("| ").partition(" | ")[0] for line in PAGE.read_text().splitlines()}
    faults = recorded()
    assert len(faults) > 20
    assert [fault for fault in faults if fault.replace("|", "\\|") not in rows] == []
