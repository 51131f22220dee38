"""NumPy archives. Arrays of Python objects are pickles, which can run code: they are refused."""

import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from contactlens.base.errors import InputError
from contactlens.tracks.data.importing.arrays import Arrays
from contactlens.tracks.data.importing.cells import Reading
from contactlens.tracks.data.importing.formats.zipped import require_sound


def read(path: Path, columns: Sequence[str], reading: Reading) -> Arrays:
    """All arrays of the archive, by name."""
    require_sound(path, "NPZ")
    try:
        with np.load(path, allow_pickle=False) as archive:
            values = {name: _array(path, archive, name) for name in archive.files}
    except InputError:
        raise
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile, zlib.error, SyntaxError, MemoryError) as error:
        raise InputError(f"{path}: not a readable NPZ file, or cut short ({error})") from error
    if not values:
        raise InputError(f"{path}: the archive holds no array")
    return Arrays(path, values, reading)


def _array(path: Path, archive: "np.lib.npyio.NpzFile", name: str) -> np.ndarray:
    try:
        value = archive[name]
    except ValueError as error:
        if "allow_pickle" in str(error) or "Object arrays" in str(error):
            how = "it is a pickle, which can run code; save numbers, with NaN where a value is missing"
            raise InputError(f"{path}: refused, array {name!r} holds Python objects: {how}") from None
        raise
    if not isinstance(value, np.ndarray):
        raise InputError(f"{path}: member {name!r} is no array")
    return value
