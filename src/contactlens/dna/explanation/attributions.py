"""Contributions of bases to a model's score, as arrays, and as one NPZ file without pickles."""

import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from contactlens.base.errors import InputError
from contactlens.base.files import write_aside

OTHER_KEYS = ("window_ids", "logits", "one_hot")


@dataclass(frozen=True)
class Attributions:
    """Contributions of the bases of N windows of L bases to the model's logit, by one method.

    window_ids: (N,) str; logits: (N,) float64
    hypothetical: (N, L, 4) float32, A, C, G, T: what each base would contribute in each place
    one_hot: (N, L, 4) uint8, the base that is there; all zero where there is none

    Raises InputError where the shapes don't fit each other, or a contribution is not finite.
    """

    window_ids: np.ndarray
    logits: np.ndarray
    hypothetical: np.ndarray
    one_hot: np.ndarray

    def __post_init__(self) -> None:
        shape = self.hypothetical.shape
        if len(shape) != 3 or shape[2] != 4:
            raise InputError(f"hypothetical contributions: must be (windows, bases, 4), got {shape}")
        if self.one_hot.shape != shape:
            raise InputError(f"one_hot: must have the contributions' shape {shape}, got {self.one_hot.shape}")
        if len(self.window_ids) != shape[0] or len(self.logits) != shape[0]:
            found = f"{len(self.window_ids)} window_ids and {len(self.logits)} logits"
            raise InputError(f"contributions: {shape[0]} windows, but {found}")
        bad = np.flatnonzero(~np.isfinite(self.hypothetical).all(axis=(1, 2)))
        if len(bad):
            names = ", ".join(str(name) for name in self.window_ids[bad[:3]])
            raise InputError(f"contributions: not finite in {len(bad)} of {shape[0]} windows ({names}...)")

    @property
    def length(self) -> int:
        return int(self.hypothetical.shape[1])

    def pieces(self) -> Iterator["Attributions"]:
        """All of them at once; see `InPieces`."""
        yield self

    @property
    def actual(self) -> np.ndarray:
        """(N, L): the contribution of the base that is there; 0 at N."""
        return (self.hypothetical * self.one_hot).sum(axis=-1)

    def select(self, window_ids: Sequence[str]) -> "Attributions":
        """Rows in the order given."""
        rows = self.rows_of(window_ids)
        return Attributions(self.window_ids[rows], self.logits[rows], self.hypothetical[rows], self.one_hot[rows])

    def rows_of(self, window_ids: Sequence[str]) -> np.ndarray:
        """Raises InputError naming the windows that are missing."""
        place = {str(name): row for row, name in enumerate(self.window_ids)}
        missing = [name for name in window_ids if name not in place]
        if missing:
            raise InputError(f"contributions: {len(missing)} windows missing, first {', '.join(missing[:3])}")
        return np.array([place[name] for name in window_ids], dtype=np.int64)


class InPieces(Protocol):
    """What `write_attributions` takes: contributions that come some windows at a time."""

    @property
    def window_ids(self) -> np.ndarray: ...

    @property
    def logits(self) -> np.ndarray: ...

    @property
    def length(self) -> int: ...

    def pieces(self) -> Iterator[Attributions]: ...


def write_attributions(path: Path | str, by_method: Mapping[str, InPieces]) -> None:
    """One key a method beside window_ids, logits and one_hot, which all methods share; at least one method.

    The bytes depend on the content alone. Memory holds one piece of it.
    """
    shared = next(iter(by_method.values()))
    shape = (len(shared.window_ids), shared.length, 4)
    one_hot = (np.asarray(one.one_hot, np.uint8) for one in shared.pieces())
    with write_aside(path) as aside, zipfile.ZipFile(aside, "w", zipfile.ZIP_DEFLATED) as archive:
        write_key(archive, "window_ids", [names := np.asarray(shared.window_ids, dtype=np.str_)], names.shape)
        write_key(archive, "logits", [np.asarray(shared.logits, dtype=np.float64)], names.shape)
        write_key(archive, "one_hot", one_hot, shape)
        for method, found in sorted(by_method.items()):
            write_key(archive, method, (np.asarray(one.hypothetical, np.float32) for one in found.pieces()), shape)


