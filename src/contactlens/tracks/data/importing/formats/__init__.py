"""Readers of files, by their ending: each gives a table or named arrays. A new one is a file and a line here."""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from contactlens.base.errors import InputError
from contactlens.base.files import require_file
from contactlens.tracks.data.importing.arrays import Arrays
from contactlens.tracks.data.importing.cells import Reading, Table

READERS = {
    ".csv": "text",
    ".tsv": "text",
    ".txt": "text",
    ".dat": "text",
    ".parquet": "parquet",
    ".xlsx": "excel",
    ".xlsm": "excel",
    ".npz": "npz",
    ".mat": "matlab",
    ".h5": "hdf5",
    ".hdf5": "hdf5",
    ".xml": "trackmate_xml",
}
GZIPPED = ("text",)
INSTEAD = {
    ".xls": "save it as .xlsx",
    ".ods": "save it as .xlsx or .csv",
    ".npy": "put the arrays into one .npz with their names: numpy.savez(file, separation=..., ms2=...)",
    ".ims": "export the statistics of the spots as CSV",
    ".pkl": "legacy pickles are read by their own importer, without a preset",
}


def read_file(path: Path | str, columns: Sequence[str] = (), reading: Reading | None = None) -> Table | Arrays:
    """Read a file whose header is expected to hold `columns` (any header where there are none).

    Raises InputError where the file is missing, empty, damaged, or of an unknown kind.
    """
    path = Path(path)
    require_file(path)
    if path.stat().st_size == 0:
        raise InputError(f"{path}: the file is empty")
    gzipped = path.suffix.lower() == ".gz"
    suffix = Path(path.stem).suffix.lower() if gzipped else path.suffix.lower()
    name = READERS.get(suffix)
    if name is None or (gzipped and name not in GZIPPED):
        texts = ", ".join(ending for ending, reader in READERS.items() if reader in GZIPPED)
        others = ", ".join(ending for ending, reader in READERS.items() if reader not in GZIPPED)
        instead = f"; {INSTEAD[suffix]}" if suffix in INSTEAD else ""
        raise InputError(f"{path}: not a known kind of table; known are {texts} (each or .gz), {others}{instead}")
    reader = import_module(f"{__name__}.{name}")
    content: Table | Arrays = reader.read(path, list(columns), reading or Reading())
    return content
