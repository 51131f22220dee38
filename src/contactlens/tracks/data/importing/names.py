"""Names of tracks and groups as people and trackers write them: spots outside of tracks, and spellings of one name."""

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from contactlens.base.errors import InputError
from contactlens.tracks.data.importing.cells import Table

OUTSIDE = frozenset(["", "None", "none", "NaN", "nan", "NULL", "null", "<NA>", "N/A", "n/a", "#N/A", "-"])
SHOWN = 3


def outside_of_tracks(table: Table, track: Sequence[str], group: Sequence[str]) -> tuple[np.ndarray, str]:
    """Which rows hold a spot outside of any track, and what to say of them.

    Trackers write None, NaN, -1 or nothing there; NA and -1 count only beside whole numbers, since a track may be
    called NA. An empty name of a group is none of these.
    """
    outside = np.zeros(len(table.cells), dtype=bool)
    said = []
    for column in (name for name in track if name not in group):
        names = table.tidied(column)
        known = names.drop_duplicates()
        marks = [name for name in known if name in OUTSIDE]
        others = [name for name in known if name not in (*marks, "NA", "-1")]
        if others and all(re.fullmatch(r"\d+", name) for name in others):
            marks += [name for name in ("NA" if column == track[-1] else "", "-1") if name in set(known)]
        here = names.isin(marks).to_numpy() | table.cells[column].isna().to_numpy()
        if here.any():
            shown = ", ".join(repr(mark) if mark else "empty" for mark in dict.fromkeys(marks or [""]))
            said.append(f"{int(here.sum()):,} rows outside of any track ({column}: {shown}) are left out")
        outside |= here
    if outside.all():
        raise InputError(f"{table.path}, columns {list(track)}: no row belongs to a track")
    return outside, "; ".join(said)


def spellings(table: Table, columns: Sequence[str]) -> list[str]:
    """What to say of cells that tidying made one name: they differed in blanks, accents or `.0` alone."""
    said = []
    for column in dict.fromkeys(columns):
        raw = table.spelled(column).drop_duplicates()
        tidied = table.tidied(column)[raw.index]
        for name, written in raw.groupby(tidied, sort=False):
            if len(written) > 1:
                said.append(f"{column}: {_listed(written)} are one name, {name!r}")
    return said


def of_one_group(names: pd.Series) -> tuple[pd.Series, list[str]]:
    """Names of groups, where those that differ in blanks or case alone are one: a group must not be in two splits."""
    first: dict[str, str] = {}
    for name in names.drop_duplicates():
        first.setdefault(_key(name), name)
    joined = names.map(lambda name: first[_key(name)])
    said = [
        f"groups {_listed(written)} are taken for one, {name!r}"
        for name, written in names.drop_duplicates().groupby(joined, sort=False)
        if len(written) > 1
    ]
    return joined, said


def alike(names: pd.Series) -> list[str]:
    """What to say of tracks whose names differ in blanks or case alone; they stay apart."""
    distinct = names.drop_duplicates()
    return [
        f"tracks {_listed(written)} differ in blanks or case alone, and stay apart"
        for _, written in distinct.groupby(distinct.map(_key), sort=False)
        if len(written) > 1
    ][:SHOWN]


def _key(name: str) -> str:
    return re.sub(r"\s+", "", name).casefold()


def _listed(names: pd.Series) -> str:
    shown = [repr(name) for name in names.iloc[:SHOWN]]
    more = len(names) - len(shown)
    return (", ".join(shown[:-1]) + f" and {shown[-1]}") if not more else f"{', '.join(shown)} and {more} more"
