"""The documentation site: `make docs` -> docs/_build/html. Nothing is fetched."""

import sys
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS))

from docstrings import as_rst  # noqa: E402
from params_page import page  # noqa: E402

from contactlens.ops.params import load_params  # noqa: E402
from contactlens.reporting.files import replace_marked  # noqa: E402

project = "contactlens"
extensions = ["myst_nb", "sphinx.ext.autodoc"]
nb_execution_mode = "force"  # the notebooks are kept without outputs: each build runs them
nb_execution_raise_on_error = True
nb_execution_timeout = 600
nb_output_stderr = "remove"
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = project
html_show_copyright = False
myst_heading_anchors = 3
suppress_warnings = ["myst.xref_missing"]  # links to files of the repository; tests/test_docs.py follows every one
autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_typehints_format = "short"
add_module_names = False
python_display_short_literal_types = True

INCLUDED = DOCS.parent / "cluster" / "README.md"
WITHOUT = (
    "# Sweeps on a cluster\n`RAY_ADDRESS` moves sweeps to a Ray cluster, `MLFLOW_TRACKING_URI` runs to a server.\n"
)


def without_missing_include(app: Any, docname: str, source: list[str]) -> None:
    """A checkout without the folder of the cluster still has the page."""
    if docname == "cluster" and not INCLUDED.is_file():
        source[0] = WITHOUT


def every_key(app: Any, docname: str, source: list[str]) -> None:
    if docname == "params":
        source[0] = replace_marked(source[0], "params", page(load_params(DOCS.parent / "params.yaml")))


def plain_docstring(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    lines[:] = as_rst(lines)


def setup(app: Any) -> None:
    app.connect("source-read", without_missing_include)
    app.connect("source-read", every_key)
    app.connect("autodoc-process-docstring", plain_docstring)
