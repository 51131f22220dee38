"""Great Expectations' Data Docs pages of a validation, with the same bytes every time.

The pages are made by Great Expectations' own renderers. What would differ between two runs on the same data
is taken out: load times and data fingerprints, random element ids, time stamps in links. They need the
network for Bootstrap, jQuery, Vega and icons, which Great Expectations loads from CDNs.
"""

import html
import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contactlens.base.files import write_aside

if TYPE_CHECKING:
    from great_expectations.core import ExpectationSuiteValidationResult

# Great Expectations' pages link to others of a site four folders up; these all lie in one folder.
SITE_ROOT = "../../../../"


def write_data_docs(validations: "list[ExpectationSuiteValidationResult]", folder: Path | str, title: str) -> None:
    """Write `index.html`, headed by `title`, and one page per validated table into `folder`."""
    from great_expectations.render.renderer.page_renderer import ValidationResultsPageRenderer

    renderer = ValidationResultsPageRenderer(run_info_at_end=True)
    with write_aside(folder) as aside:
        aside.mkdir()
        for validation in validations:
            validation.meta = {"great_expectations_version": validation.meta["great_expectations_version"]}
            page = _stable_view().render(renderer.render(validation), show_how_to_buttons=False)
            name = validation.suite_name
            page = page.replace(f"{SITE_ROOT}expectations/{name}.html", f"{name}.html")
            (aside / f"{name}.html").write_text(page.replace(SITE_ROOT, ""))
        (aside / "index.html").write_text(_index(validations, title))


def _stable_view() -> Any:
    from great_expectations.render.view import DefaultJinjaPageView

    class StableView(DefaultJinjaPageView):
        """Numbers its elements instead of giving them random ids, and keeps the time out of its links."""

        def __init__(self) -> None:
            self.element = itertools.count()
            super().__init__()

        def generate_html_element_uuid(self, prefix: str | None = None) -> str:
            return f"{prefix or ''}{next(self.element)}"

        def add_data_context_id_to_url(self, url: str, add_datetime: bool = False) -> str:
            return url

    return StableView()


def _index(validations: "list[ExpectationSuiteValidationResult]", title: str) -> str:
    """All expectations in words, which a reader without the network can rely on."""
    head = f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{title}: Data Docs</title></head>'
    tables = "".join(_section(validation) for validation in validations)
    return f"{head}<body><h1>{title}: Data Docs</h1>{tables}</body></html>\n"


def _section(validation: "ExpectationSuiteValidationResult") -> str:
    name = validation.suite_name
    items = ""
    for result in validation.results:
        config: Any = result.expectation_config
        items += f"<li>{'met' if result.success else 'FAILED'}: {html.escape(config.meta['what'])}</li>"
    return f'<h2><a href="{name}.html">{name}</a></h2><ul>{items}</ul>'
