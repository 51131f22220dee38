"""Importers of labelled windows: lists of enhancer-promoter pairs in the formats below, and regions from peaks.

A further list of pairs is a module of this folder with a function of the arguments of `windows.import_windows`, and its
line in `PAIR_FORMATS`; the commands `contactlens import` and `contactlens dna run` then know it. This file imports
nothing heavy, so that the command line starts quickly.
"""

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from contactlens.dna.data.importing.report import ImportedWindows


class PairFormat(NamedTuple):
    """A format of a list of pairs.

    module: of this folder; its function is `import_<module>`, and the command `contactlens import <module>`
    about: what the command does; file: what it takes
    any_label: whether the column of the labels can be chosen (`label_column`)
    """

    module: str
    about: str
    file: str
    any_label: bool = False

    def load(self) -> "Callable[..., ImportedWindows]":
        """The import function."""
        function: Callable[..., ImportedWindows] = getattr(
            import_module(f"{__name__}.{self.module}"), f"import_{self.module}"
        )
        return function


PAIR_FORMATS = {
    "pairs": PairFormat(
        "windows",
        "Read enhancer-promoter pairs and write a window set.",
        "Pairs: BEDPE, TSV or CSV (also gzipped) or Parquet.",
        any_label=True,
    ),
    "bengi": PairFormat(
        "bengi",
        "Read a BENGI list of enhancer-gene pairs and write a window set.",
        "A BENGI list without header, as TransEPI publishes it (also gzipped).",
    ),
}
"""Kind of file, as `contactlens dna run --kind` names it -> its format."""
