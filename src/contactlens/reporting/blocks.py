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


@dataclass(frozen=True)
class HtmlBlock:
    """An interactive piece of HTML, its styles and scripts inside, shown in a frame of its own.

    fragment: made by this package alone, for its scripts run; it may use the report's colours `--card`, `--ink`,
        `--soft` and `--rule`
    height_px: of the frame, in CSS pixels
    """

    fragment: str
    caption: str
    height_px: int


Block = TextBlock | FigureBlock | TableBlock | HtmlBlock


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
    """A whole report, or one branch's part of it; `provenance` maps a name (seed, data hash) to its text."""

    title: str
    lead: str
    findings: Sequence[Finding]
    sections: Sequence[Section]
    provenance: Mapping[str, str]
