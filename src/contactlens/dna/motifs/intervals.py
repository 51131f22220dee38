"""Motifs in the contributions that `contactlens dna attribute` left: any checkpoint, any intervals of any genome."""

from collections.abc import Hashable
from pathlib import Path

import pandas as pd

from contactlens.base.errors import InputError
from contactlens.base.files import require_file, require_replaceable, write_aside
from contactlens.dna.explanation.attribute import INTERVAL_COLUMNS, INTERVALS
from contactlens.dna.explanation.stored import open_attributions
from contactlens.dna.motifs.analysis import WRITTEN, MotifAnalysis, analyse_motifs, write_motifs
from contactlens.dna.motifs.config import MotifConfig

FILES = ("attributions.npz", "attributions.h5")
KINDS: dict[Hashable, str] = {"window_id": "str", "chrom": "str", "start": "int64", "end": "int64"}


def interval_motifs(folder: Path | str, method: str | None, config: MotifConfig, seed: int, out: Path) -> MotifAnalysis:
    """What `analyse_motifs` finds in the contributions in `folder`; the files of `write_motifs` -> the folder `out`.

    method: of those that the file holds; the only one, if left out
    config: its `method` does not count

    Chromosomes end with their last interval in what goes to a genome browser, as no genome is read.
    Raises InputError where `folder` has no contributions, or both files of them, or its intervals are not theirs.
    """
    folder = Path(folder)
    there = [name for name in FILES if (folder / name).exists()]
    if len(there) != 1:
        held = " and ".join(there) or f"neither {' nor '.join(FILES)}"
        raise InputError(f"{folder}: holds {held}; one of them is read")
    contributions = open_attributions(folder / there[0], method)
    places = read_places(folder / INTERVALS)
    sizes = {str(chrom): int(end) for chrom, end in places.groupby("chrom")["end"].max().items()}
    require_replaceable(out, WRITTEN)
    with write_aside(out) as aside:
        aside.mkdir()
        found = analyse_motifs(contributions, places, None, config, seed, aside / "modisco.h5")
        write_motifs(found, contributions, places, sizes, aside)
    return found


def read_places(path: Path) -> pd.DataFrame:
    """`window_id`, `chrom`, `win_start` and `end` of intervals.tsv, in its order."""
    require_file(path)
    try:
        table = pd.read_csv(path, sep="\t", dtype=KINDS)
    except (ValueError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a table of intervals of `contactlens dna attribute` ({error})") from error
    missing = [name for name in INTERVAL_COLUMNS if name not in table]
    if missing:
        raise InputError(f"{path}: no column {', '.join(missing)}; it has {', '.join(map(str, table))}")
    return table.rename(columns={"start": "win_start"})[["window_id", "chrom", "win_start", "end"]]
