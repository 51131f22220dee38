"""One HTML file that carries everything, says everything that it was given, and runs nothing."""

import base64
import dataclasses
import gzip
import io
import itertools
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
from contactlens.reporting.blocks import (
    FigureBlock,
    Finding,
    Headline,
    HtmlBlock,
    Report,
    Section,
    TableBlock,
    TextBlock,
    figure_first,
)

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


def test_a_larger_table_is_carried_compressed(figure: FigureBlock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "PLAIN_CSV_BYTES", 4)
    (link,) = [attributes for tag, attributes in read(build_report(report_of(figure))).tags if "download" in attributes]
    kind, content = str(link["href"]).split(",", 1)
    assert (kind, link["download"]) == ("data:application/gzip;base64", "one.csv.gz")
    assert gzip.decompress(base64.b64decode(content)) == b"x,y\n1,2\n"


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
    assert anchors[:3] == ["main", "part-1-summary", "part-2-summary"]
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
        Headline(EVIL, EVIL, [EVIL], EVIL),
    )
    html = build_report(report)
    assert "<script" not in html
    reader = read(html)
    assert sum(text.count(EVIL) for text in reader.text) == 21


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
    assert len(anchors) == 5  # with the skip link
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


def test_the_first_screen_answers_with_its_figure_before_anything_else(figure: FigureBlock) -> None:
    seen = dataclasses.replace(figure, alt="A grey disc on black.", doubt="A lamp that flickers.")
    headline = Headline("Is there one?", "Yes: 97 nm.", ["As well smooth."], "Promoted.", seen, "good")
    reader = read(build_report(report_of(figure, headline=headline, findings=[Finding("Sure?", "no", "At all.")])))
    order = [
        "Is there one?",
        "Yes: 97 nm.",
        "As well smooth.",
        "Promoted.",
        "Figure 1",
        "Sure?",
        "First part",
        "Figure 2",
    ]
    assert [reader.text.index(words) for words in order] == sorted(reader.text.index(words) for words in order)
    assert reader.all("img", "alt") == ["A grey disc on black.", "A grey field."]
    assert "headline good" in reader.all("div", "class")
    assert "A lamp that flickers." in reader.text and reader.text.count("What would make this wrong:") == 1


def test_the_first_figure_leaves_its_section(figure: FigureBlock) -> None:
    sections = [Section("Kept", "", [TextBlock("t"), figure]), Section("Gone", "", [])]
    chosen, kept = figure_first(sections, ["none", "one"])
    assert chosen is figure and [section.title for section in kept] == ["Kept"]
    assert kept[0].blocks == [TextBlock("t")]
    assert figure_first(sections, ["none"]) == (None, [sections[0]])


@pytest.mark.parametrize("parts", [1, 2])
def test_headings_go_down_by_one_and_landmarks_are_there(figure: FigureBlock, parts: int) -> None:
    reader = read(build_report([report_of(figure)] * parts))
    levels = [int(tag[1]) for tag, _ in reader.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels.count(1) == 1 and levels[0] == 1 and max(levels) == 1 + parts
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    names = [tag for tag, _ in reader.tags]
    assert names.count("main") == 1 and "nav" in names
    links = [href for href in reader.all("a", "href") if href.startswith("#")]
    assert links[0] == "#main"  # what the keyboard comes to first
    focusable = [attributes for _, attributes in reader.tags if attributes.get("tabindex") == "0"]
    assert focusable and all(attributes.get("aria-label") for attributes in focusable)


def _luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance."""
    colour = colour if len(colour) == 7 else "#" + "".join(2 * digit for digit in colour[1:])
    channels = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_contrast_is_that_of_wcag_aa_by_day_by_night_and_on_paper() -> None:
    palettes = re.findall(r":root \{(.*?)\}", build_report(report_of()), re.DOTALL)
    assert len(palettes) == 3
    for palette in palettes:
        colours = dict(re.findall(r"--(\w+): (#\w+)", palette))
        for text in ("ink", "soft", "accent", "good", "bad"):
            for ground in ("page", "card"):
                light, dark = sorted((_luminance(colours[text]), _luminance(colours[ground])), reverse=True)
                assert (light + 0.05) / (dark + 0.05) >= 4.5, (text, ground, palette)


def test_the_page_is_made_for_paper_for_the_keyboard_and_for_a_phone() -> None:
    html = build_report(report_of())
    assert "@media print" in html and ":focus-visible" in html and "prefers-reduced-motion" in html
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in html
