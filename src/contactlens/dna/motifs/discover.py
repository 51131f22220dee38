"""Motifs in windows around attribution peaks, by TF-MoDISco, and their tables.

modisco-lite forks: call `discover` before any thread of CUDA or Ray is started.
"""

from pathlib import Path

import pandas as pd

from contactlens.attribution.modisco import ALPHABET as BASES
from contactlens.attribution.modisco import Discovery, Pattern, core_of, find_patterns
from contactlens.dna.motifs.config import MotifConfig
from contactlens.dna.motifs.peaks import PeakWindows

__all__ = ["BASES", "Discovery", "Pattern", "core_of", "discover", "matrix_table", "pattern_table", "why_no_motif"]


def discover(peaks: PeakWindows, config: MotifConfig, seed: int, hdf5: Path | str | None = None) -> Discovery:
    """The patterns of the peak windows as `find_patterns` finds them; rows are those of `peaks.table`."""
    return find_patterns(peaks.hypothetical, peaks.one_hot, config.modisco, seed, hdf5)


def why_no_motif(reason: str, failed: bool) -> str:
    """Where there is no pattern, or where the search for one broke off; reason, failed: as of `Discovery`."""
    if failed:
        return f"Motifs were not found out, because the search broke off: {reason}."
    return f"No motif found, because {reason or 'no pattern recurs'}."


def pattern_table(discovery: Discovery) -> pd.DataFrame:
    """One row a pattern: `pattern`, `n_seqlets`, `width_bp` and `consensus` of the core, `contribution` (its sum)."""
    rows = [
        (p.name, p.n_seqlets, len(p.core), p.consensus, p.contributions[slice(*p.kept)].sum())
        for p in discovery.patterns
    ]
    return pd.DataFrame(rows, columns=["pattern", "n_seqlets", "width_bp", "consensus", "contribution"])


def matrix_table(discovery: Discovery) -> pd.DataFrame:
    """One row a position: `pattern`, `position`, `kept`, frequencies `A C G T`, `contribution_A` ... `_T` (logit)."""
    columns = ["pattern", "position", "kept", *BASES, *(f"contribution_{base}" for base in BASES)]
    rows = [
        (p.name, at, p.kept[0] <= at < p.kept[1], *p.pwm[at], *p.contributions[at])
        for p in discovery.patterns
        for at in range(len(p.pwm))
    ]
    return pd.DataFrame(rows, columns=columns)
