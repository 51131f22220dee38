"""Counts of `contactlens.base.progress` in the terminal: a bar with the time left, or a plain line now and then."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from contactlens.base import progress

LINE_EVERY_S = 15.0
SPEED_OVER_S = 3600.0  # a step may take minutes


@contextmanager
def progress_shown(where: str, console: Console | None = None) -> Iterator[None]:
    """Show what is counted inside, unless it is shown already; `where` goes before each line."""
    if progress.is_shown():
        yield
        return
    console = console or Console(highlight=False)
    with _bars(console) as bars, progress.shown_by(TerminalDisplay(where, console, bars)):
        yield


def _bars(console: Console) -> Progress:
    """Redrawn by the counts alone: a thread that draws would not survive the forks of TF-MoDISco."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(
        *columns,
        console=console,
        auto_refresh=False,
        speed_estimate_period=SPEED_OVER_S,
        disable=not console.is_terminal,
    )


class TerminalDisplay:
    def __init__(self, where: str, console: Console, bars: Progress) -> None:
        self.where, self.console, self.bars = where, console, bars
        self.said_at = time.monotonic()

    @contextmanager
    def counting(self, what: str, total: float) -> Iterator["_Bar"]:
        task = self.bars.add_task(f"{self.where}: {what}", total=total)
        try:
            yield _Bar(self, task)
        finally:
            self.bars.remove_task(task)
            self.bars.refresh()

    def say(self, task: TaskID, note: str) -> None:
        """Where no bar can be drawn a line says how far it is, at most every LINE_EVERY_S; with a note, always."""
        now = time.monotonic()
        if not note and (self.console.is_terminal or now - self.said_at < LINE_EVERY_S):
            return
        self.said_at = now
        shown = next(one for one in self.bars.tasks if one.id == task)
        left = "" if shown.time_remaining is None else f", about {duration(shown.time_remaining)} left"
        line = f"{shown.description} {shown.completed:g} of {shown.total:g}{left}{': ' * bool(note)}{note}"
        self.console.print(line, soft_wrap=True, markup=False)


class _Bar:
    def __init__(self, display: TerminalDisplay, task: TaskID) -> None:
        self.display, self.task = display, task

    def to(self, done: float, note: str = "") -> None:
        self.display.bars.update(self.task, completed=done, refresh=True)
        self.display.say(self.task, note)


def duration(seconds: float) -> str:
    """`40 s`, `12 min` or `3.5 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
