"""Render a report as one HTML file that needs nothing else: figures, their data and the style are inside."""

import base64
import gzip
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from PIL import Image

from contactlens.base.errors import InputError
from contactlens.base.files import write_aside
from contactlens.reporting.blocks import Block, FigureBlock, HtmlBlock, Report, TableBlock, TextBlock

PLAIN_CSV_BYTES = 30_000  # a larger table is carried compressed
CSV_LIMIT_BYTES = 100_000  # one that is still larger then is named but not carried along
CSS_DPI = 96
MISSING = "–"


def _kind(block: Block) -> str:
    return {TextBlock: "text", FigureBlock: "figure", TableBlock: "table", HtmlBlock: "html"}[type(block)]


def _data_uri(content: bytes, media_type: str) -> str:
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise InputError(f"{path}: the report names this file, but it does not exist")
    return path


def _webp(block: FigureBlock) -> str:
    """The figure's own pixels, as lossless WebP: under half of the PNG's bytes."""
    content = io.BytesIO()
    with Image.open(_existing(block.path)) as image:
        image.save(content, "WEBP", lossless=True, exact=True, quality=80, method=2)
    return _data_uri(content.getvalue(), "image/webp")


def _width(block: FigureBlock) -> int:
    """Width in CSS pixels at which the figure's text has the size it was drawn for."""
    with Image.open(_existing(block.path)) as image:
        dpi = image.info.get("dpi", (CSS_DPI, CSS_DPI))[0]
        return round(image.width * CSS_DPI / dpi)


def _csv(block: FigureBlock) -> dict[str, str] | None:
    """Name of the CSV behind a figure, and its content as a link where it is small enough, as it is or by gzip."""
    if block.csv is None:
        return None
    content, name = _existing(block.csv).read_bytes(), block.csv.name
    if len(content) <= min(PLAIN_CSV_BYTES, CSV_LIMIT_BYTES):
        return {"name": name, "uri": _data_uri(content, "text/csv")}
    packed = gzip.compress(content, mtime=0)
    if len(packed) <= CSV_LIMIT_BYTES:
        return {"name": f"{name}.gz", "uri": _data_uri(packed, "application/gzip")}
    return {"name": name, "uri": ""}


def _cell(value: Any, spec: str) -> str:
    if pd.isna(value):
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    return format(value, spec) if spec and not isinstance(value, str) else str(value)


def _rows(block: TableBlock) -> list[list[str]]:
    columns = list(block.frame.columns)
    specs = [block.formats.get(column, "") for column in columns]
    records = block.frame.astype(object).itertuples(index=False, name=None)
    return [[_cell(value, spec) for value, spec in zip(record, specs, strict=True)] for record in records]


def _numeric(block: TableBlock) -> list[bool]:
    """Which columns are numbers, or read as numbers, and so are set flush right."""
    cells = _rows(block)
    return [
        all(re.match(r"[-−–+]?\d|–$", row[index]) for row in cells) and bool(cells)
        for index in range(len(block.frame.columns))
    ]


def _split_caption(caption: str) -> tuple[str, str]:
    """First sentence and the rest."""
    head, dot, rest = caption.partition(". ")
    return head + dot.strip(), rest


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("contactlens.ops", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    filters = [_kind, _webp, _width, _csv, _rows, _numeric, _split_caption]
    environment.filters.update({function.__name__.lstrip("_"): function for function in filters})
    return environment


def build_report(parts: Report | Sequence[Report]) -> str:
    """One report, or one of several parts with a way from one to the other, as HTML; figures and tables are counted
    through all of it. Equal inputs give equal bytes; every text is escaped.

    Raises InputError where there is no part, or a figure or its CSV does not exist.
    """
    parts = [parts] if isinstance(parts, Report) else list(parts)
    if not parts:
        raise InputError("the report has no part: neither branch has been run")
    return _environment().get_template("report.html.j2").render(parts=parts)


def write_report(parts: Report | Sequence[Report], path: Path | str) -> None:
    """Write the HTML; nothing appears at `path` unless all of the report could be built."""
    html = build_report(parts)
    with write_aside(path) as aside:
        aside.write_text(html, encoding="utf-8")
