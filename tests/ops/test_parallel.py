"""Pieces of work in Ray's workers: results in order, each once, and again only what had not ended."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import toy_sweep
from ray import cloudpickle

from by_value import sent_by_value
from contactlens.base.errors import InputError
from contactlens.ops.parallel import DONE, Workers, on_workers, run_pieces


@pytest.fixture(autouse=True)
def _sent_by_value() -> Iterator[None]:
    with sent_by_value(cloudpickle, sys.modules[__name__]):
        yield


def square(piece: int, shared: dict[str, int], folder: Path) -> None:
    if piece == shared.get("refused"):
        while not (folder.parent / "000" / DONE).is_file():
            time.sleep(0.01)
        raise InputError(f"piece {piece}: refused")
    with (folder / "calls").open("a") as calls:
        calls.write("x")
    (folder / "result").write_text(str(piece**2 + shared["added"]))


@pytest.mark.slow
def test_pieces_run_once_and_what_failed_runs_alone_again(tmp_path: Path) -> None:
    pieces, config = [3, 5, 7, 9], toy_sweep.config()
    with pytest.raises(InputError, match=r"^piece 5: refused$"):
        run_pieces(square, pieces, {"added": 1, "refused": 5}, config, tmp_path, "pieces")
    ended = [number for number in range(4) if (tmp_path / f"{number:03d}" / DONE).is_file()]
    assert 0 in ended and 1 not in ended
    folders = run_pieces(square, pieces, {"added": 1}, config, tmp_path, "pieces")
    assert [(folder / "result").read_text() for folder in folders] == ["10", "26", "50", "82"]
    assert (folders[0] / "calls").read_text() == (folders[1] / "calls").read_text() == "x"


def test_finished_pieces_need_no_ray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")  # nothing answers there
    for number in range(2):
        (tmp_path / f"{number:03d}").mkdir()
        (tmp_path / f"{number:03d}" / DONE).touch()
    folders = run_pieces(square, [1, 2], {}, toy_sweep.config(), tmp_path, "pieces")
    assert folders == [tmp_path / "000", tmp_path / "001"]
    with pytest.raises(InputError, match="nothing answers there"):
        run_pieces(square, [1, 2, 3], {}, toy_sweep.config(), tmp_path, "pieces")


class Noted:
    """What is shared: notes each process that it arrives in."""

    def __init__(self, arrivals: Path) -> None:
        self.arrivals = arrivals

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return arrived, (self.arrivals,)


def arrived(arrivals: Path) -> Noted:
    with arrivals.open("a") as file:
        file.write(f"{os.getpid()}\n")
    return Noted(arrivals)


def cube(piece: int, shared: Noted, folder: Path) -> None:
    if piece == 6:
        raise InputError("piece 6: refused")
    folder.mkdir(parents=True, exist_ok=True)
    struck = shared.arrivals.with_name("struck")
    if piece == 2 and not struck.exists():
        struck.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    (folder / "result").write_text(f"{piece**3} {os.getpid()}")


@pytest.mark.slow
def test_workers_take_what_is_shared_once_and_one_that_is_killed_is_replaced(tmp_path: Path) -> None:
    arrivals = tmp_path / "arrivals"
    with on_workers(Workers(2, 1, 0.0), tmp_path / "state") as run:
        for name, numbers in (("first", range(6)), ("second", [7, 8])):
            pairs = [(number, tmp_path / name / str(number)) for number in numbers]
            run(cube, pairs, Noted(arrivals), "pieces")
            found = [(folder / "result").read_text().split() for _, folder in pairs]
            assert [int(value) for value, _ in found] == [number**3 for number in numbers]
            assert {process for _, process in found} <= set(arrivals.read_text().split())
        # Two workers and the one in place of the killed took it in the first call, at most two in the second.
        taken = arrivals.read_text().split()
        assert len(set(taken)) == 3 and 4 <= len(taken) <= 5
        with pytest.raises(InputError, match=r"^piece 6: refused$"):
            run(cube, [(6, tmp_path / "6")], Noted(arrivals), "pieces")


@pytest.mark.slow
def test_a_worker_that_no_node_holds_is_refused(tmp_path: Path) -> None:
    with (
        on_workers(Workers(2, 4096, 0.5), tmp_path) as run,
        pytest.raises(InputError, match=r"^workers of 4096 CPUs and"),
    ):
        run(cube, [(1, tmp_path / "1")], None, "pieces")


@pytest.mark.slow
def test_more_workers_than_there_is_room_for_don_t_keep_the_others_waiting(tmp_path: Path) -> None:
    with on_workers(Workers((os.cpu_count() or 1) + 3, 1, 0.0), tmp_path / "state") as run:
        pairs = [(number, tmp_path / str(number)) for number in (3, 4, 5)]
        for _ in range(2):
            run(cube, pairs, Noted(tmp_path / "arrivals"), "pieces")
    assert [(folder / "result").read_text().split()[0] for _, folder in pairs] == ["27", "64", "125"]


def test_workers_start_with_the_first_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")  # nothing answers there
    with on_workers(Workers(2, 1, 0.0), tmp_path) as run, pytest.raises(InputError, match="nothing answers there"):
        run(cube, [(1, tmp_path / "1")], None, "pieces")
