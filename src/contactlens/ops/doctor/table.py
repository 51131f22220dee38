"""The diagnosis for people and for machines."""

import json
from collections.abc import Sequence
from dataclasses import asdict

from rich.table import Column, Table
from rich.text import Text

from contactlens.ops.doctor.check import Check

STYLES = {"ok": "green", "warning": "yellow", "problem": "bold red"}


def as_table(checks: Sequence[Check]) -> Table:
    """A row a check, with what to do below what was found."""
    table = Table("check", "state", Column("found", overflow="fold"))
    for check in checks:
        found = Text(check.found)
        if check.remedy and check.state != "ok":
            found.append(f"\n-> {check.remedy}", style="italic")
        table.add_row(check.name, Text(check.state, style=STYLES[check.state]), found)
    return table


def as_json(checks: Sequence[Check]) -> str:
    """`{"checks": [...], "problems": n, "warnings": n}`."""
    counts = {f"{state}s": sum(check.state == state for check in checks) for state in ("problem", "warning")}
    return json.dumps({"checks": [asdict(check) for check in checks], **counts}, indent=2)
