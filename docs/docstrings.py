"""The package's docstrings as reStructuredText: plain paragraphs, `code` in single backticks, `name: meaning` lines."""

import re
from collections.abc import Iterable

# One or more names, then a colon: what a line about an argument, a field or a file begins with.
TERM = re.compile(r"^(?P<names>[a-z_][\w./]*(?:, [a-z_][\w./]*)*): (?P<meaning>.+)$")
FORMULA = "    "
EXAMPLE = ">>> "
CODE = re.compile(r"`+([^`]+)`+")
SPECIAL = re.compile(r"([*|\\]|(?<=\w)_(?=\W|$))")


def as_rst(lines: Iterable[str]) -> list[str]:
    """Each block apart, so that nothing in it is taken for a list, a quotation or a definition."""
    rst: list[str] = []
    for block in blocks(lines):
        if block.startswith(EXAMPLE):
            rst += ["", *block.splitlines()]
            continue
        if block.startswith(FORMULA):
            rst += ["", "::", "", *block.splitlines()]
            continue
        term = TERM.match(block)
        text = _inline(block) if term is None else f"* **{term['names']}**: {_inline(term['meaning'])}"
        both_terms = term is not None and bool(rst) and rst[-1].startswith("* **")
        rst += ([] if both_terms or not rst else [""]) + [text]
    return [*rst, ""]


def blocks(lines: Iterable[str]) -> list[str]:
    """Paragraphs and terms, each on one line: an indented line goes on with what is above it. Formulas, indented after
    an empty line, keep their lines, and so do examples."""
    blocks: list[str] = []
    apart = True
    for line in lines:
        starts = apart or (TERM.match(line) is not None and not line.startswith(" "))
        if line.startswith(FORMULA) and (apart or blocks[-1].startswith(FORMULA)):
            blocks += [line.rstrip()] if apart else [f"{blocks.pop()}\n{line.rstrip()}"]
        elif line.strip() and not apart and blocks[-1].startswith(EXAMPLE):
            blocks.append(f"{blocks.pop()}\n{line.rstrip()}")
        elif line.strip() and starts:
            blocks.append(line.strip())
        elif line.strip():
            blocks[-1] += f" {line.strip()}"
        apart = not line.strip()
    return blocks


def _inline(text: str) -> str:
    parts = CODE.split(text)  # code at odd places
    return "".join(f"``{part}``" if i % 2 else SPECIAL.sub(r"\\\1", part) for i, part in enumerate(parts))
