"""Contributions in files: the HDF5 file says what the NPZ file says, a piece at a time, and a bad one is named."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from contactlens.base.errors import InputError
from contactlens.dna.explanation import stored
from contactlens.dna.explanation.attributions import Attributions, write_attributions, write_hdf5
from contactlens.dna.explanation.stored import open_attributions

N, L = 7, 12


def contributions(seed: int) -> Attributions:
    rng = np.random.default_rng(seed)
    one_hot = np.eye(4, dtype=np.uint8)[np.random.default_rng(0).integers(0, 4, (N, L))]
    ids = np.array([f"chr1:{row}-{row + L}" for row in range(N)])
    return Attributions(ids, np.arange(N) / 3, rng.normal(size=(N, L, 4)).astype(np.float32), one_hot)


def test_both_files_hold_what_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored, "PIECE_BYTES", 3 * L * 16)
    written = {"lrp": contributions(1), "saliency": contributions(2)}
    write_attributions(tmp_path / "a.npz", written)
    write_hdf5(tmp_path / "a.h5", written)
    for name, sizes in (("a.npz", [7]), ("a.h5", [3, 3, 1])):
        for method, given in written.items():
            found = open_attributions(tmp_path / name, method)
            pieces = list(found.pieces())
            assert [len(piece.logits) for piece in pieces] == sizes and found.length == L
            np.testing.assert_array_equal(found.window_ids, given.window_ids)
            np.testing.assert_array_equal(found.logits, given.logits)
            for part in ("window_ids", "logits", "hypothetical", "one_hot"):
                whole = np.concatenate([getattr(piece, part) for piece in pieces])
                np.testing.assert_array_equal(whole, getattr(given, part))


@pytest.mark.parametrize("kind", ["npz", "h5"])
def test_the_only_method_needs_no_name(kind: str, tmp_path: Path) -> None:
    path, write = tmp_path / f"a.{kind}", write_hdf5 if kind == "h5" else write_attributions
    write(path, {"lrp": contributions(1)})
    assert len(open_attributions(path).logits) == N
    with pytest.raises(InputError, match=f"{path}: no contributions by lpr; it holds lrp"):
        open_attributions(path, "lpr")
    write(path, {"lrp": contributions(1), "saliency": contributions(2)})
    with pytest.raises(InputError, match=f"{path}: several methods; it holds lrp, saliency"):
        open_attributions(path)


def test_a_bad_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with pytest.raises(InputError, match=f"{path}: no such file"):
        open_attributions(path)
    path.write_text("chr1\n")
    with pytest.raises(InputError, match=f"{path}: not an HDF5 file"):
        open_attributions(path)
    write_hdf5(path, {"lrp": contributions(1)})
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(InputError, match=f"{path}: (not an HDF5 file|damaged)"):
        list(open_attributions(path).pieces())
    for change, message in (
        (lambda file: file.pop("logits"), "no dataset logits; it holds lrp, one_hot, window_ids"),
        (lambda file: file.pop("lrp"), "no contributions by lrp"),
        (lambda file: _put(file, "logits", np.zeros(N - 1)), r"must be \(windows, bases, 4\)"),
        (lambda file: _put(file, "lrp", np.zeros((N, 4, L))), r"must be \(windows, bases, 4\)"),
        (lambda file: _put(file, "one_hot", np.zeros((N, L))), r"must be \(windows, bases, 4\)"),
        (lambda file: _put(file, "window_ids", np.arange(N)), "one text a window"),
        (lambda file: _put(file, "lrp", np.full((N, L, 4), np.nan)), "not finite in 7 of 7 windows"),
    ):
        write_hdf5(path, {"lrp": contributions(1)})
        with h5py.File(path, "r+") as file:
            change(file)
        with pytest.raises(InputError, match=message):
            list(open_attributions(path, "lrp").pieces())


def _put(file: h5py.File, name: str, values: np.ndarray) -> None:
    del file[name]
    file[name] = values
