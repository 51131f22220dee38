"""What a report is made of. The branches fill these; `ops.report` renders them. Standard library only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
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
    """A PNG and the CSV behind it; the caption says what to see, its first sentence serves as the title.

    alt: what is seen, for who can't see it; the title where it is empty
    doubt: what would make the figure wrong
    """

    path: Path
    caption: str
    csv: Path | None = None
    alt: str = ""
    doubt: str = ""


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
class Headline:
    """The first screen: the question that the branch is there for, its answer, sentences that qualify it, what became
    of the model, and the one figure that shows it, taken out of its section."""

    question: str
    answer: str
    sentences: Sequence[str]
    promotion: str = ""
    figure: FigureBlock | None = None
    verdict: Verdict = "neutral"


@dataclass(frozen=True)
class Report:
    """A whole report, or one branch's part of it; `provenance` maps a name (seed, data hash) to its text."""

    title: str
    lead: str
    findings: Sequence[Finding]
    sections: Sequence[Section]
    provenance: Mapping[str, str]
    headline: Headline | None = None


def figure_first(sections: Sequence[Section], names: Sequence[str]) -> tuple[FigureBlock | None, list[Section]]:
    """The first figure that there is of `names` (stems of files), and the sections without it; those left empty go."""
    found = {block.path.stem: block for part in sections for block in part.blocks if isinstance(block, FigureBlock)}
    chosen = next((found[name] for name in names if name in found), None)
    kept = [replace(part, blocks=[block for block in part.blocks if block is not chosen]) for part in sections]
    return chosen, [part for part in kept if part.blocks]
