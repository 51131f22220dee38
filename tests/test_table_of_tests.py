"""The table of which tests protect what, from a small JUnit file."""

import runpy
from pathlib import Path

ROOT = Path(__file__).parents[1]
SCRIPT = runpy.run_path(str(ROOT / ".ci" / "test_table.py"))
JUNIT = """<testsuites><testsuite>
<testcase classname="tests.dna.models.caduceus.test_scan" name="test_a" time="2.5"/>
<testcase classname="tests.dna.models.test_heads" name="test_b[1]" time="1.0"><skipped message="no GPU"/></testcase>
<testcase classname="tests.test_docs" name="test_c" time="0.25"/>
</testsuite></testsuites>"""


def test_each_room_has_its_tests_and_seconds(tmp_path: Path) -> None:
    one, again = tmp_path / "one.xml", tmp_path / "again.xml"
    one.write_text(JUNIT)
    again.write_text(JUNIT.replace("0.25", "0.75"))
    found = SCRIPT["cases"]([one, again])
    rows = SCRIPT["rows_by_room"](found)
    assert list(rows) == ["dna/models", "whole project"]
    models, project = rows.values()
    assert (models.tests, models.skipped, models.seconds, len(models.files)) == (2, 1, 3.5, 2)
    assert models.slowest == (2.5, "test_scan::test_a")
    assert (project.tests, project.seconds) == (1, 0.75)  # the later file's time
    page = SCRIPT["page"](rows, found)
    lines = SCRIPT["source_lines"]("dna/models")
    assert 1_000 < lines < SCRIPT["source_lines"]("whole project")
    assert f"| dna/models | {lines:,} | 2 | 2 | 1 | 4 | `test_scan::test_a` (2.5) |" in page
    assert "- 2.5 s `tests/dna/models/caduceus/test_scan.py::test_a`" in page