def write_hdf5(path: Path | str, by_method: Mapping[str, InPieces]) -> None:
    """What `write_attributions` writes, as datasets of an HDF5 file in chunks of one window, each of which is read
    without the others. The bytes depend on the content alone. Memory holds one piece of it.
    """
    import h5py

    shared = next(iter(by_method.values()))
    shape = (len(shared.window_ids), shared.length, 4)
    chunked: dict[str, Any] = {"shape": shape, "chunks": (1, *shape[1:]), "compression": "gzip", "shuffle": True}
    with write_aside(path) as aside, h5py.File(aside, "w") as file:
        file.create_dataset("window_ids", data=shared.window_ids.tolist(), dtype=h5py.string_dtype())
        file["logits"] = np.asarray(shared.logits, dtype=np.float64)
        one_hot = file.create_dataset("one_hot", dtype=np.uint8, **chunked)
        for number, (method, found) in enumerate(sorted(by_method.items())):
            values, first = file.create_dataset(method, dtype=np.float32, **chunked), 0
            for piece in found.pieces():
                own = slice(first, first := first + len(piece.logits))
                values[own] = piece.hypothetical
                if not number:
                    one_hot[own] = piece.one_hot


def write_key(archive: zipfile.ZipFile, name: str, pieces: Iterable[np.ndarray], shape: tuple[int, ...]) -> None:
    """An array of an NPZ file from consecutive pieces of its first axis: the bytes that numpy writes of the whole."""
    with archive.open(f"{name}.npy", "w", force_zip64=True) as out:
        header: dict[str, Any] = {}
        for piece in pieces:
            if not header:
                header = {"descr": np.lib.format.dtype_to_descr(piece.dtype), "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(out, header)
            out.write(piece.tobytes())


def read_attributions(path: Path | str) -> dict[str, Attributions]:
    """The attributions by method.

    Raises InputError where the file is missing, is not such an archive, holds no method, or its arrays do not fit each
    other.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except Exception as error:  # numpy, zipfile and zlib each raise their own
        raise InputError(f"{path}: not an NPZ file without pickles ({error})") from error
    missing = [name for name in OTHER_KEYS if name not in arrays]
    if missing:
        raise InputError(f"{path}: no key {', '.join(missing)}; it holds {', '.join(arrays)}")
    window_ids, logits, one_hot = (arrays.pop(name) for name in OTHER_KEYS)
    wrong = [name for name, values in arrays.items() if values.shape != one_hot.shape]
    windows = one_hot.shape[:1]
    if wrong or one_hot.ndim != 3 or one_hot.shape[2] != 4 or not window_ids.shape == logits.shape == windows:
        named = {"window_ids": window_ids, "logits": logits, "one_hot": one_hot, **arrays}
        shapes = {name: values.shape for name, values in named.items()}
        raise InputError(f"{path}: arrays must be (windows, bases, 4), for {window_ids.size} windows; found {shapes}")
    for name, values in {"logits": logits, "one_hot": one_hot, **arrays}.items():
        if values.dtype.kind not in "biuf" or not np.isfinite(values).all():
            raise InputError(f"{path}, key {name!r}: not finite numbers throughout ({values.dtype})")
    if window_ids.dtype.kind != "U":
        raise InputError(f"{path}, key 'window_ids': expected text, found {window_ids.dtype}")
    if not arrays:
        raise InputError(f"{path}: holds no attribution method")
    return {method: Attributions(window_ids, logits, values, one_hot) for method, values in arrays.items()}


def read_attributions_by(path: Path | str, method: str) -> Attributions:
    """The attributions by one method; InputError where `read_attributions` raises it, or the method is missing."""
    found = read_attributions(path)
    if method not in found:
        raise InputError(f"{path}: no contributions by {method}; it holds {', '.join(found)}")
    return found[method]
