"""A run's metrics beside the reproduced ones, in the terminal."""

from rich.console import Console
from rich.table import Table

from contactlens.ops.runs.reproduce import Reproduction


def show(done: Reproduction, rtol: float) -> bool:
    """Print the warnings and the table; whether all metrics agree, and there is at least one."""
    console = Console(highlight=False)
    for warning in done.warnings:
        console.print(f"warning: {warning}", soft_wrap=True, markup=False)
    rows = done.compared(rtol)
    table = Table(title=f"{done.origin.stage}, run {done.origin.run_id}", title_justify="left")
    for name in ("metric", "run", "reproduced", ""):
        table.add_column(name, justify="left" if name in ("metric", "") else "right", overflow="fold")
    for row in rows:
        agreement = "agrees" if row.agrees else "[bold red]disagrees"
        table.add_row(row.metric, f"{row.original:.9g}", f"{row.reproduced:.9g}", agreement)
    console.print(table)
    agreeing = sum(row.agrees for row in rows)
    console.print(f"{agreeing} of {len(rows)} metrics agree (relative difference up to {rtol:g})")
    return agreeing == len(rows) > 0
