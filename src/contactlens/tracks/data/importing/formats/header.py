"""Finding the header among the first rows of a sheet or text file, under titles, rules, comments and blanks."""

from collections.abc import Sequence
from typing import NamedTuple

from contactlens.tracks.data.importing.cells import name_key

MOST_ROWS_ABOVE = 60


class Header(NamedTuple):
    """row: its place among the rows looked at; names: of its columns; found: how many of the wanted are among them."""

    row: int
    names: list[str]
    found: int


def find_header(rows: Sequence[Sequence[str]], wanted: Sequence[str]) -> Header | None:
    """The first row that holds all wanted names; else the row with most of them; else the first with the most cells.

    A row that begins with '#' is a comment, unless it alone holds the names.
    """
    best: Header | None = None
    keys = {name_key(name) for name in wanted}
    widest = max((_width(row) for row in rows), default=0)
    for comment in (False, True):
        for place, row in enumerate(rows):
            cells = [str(cell) for cell in row]
            if not any(cell.strip() for cell in cells) or cells[0].lstrip().startswith("#") != comment:
                continue
            names = [cells[0].lstrip().lstrip("#").lstrip(), *cells[1:]] if comment else cells
            names = [" ".join(name.split()) for name in names]
            found = len(keys & {name_key(name) for name in names})
            if found == len(keys) and (keys or _width(row) == widest):
                return Header(place, names, found)
            if best is None or found > best.found:
                best = Header(place, names, found)
        if best is not None and best.found:
            break
    return best


def _width(row: Sequence[str]) -> int:
    """Place of the last cell that is not blank, from 1."""
    return max((place for place, cell in enumerate(row, 1) if str(cell).strip()), default=0)


def distinct(names: Sequence[str]) -> list[str]:
    """The names, with a mark on each that is there twice or empty, so that none stands for another."""
    return [name if name and names.count(name) == 1 else f"{name}\0{i}" for i, name in enumerate(names)]


def above(word: str, first: int, last: int) -> str:
    """What is said of the rows above a header."""
    rows = f"{word} {first}" if first == last else f"{word}s {first} to {last}"
    return f"left out above the header: {rows}"
