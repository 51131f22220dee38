"""One HTML file that carries everything, says everything that it was given, and runs nothing."""

import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageChops

from contactlens.base.errors import InputError
from contactlens.ops import report as rendering
from contactlens.ops.report import build_report, write_report
from contactlens.reporting.blocks import FigureBlock, Finding, HtmlBlock, Report, Section, TableBlock, TextBlock

EVIL = "<script>alert('x')</script> & \"quotes\""


class Reader(HTMLParser):
    """Tags with their attributes, all text outside of style, and table cells in order."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "img"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes another tag"

    def handle_data(self, data: str) -> None:
        if data.strip() and "style" not in self.open:
            self.text.append(data.strip())

    def all(self, tag: str, key: str) -> list[str]:
        return [str(attributes[key]) for name, attributes in self.tags if name == tag and key in attributes]


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    assert reader.open == []
    return reader


@pytest.fixture
def figure(tmp_path: Path) -> FigureBlock:
    Image.radial_gradient("L").resize((320, 160)).convert("RGB").save(tmp_path / "one.png", dpi=(192, 192))
    (tmp_path / "one.csv").write_text("x,y\n1,2\n")
    return FigureBlock(tmp_path / "one.png", "A grey field. Nothing more to see.", tmp_path / "one.csv")


def report_of(*blocks: object, **fields: object) -> Report:
    given = {"title": "Title", "lead": "Lead.", "findings": (), "provenance": {"seed": "7"}, **fields}
    return Report(sections=[Section("First part", "Why.", blocks)], **given)  # type: ignore[arg-type]


def test_figures_and_their_data_are_inside(figure: FigureBlock) -> None:
    reader = read(build_report(report_of(figure, figure)))
    images = reader.all("img", "src")
    assert len(images) == 2
    kind, content = images[0].split(",", 1)
    assert kind == "data:image/webp;base64"
    with Image.open(io.BytesIO(base64.b64decode(content))) as inside, Image.open(figure.path) as drawn:
        assert ImageChops.difference(inside.convert("RGB"), drawn).getbbox() is None
    links = [href for href in reader.all("a", "href") if href.startswith("data:text/csv")]
    assert base64.b64decode(links[0].split(",", 1)[1]) == b"x,y\n1,2\n"
    assert {"Data: one.csv", "Figure 1", "Figure 2", "A grey field.", "Nothing more to see."} <= set(reader.text)
    assert reader.all("img", "alt")[0] == "A grey field."


def test_text_in_figures_has_the_size_it_was_drawn_for(figure: FigureBlock) -> None:
    assert read(build_report(report_of(figure))).all("img", "width") == ["160"]  # 320 pixels at 192 per inch


def test_a_large_table_is_named_but_not_carried(figure: FigureBlock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "CSV_LIMIT_BYTES", 4)
    html = build_report(report_of(figure))
    assert "text/csv" not in html
    assert "one.csv" in html


def test_nothing_outside_is_needed_and_nothing_runs(figure: FigureBlock) -> None:
    html = build_report(report_of(figure, TableBlock(pd.DataFrame({"a": [1]}), "T.")))
    reader = read(html)
    wanted = [*reader.all("img", "src"), *reader.all("a", "href")]
    assert all(url.startswith(("data:", "#")) for url in wanted)
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in reader.tags}
    assert not re.search(r"https?://|@import|url\(", html)


def test_an_interactive_figure_runs_in_a_frame_that_reaches_nothing() -> None:
    fragment = '<p id="turn">a &amp; b</p><script>if (1 < 2) {}</script>'
    html = build_report(report_of(HtmlBlock(fragment, "To turn. By hand.", 320), TextBlock("after")))
    reader = read(html)
    assert "script" not in {tag for tag, _ in reader.tags}  # of the page itself
    frames = [attributes for tag, attributes in reader.tags if tag == "iframe"]
    assert len(frames) == 1
    assert (frames[0]["sandbox"], frames[0]["height"], frames[0]["title"]) == ("allow-scripts", "320", "To turn.")
    page = str(frames[0]["srcdoc"])
    assert fragment in page  # unescaped by the parser, as by a browser
    assert "default-src 'none'" in page and "--card:" in page
    assert {"Figure 1", "By hand.", "after"} <= set(reader.text)


def test_parts_are_reached_from_the_top_and_keep_apart(figure: FigureBlock) -> None:
    table = TableBlock(pd.DataFrame({"a": [1]}), "T.")
    one, two = report_of(figure, table, title="Tracks"), report_of(table, figure, title="DNA", provenance={"seed": "8"})
    html = build_report([one, two])
    reader = read(html)
    ids = [str(attributes["id"]) for _, attributes in reader.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    anchors = [href.removeprefix("#") for href in reader.all("a", "href") if href.startswith("#")]
    assert set(anchors) <= set(ids)
    assert anchors[:2] == ["part-1-summary", "part-2-summary"]
    assert {"Figure 1", "Figure 2", "Table 1", "Table 2", "Tracks", "DNA", "7", "8"} <= set(reader.text)
    assert "<title>Tracks · DNA</title>" in html


def test_one_part_is_a_report_of_its_own(figure: FigureBlock) -> None:
    report = report_of(figure)
    assert build_report([report]) == build_report(report)
    assert 'class="parts"' not in build_report(report)
    with pytest.raises(InputError, match="has no part"):
        build_report([])


def test_every_text_is_escaped() -> None:
    table = TableBlock(pd.DataFrame({EVIL: [EVIL]}), EVIL)
    report = Report(
        EVIL,
        EVIL,
        [Finding(EVIL, EVIL, EVIL)],
        [Section(EVIL, EVIL, [TextBlock(EVIL), table, HtmlBlock("", EVIL, 1)])],
        {EVIL: EVIL, "p": f"a\n{EVIL}"},
    )
    html = build_report(report)
    assert "<script" not in html
    reader = read(html)
    assert sum(text.count(EVIL) for text in reader.text) == 17


def test_equal_inputs_give_equal_bytes_and_no_path_of_this_machine(figure: FigureBlock, tmp_path: Path) -> None:
    report = report_of(figure)
    write_report(report, tmp_path / "a.html")
    write_report(report, tmp_path / "b.html")
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()
    assert str(tmp_path) not in (tmp_path / "a.html").read_text()


def test_contents_lead_to_every_section() -> None:
    report = Report("T", "L", [], [Section("Same", "", []), Section("Same", "", [])], {})
    reader = read(build_report(report))
    anchors = {href.removeprefix("#") for href in reader.all("a", "href")}
    assert len(anchors) == 4
    assert anchors <= {str(attributes["id"]) for _, attributes in reader.tags if "id" in attributes}


def test_cells_follow_their_formats() -> None:
    frame = pd.DataFrame(
        {
            "name": ["a", "b"],
            "x": [1.23456, np.nan],
            "n": [3, 12],
            "ok": [True, False],
            "ci": ["0.1 [0.0, 0.2]", "–"],
        }
    )
    html = build_report(report_of(TableBlock(frame, "Numbers.", {"x": ".2f"})))
    cells = re.findall(r"<td(?: class=\"(\w+)\")?>(.*?)</td>", html)
    assert [text for _, text in cells] == [
        "a",
        "1.23",
        "3",
        "yes",
        "0.1 [0.0, 0.2]",
        "b",
        "–",
        "12",
        "no",
        "–",
    ]
    assert [kind for kind, _ in cells[:5]] == ["", "number", "number", "", "number"]


def test_verdicts_and_provenance_are_shown() -> None:
    findings = [Finding("Better?", "-0.2", "By far.", "good"), Finding("Sure?", "no", "Not at all.", "bad")]
    html = build_report(report_of(findings=findings, provenance={"data hash": "abc", "params": "a: 1\nb: 2\n"}))
    reader = read(html)
    classes = reader.all("div", "class")
    assert {"finding good", "finding bad"} <= set(classes)
    assert "a: 1\nb: 2" in reader.text
    assert {"data hash", "abc", "-0.2", "By far."} <= set(reader.text)


def test_a_missing_figure_is_one_error_and_leaves_no_report(figure: FigureBlock, tmp_path: Path) -> None:
    figure.path.unlink()
    with pytest.raises(InputError, match=r"one\.png: the report names this file"):
        write_report(report_of(figure), tmp_path / "out.html")
    assert list(tmp_path.glob("*.html*")) == [] and list(tmp_path.glob(".*")) == []
