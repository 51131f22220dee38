"""Reading Parquet, so that a damaged file is one message that names it."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from contactlens.base.errors import InputError
from contactlens.base.files import require_file


def read_parquet(
    path: Path, columns: Sequence[str] | None = None, check: Callable[[list[str]], None] | None = None
) -> pa.Table:
    """The table of a Parquet file, whole or some `columns`; every cell is looked at.

    check: sees the names of all columns before any is read, and may refuse them

    Raises InputError where the file is missing, damaged or cut short.
    """
    require_file(path)
    try:
        if check is not None:
            check(pq.read_schema(path).names)
        table = pq.read_table(path, columns=None if columns is None else list(columns))
        table.validate(full=True)  # such as text that is not UTF-8
    except InputError:
        raise
    except (pa.ArrowException, OSError, ValueError, TypeError) as error:
        problem = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(f"{path}: not a readable Parquet file, or cut short ({problem})") from error
    return table
