"""Counts in a terminal, in a file, and where nobody asked to see them."""

import io
import re

import pytest
from rich.console import Console

from contactlens.base.progress import counted, counting, is_shown
from contactlens.ops import progress
from contactlens.ops.progress import duration, progress_shown


def console(terminal: bool) -> tuple[Console, io.StringIO]:
    text = io.StringIO()
    return Console(file=text, force_terminal=terminal, width=100, highlight=False), text


def test_without_a_display_counting_is_silent_and_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(counted([3, 1, 2], "items")) == [3, 1, 2]
    assert not is_shown()
    assert capsys.readouterr() == ("", "")


def test_a_file_gets_a_line_at_most_every_interval_with_stage_count_and_time_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    plain, text = console(terminal=False)
    with progress_shown("tracks_train", plain):
        for _ in counted(range(10), "epochs"):
            now[0] += 6.0
    lines = text.getvalue().splitlines()
    assert [line.split(",")[0] for line in lines] == [f"tracks_train: epochs {n} of 10" for n in (3, 6, 9)]
    assert re.fullmatch(r"tracks_train: epochs 9 of 10, about \d+ s left", lines[-1])
    assert "\x1b" not in text.getvalue()


def test_a_note_is_said_at_once() -> None:
    plain, text = console(terminal=False)
    with progress_shown("sweep", plain), counting("trials", 17) as count:
        count.to(3, "trial 2 ended")
    assert text.getvalue() == "sweep: trials 3 of 17: trial 2 ended\n"


def test_a_terminal_gets_a_bar_with_count_and_time_left_that_is_gone_at_the_end() -> None:
    terminal, text = console(terminal=True)
    with progress_shown("tracks_explain", terminal), counting("methods", 4) as count:
        for done in (1, 2, 3):
            count.to(done)
        during = text.getvalue()
        assert "tracks_explain: methods" in during
        assert "3/4" in during
        assert re.search(r"0:00:0\d", during)
    assert text.getvalue().rstrip().endswith("\x1b[?25h")  # the cursor is back, nothing after it


def test_time_left_is_that_of_the_steps_still_to_go(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, text = console(terminal=False)
    now = [0.0]
    bars = progress._bars(plain)
    bars.get_time = lambda: now[0]
    display = progress.TerminalDisplay("sweep", plain, bars)
    with display.counting("trials", 11) as count:
        for done in range(6):
            now[0] += 20.0
            count.to(done, "ended")
    assert text.getvalue().splitlines()[-1] == "sweep: trials 5 of 11, about 2 min left: ended"


def test_an_inner_display_adds_nothing_to_an_outer_one() -> None:
    outer, text = console(terminal=False)
    inner, unused = console(terminal=False)
    with progress_shown("tracks_sweep", outer), progress_shown("sweep", inner), counting("trials", 2) as count:
        count.to(1, "ended")
    assert text.getvalue().startswith("tracks_sweep: trials 1 of 2")
    assert unused.getvalue() == ""


def test_the_display_ends_with_an_error() -> None:
    plain, _ = console(terminal=False)
    with pytest.raises(ZeroDivisionError), progress_shown("stage", plain), counting("steps", 2) as count:
        count.to(1 // 0)
    assert not is_shown()


@pytest.mark.parametrize(("seconds", "said"), [(12.4, "12 s"), (300, "5 min"), (9000, "2.5 h")])
def test_durations_have_the_unit_that_reads_best(seconds: float, said: str) -> None:
    assert duration(seconds) == said
