"""The fenced blocks and inline commands of README.md and docs/*.md, and the command lines in them."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^(?P<ticks>```+)(?P<info>[^`\n]*)\n(?P<text>.*?)^(?P=ticks)\s*$", re.MULTILINE | re.DOTALL)
HERE_DOCUMENT = re.compile(r"<<(\w+)\n.*?^\1\n", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
PROGRAMS = ("contactlens", "make", "mlflow", "dvc", "python", "hf", "pip", "source", "git")
FULLY, UNTIL_PIPELINE, NOT = "fully", "until-pipeline", "not-run"


@dataclass(frozen=True)
class Block:
    """language: first word of the fence; how: whether it is run, the word after it; why: what follows its colon"""

    page: Path
    line: int
    language: str
    how: str
    why: str
    text: str

    @property
    def name(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def commands(self) -> list[list[str]]:
        """Words of each command line; comments and files written in place are left out, lines that end in a backslash
        are joined."""
        lines = HERE_DOCUMENT.sub("\n", self.text).replace("\\\n", " ").splitlines()
        return [words for line in lines if (words := shlex.split(line, comments=True))]


def blocks_of(page: Path) -> list[Block]:
    content = page.read_text()
    found = []
    for match in FENCE.finditer(content):
        language, _, rest = match["info"].strip().partition(" ")
        how, _, why = rest.partition(":")
        line = content[: match.start()].count("\n") + 1
        found.append(Block(page, line, language, how.strip() or FULLY, why.strip(), match["text"]))
    return found


def all_blocks() -> list[Block]:
    return [block for page in PAGES for block in blocks_of(page)]


def inline_commands(page: Path) -> Iterator[list[str]]:
    """Commands in running text and tables; one with an ellipsis or a bare program name is a way of speaking."""
    prose = FENCE.sub("", page.read_text())
    for code in INLINE.findall(prose):
        words = code.replace("\\|", "|").split()
        if words[:1] and words[0] in PROGRAMS and len(words) > 1 and not re.search(r"…|\.\.\.|\[", code):
            yield shlex.split(code)


def links_of(page: Path) -> list[str]:
    prose = FENCE.sub("", page.read_text())
    return re.findall(r"\]\(([^)\s]+)\)", prose)
