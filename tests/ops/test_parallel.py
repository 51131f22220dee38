"""Pieces of work in Ray's workers: results in order, each once, and again only what had not ended."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import toy_sweep
from ray import cloudpickle

from contactlens.base.errors import InputError
from contactlens.ops.parallel import DONE, run_pieces


@pytest.fixture(autouse=True)
def _sent_by_value() -> Iterator[None]:
    """Ray's workers can't import a test's module."""
    here = sys.modules[__name__]
    cloudpickle.register_pickle_by_value(here)
    yield
    cloudpickle.unregister_pickle_by_value(here)


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
