"""Negatives of regions from the genome itself: as long as the positives, and as rich in G and C."""

import numpy as np
import pandas as pd

from contactlens.base.errors import InputError
from contactlens.dna.data.genome import Genome
from contactlens.dna.data.importing.exclusions import Blacklist
from contactlens.dna.data.importing.placement import RecordMap
from contactlens.dna.data.importing.report import Sieve

CANDIDATES = 50  # windows drawn for each negative that is wanted
MAX_GC_GAP = 0.02
WITHOUT_NEGATIVE = "positives without enough windows of their GC content on their chromosome"


def gc_matched(
    positives: Sieve,
    genome: Genome,
    *,
    per_positive: int,
    window_bp: int,
    max_n_fraction: float,
    blacklist: Blacklist | None,
    seed: int,
) -> Sieve:
    """Windows of the positives' chromosomes, each within 0.02 of the GC content of its positive, none used twice.

    positives: of `read_peaks`, all with coordinates on `genome`; those that find fewer than `per_positive` are dropped
        from it

    Drawn evenly along the records, away from every positive, from the blacklist and from what has too many unknown
    bases. Raises InputError where a positive has no coordinates, or none finds its negatives.
    """
    loose = positives.rows.loc[~positives.rows["placed"].astype(bool), "where"]
    if len(loose):
        raise InputError(f"negatives from the genome need positives with coordinates; {loose.iloc[0]} has none")
    rng, records = np.random.default_rng(seed), RecordMap(genome)
    chosen, complete = [], np.zeros(len(positives.rows), dtype=bool)
    for chrom, rows in positives.rows.groupby("chrom", sort=True).indices.items():
        own = positives.rows.iloc[rows]
        pool = _candidates(str(chrom), own, records, genome, CANDIDATES * per_positive, window_bp, rng)
        usable = pool["unknown"] <= max_n_fraction
        if blacklist is not None and len(pool):
            usable &= ~blacklist.touched(pool["chrom"], pool["win_start"], pool["win_start"] + window_bp)
        matched, found = _nearest(own, pool[usable].reset_index(drop=True), per_positive, rng)
        chosen.append(matched)
        complete[rows] = found
    positives.drop(WITHOUT_NEGATIVE, ~complete)
    positives.require_some("negatives from the genome")
    return Sieve(pd.concat(chosen, ignore_index=True))


def gc_fraction(sequence: str) -> float:
    """Share of G and C among the known bases; 0 where there are none."""
    known = sum(map(sequence.count, "ACGT"))
    return (sequence.count("G") + sequence.count("C")) / max(known, 1)


def _candidates(
    chrom: str,
    positives: pd.DataFrame,
    records: RecordMap,
    genome: Genome,
    per_positive: int,
    window_bp: int,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Windows of a chromosome that touch no positive and none of each other's starts, in the order of drawing."""
    own = records.records.iloc[records.by_chrom[chrom]]
    room = np.maximum((own["record_end"] - own["record_start"] - window_bp + 1).to_numpy(), 0)
    before = np.concatenate([[0], np.cumsum(room)])
    drawn = rng.integers(0, before[-1], per_positive * len(positives))
    record = np.searchsorted(before, drawn, side="right") - 1
    start = own["record_start"].to_numpy()[record] + drawn - before[record]
    taken = np.sort(positives["win_start"].to_numpy())
    clear = np.searchsorted(taken, start - window_bp, side="right") == np.searchsorted(taken, start + window_bp)
    frame = pd.DataFrame({"chrom": chrom, "win_start": start, "record": own["record"].to_numpy()[record]})
    frame["first"] = start - own["record_start"].to_numpy()[record]
    frame = frame[clear].drop_duplicates("win_start").reset_index(drop=True)
    places = zip(frame["record"], frame["first"].tolist(), strict=True)
    sequence = [genome.fetch(name, first, first + window_bp) for name, first in places]
    unknown = [1 - sum(map(bases.count, "ACGT")) / window_bp for bases in sequence]
    return frame.assign(sequence=sequence, gc=[gc_fraction(bases) for bases in sequence], unknown=unknown)


def _nearest(
    positives: pd.DataFrame, pool: pd.DataFrame, per_positive: int, rng: np.random.Generator
) -> tuple[pd.DataFrame, np.ndarray]:
    """The candidates nearest in GC content for each positive in a random order, and which positives found enough."""
    gc, wanted = pool["gc"].to_numpy(), np.array([gc_fraction(bases) for bases in positives["sequence"]])
    free, found = np.ones(len(pool), dtype=bool), np.zeros(len(positives), dtype=bool)
    taken: list[int] = []
    of: list[int] = []
    for row in rng.permutation(len(positives)).tolist():
        near = np.flatnonzero(free & (np.abs(gc - wanted[row]) <= MAX_GC_GAP))
        if len(near) >= per_positive:
            best = near[np.argsort(np.abs(gc[near] - wanted[row]), kind="stable")[:per_positive]]
            free[best], found[row] = False, True
            taken += best.tolist()
            of += [row] * per_positive
    rows = pool.iloc[taken].reset_index(drop=True)
    where = "window for " + positives["where"].iloc[of].reset_index(drop=True)
    last = rows["win_start"] + len(positives["sequence"].iloc[0])
    names = rows["chrom"] + ":" + rows["win_start"].astype("str") + "-" + last.astype("str") + "_negative"
    return rows[["chrom", "win_start", "sequence"]].assign(name=names, where=where, placed=True), found
