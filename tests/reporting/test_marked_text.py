"""A command writes its own part of a page and nothing else."""

import pytest

from contactlens.base.errors import InputError
from contactlens.reporting.files import replace_marked

PAGE = "before\n<!-- a: start -->\nold\n<!-- a: end -->\nafter\n<!-- b: start -->\n<!-- b: end -->\n"


def test_only_what_is_between_the_marks_changes() -> None:
    written = replace_marked(PAGE, "a", "new\n")
    assert written == PAGE.replace("old", "new")
    assert replace_marked(written, "a", "old") == PAGE
    assert replace_marked(PAGE, "b", "x\ny") == PAGE.replace("<!-- b: end", "x\ny\n<!-- b: end")


@pytest.mark.parametrize("page", ["", PAGE + PAGE, "<!-- a: end --><!-- a: start -->"])
def test_a_page_without_its_marks_is_refused_by_name(page: str) -> None:
    with pytest.raises(InputError, match=r"^README\.md: must hold <!-- a: start --> and, after it, <!-- a: end -->"):
        replace_marked(page, "a", "new", "README.md")
