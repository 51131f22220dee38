"""Reading the tables that stages leave for the reports; a damaged one is a message that names it."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from contactlens.base.errors import InputError


def read_csv(path: Path, **options: Any) -> pd.DataFrame:
    try:
        return pd.read_csv(path, **options)
    except ValueError as error:  # pandas' own are kinds of it
        raise InputError(f"{path}: not a readable CSV file, or cut short ({error})") from error


def read_npz(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except FileNotFoundError:
        raise
    except Exception as error:  # numpy, zipfile and zlib each raise their own
        raise InputError(f"{path}: not a readable NPZ file, or cut short ({error})") from error
