"""Windows of enhancer-gene pairs from a BENGI list, as TransEPI (version 3) publishes it."""

from pathlib import Path
from typing import Any

from contactlens.dna.data.importing.interval_table import read_table
from contactlens.dna.data.importing.pair_windows import pairs_of, windows_of_pairs
from contactlens.dna.data.importing.report import ImportedWindows
from contactlens.dna.data.negatives import DistanceMatching

# TransEPI (Chen et al. 2022, Genomics Proteomics Bioinformatics) lists the pairs of BENGI (Moore et al. 2020, Genome
# Biology 21:17): no header, enh_name "chr:start-end|cell|cCRE", prom_name "TSS|cell|gene|transcript|strand".
BENGI_COLUMNS = (
    "label",
    "distance",
    "enh_chrom",
    "enh_start",
    "enh_end",
    "enh_name",
    "prom_chrom",
    "prom_start",
    "prom_end",
    "prom_name",
)
USED = ("label", "enh_chrom", "enh_start", "enh_end", "prom_chrom", "prom_start", "prom_end")


def import_bengi(
    table: Path | str,
    fasta: Path | str,
    *,
    window_bp: int,
    max_n_fraction: float,
    matching: DistanceMatching | None = None,
    **excluded: Any,
) -> ImportedWindows:
    """Windows of `window_bp` bases from a BENGI list (text without header, also .gz) and the FASTA of its chromosomes.

    The arguments, the reasons to drop a pair, and the errors are those of `import_windows`. One enhancer paired with
    several transcripts of the same promoter interval is one pair.
    """
    pairs = pairs_of(read_table(table, BENGI_COLUMNS), {name: name for name in USED})
    rules: dict[str, Any] = {"window_bp": window_bp, "max_n_fraction": max_n_fraction, "matching": matching}
    return windows_of_pairs(pairs, table, fasta, **rules, **excluded)
