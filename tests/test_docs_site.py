"""The documentation site: built without a warning, from docstrings as they are."""

import ast
import re
import subprocess
import sys
from html import unescape
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*"))
CODE_CELL = re.compile(r"^```\{code-cell\}\n(?::tags: \[([a-z-]+)\]\n\n)?(.*?)^```$", re.MULTILINE | re.DOTALL)
sys.path.insert(0, str(ROOT / "docs"))

from docstrings import as_rst  # noqa: E402


@pytest.mark.parametrize(
    ("docstring", "rst"),
    [
        ("A line\nthat goes on.", "A line that goes on."),
        ("Of `x` (N, T); 2 * 3, a_ and *.", "Of ``x`` (N, T); 2 \\* 3, a\\_ and \\*."),
        ("Is.\n\nx: (B, L)\n    and more\nu, v: the rest", "Is.\n\n* **x**: (B, L) and more\n* **u, v**: the rest"),
        ("Keys:\n    on\n\nThen.", "Keys: on\n\nThen."),
        ("So:\n\n    h_t = *a\n    y = `h`\n\nThen.", "So:\n\n::\n\n    h_t = *a\n    y = `h`\n\nThen."),
        ("As:\n\n>>> f(1)  # one\nvalue: a_\n>>> g()\n\nEnd.", "As:\n\n>>> f(1)  # one\nvalue: a_\n>>> g()\n\nEnd."),
        ("Raises InputError: never a list\n- of this", "Raises InputError: never a list - of this"),
    ],
)  # fmt: skip
def test_docstrings_become_paragraphs_and_lists_of_terms(docstring: str, rst: str) -> None:
    assert "\n".join(as_rst(docstring.splitlines())).rstrip("\n") == rst


@pytest.mark.slow
def test_the_site_is_built_without_a_warning_and_fetches_nothing(tmp_path: Path) -> None:
    site = tmp_path / "html"
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", str(ROOT / "docs")]
    done = subprocess.run([*command, str(site)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    pages = {path.stem: path.read_text() for path in site.glob("*.html")}
    sources = {path.stem for path in (ROOT / "docs").glob("*.md")}
    assert sources <= set(pages)
    assert all(f'href="{name}.html"' in pages["index"] for name in sources - {"index"})
    assert not [src for page in pages.values() for src in re.findall(r'(?:src|<link[^>]*href)="(https?:[^"]+)"', page)]
    assert pages["api"].count('<dt class="sig') > 300
    text = unescape(re.sub(r"<[^>]+>", "", pages["api"]))
    assert "folder in which an unfinished sweep is kept" in text
    assert "`" not in text
    for notebook in NOTEBOOKS:
        shown = (site / "notebooks" / f"{notebook.stem}.html").read_text()
        assert shown.count('<div class="cell_output') >= 3, notebook.name
        assert "Traceback" not in shown


def test_notebooks_are_text_without_outputs() -> None:
    """Code cells of MyST, which holds no outputs; each says at its end, in a cell that is not shown, what must hold."""
    assert [path.name for path in NOTEBOOKS] == ["dna.md", "own_model.md", "tracks.md"]
    assert [*(ROOT / "docs").rglob("*.ipynb")] == []
    for notebook in NOTEBOOKS:
        text = notebook.read_text()
        assert text.startswith("---\nfile_format: mystnb\nkernelspec:\n  name: python3\n")
        cells = CODE_CELL.findall(text)
        assert len(cells) >= 5 and text.count("```") == 2 * len(cells)
        for _, code in cells:
            ast.parse(code)
        assert any(tag == "remove-cell" and "assert " in code for tag, code in cells)
        for link in re.findall(r"\]\(([^)#\s]+)\)", text):
            assert (notebook.parent / link).is_file(), link
