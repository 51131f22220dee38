"""What a figure of a report says beside its caption: what is seen, and what would make it wrong."""

from collections.abc import Mapping
from typing import NamedTuple


class FigureNotes(NamedTuple):
    """alt: what is seen, for who can't see it; doubt: one sentence, what would make it wrong."""

    alt: str = ""
    doubt: str = ""


def notes_of(notes: Mapping[str, FigureNotes], name: str) -> FigureNotes:
    """Those of a figure, or of the kind that it is one of: `matrix_mean` has `matrix`'s. None of an unknown one."""
    kinds = [key for key in notes if name == key or name.startswith(f"{key}_")]
    return notes[max(kinds, key=len)] if kinds else FigureNotes()
