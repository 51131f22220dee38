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
    covered = {
        "src/contactlens/dna/models/caduceus/scan.py": {"num_statements": 900, "covered_lines": 600},
        "src/contactlens/dna/models/pieces.py": {"num_statements": 300, "covered_lines": 300},
        "src/contactlens/base/files.py": {"num_statements": 1_200, "covered_lines": 300},
    }
    page = SCRIPT["page"](rows, found, covered)
    assert "| dna/models | 1,200, 75% | 2 | 2 | 1 | 4 | `test_scan::test_a` (2.5) |" in page
    assert "| all | 2,400, 50% | 3 | 3 | 1 | 4 | |" in page
    assert "- 2.5 s `tests/dna/models/caduceus/test_scan.py::test_a`" in page
