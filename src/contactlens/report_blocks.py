"""What a report is made of. The branches fill these; `ops.report` renders them. Standard library only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import pandas as pd

Verdict = Literal["good", "bad", "neutral"]


@dataclass(frozen=True)
class TextBlock:
    """A paragraph of plain text."""

    text: str


@dataclass(frozen=True)
class FigureBlock:
    """A PNG and the CSV behind it; the caption says what to see, its first sentence serves as the title."""

    path: Path
    caption: str
    csv: Path | None = None


@dataclass(frozen=True)
class TableBlock:
    """A table; `formats` maps a column to a format spec such as `.3f`. Missing values are shown as a dash."""

    frame: "pd.DataFrame"
    caption: str
    formats: Mapping[str, str] = field(default_factory=dict)


Block = TextBlock | FigureBlock | TableBlock


@dataclass(frozen=True)
class Section:
    """A headed part of the report: what it asks in `intro`, then what answers it."""

    title: str
    intro: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Finding:
    """One line of the summary: the question, the answer in a few characters, a sentence that qualifies it."""

    question: str
    answer: str
    detail: str
    verdict: Verdict = "neutral"


@dataclass(frozen=True)
class Report:
    """A whole report; `provenance` maps a name (seed, data hash, parameters) to its text."""

    title: str
    lead: str
    findings: Sequence[Finding]
    sections: Sequence[Section]
    provenance: Mapping[str, str]
