"""Contributions that lie in a file of `contactlens dna attribute` or of the pipeline, NPZ or HDF5."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from contactlens.base.errors import InputError
from contactlens.base.files import require_file
from contactlens.dna.explanation.attributions import OTHER_KEYS, Attributions, InPieces, read_attributions

HDF5 = ".h5"
PIECE_BYTES = 64 * 2**20  # of contributions read at once


@dataclass(frozen=True, eq=False)
class Hdf5Attributions:
    """Contributions by one method in the HDF5 file `path`, of which memory holds a piece.

    window_ids, logits: (N,); length: bases of every window
    """

    path: Path
    method: str
    window_ids: np.ndarray
    logits: np.ndarray
    length: int

    def pieces(self) -> Iterator[Attributions]:
        import h5py

        rows = max(1, PIECE_BYTES // (self.length * 16))
        with h5py.File(self.path, "r") as file:
            for first in range(0, len(self.logits), rows):
                own = slice(first, first + rows)
                try:
                    arrays = file[self.method][own], file["one_hot"][own]
                except OSError as error:
                    raise InputError(f"{self.path}: damaged ({error})") from error
                yield Attributions(self.window_ids[own], self.logits[own], *arrays)


def open_attributions(path: Path | str, method: str | None = None) -> InPieces:
    """The contributions by `method`, or by the only one, in `path`: all of an NPZ file, pieces of an HDF5 file (.h5).

    Raises InputError where the file is missing or not such a file, or does not hold the method.
    """
    path = Path(path)
    if path.suffix == HDF5:
        return _hdf5(path, method)
    found = read_attributions(path)
    return found[_chosen(path, list(found), method)]


def _chosen(path: Path, found: list[str], method: str | None) -> str:
    if method is None and len(found) == 1:
        return found[0]
    if method in found:
        return method
    asked = "several methods" if method is None else f"no contributions by {method}"
    raise InputError(f"{path}: {asked}; it holds {', '.join(found)}")


def _hdf5(path: Path, method: str | None) -> Hdf5Attributions:
    import h5py

    require_file(path)
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise InputError(f"{path}: not an HDF5 file ({error})") from error
    with file:
        shapes: dict[str, Any] = {name: item.shape for name, item in file.items() if isinstance(item, h5py.Dataset)}
        missing = [name for name in OTHER_KEYS if name not in shapes]
        if missing:
            raise InputError(f"{path}: no dataset {', '.join(missing)}; it holds {', '.join(file)}")
        chosen = _chosen(path, [name for name in shapes if name not in OTHER_KEYS], method)
        shape, windows = shapes[chosen], shapes["logits"]
        fit = len(shape) == 3 and shape[2] == 4 and shape[:1] == windows == shapes["window_ids"]
        if not fit or shapes["one_hot"] != shape or not h5py.check_string_dtype(file["window_ids"].dtype):
            raise InputError(f"{path}: arrays must be (windows, bases, 4), and one text a window; found {shapes}")
        ids, logits = file["window_ids"].asstr()[:].astype(np.str_), file["logits"][:].astype(np.float64)
    return Hdf5Attributions(path, chosen, ids, logits, int(shape[1]))
