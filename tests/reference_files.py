"""Files that tests read: small ones in tests/data, which every clone has, and whole ones in ../shared if any.

tests/data/README.md says where each comes from; tests/data/cut.py cuts the small ones out of the whole ones.
"""

from pathlib import Path

import pytest

SMALL = Path(__file__).parent / "data"
WHOLE = Path(__file__).parents[2] / "shared"


def both(path: str) -> list[object]:
    """Values for `parametrize`: a file of tests/data as "small", and the whole one of ../shared, which is slow."""
    whole = pytest.param(WHOLE / path, id="whole", marks=pytest.mark.slow)
    return [pytest.param(SMALL / path, id="small"), *([whole] if (WHOLE / path).is_file() else [])]


def caduceus(*variants: str, holding: str = "config.json") -> list[object]:
    """Values for `parametrize`: the reference folders of Caduceus that are there and hold a file."""
    found = [(kind, SMALL if kind == "small" else WHOLE, one) for kind in ("small", "whole") for one in variants]
    folders = [(f"{kind}-{one}", root / "caduceus" / one) for kind, root, one in found]
    return [pytest.param(folder, id=name) for name, folder in folders if (folder / holding).is_file()]
