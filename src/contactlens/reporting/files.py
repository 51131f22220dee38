"""Files of the reports: the tables that stages leave, a damaged one is a message that names it, and marked pages."""

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


def replace_marked(page: str, name: str, text: str, source: str = "page") -> str:
    """The page with all between `<!-- name: start -->` and `<!-- name: end -->` replaced by `text`.

    source: what a message calls the page

    Raises InputError unless the page has both marks, once each and in this order.
    """
    start, end = f"<!-- {name}: start -->", f"<!-- {name}: end -->"
    if page.count(start) != 1 or page.count(end) != 1 or page.index(end) < page.index(start):
        raise InputError(f"{source}: must hold {start} and, after it, {end}, once each")
    before, rest = page.split(start)
    after = rest.split(end)[1]
    return f"{before}{start}\n{text.strip()}\n{end}{after}"
