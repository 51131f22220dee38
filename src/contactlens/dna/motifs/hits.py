"""Where the patterns lie on the genome, and how well they recover motifs that were planted."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from contactlens.base.files import write_aside
from contactlens.dna.motifs.discover import Discovery, Pattern
from contactlens.dna.motifs.peaks import PeakWindows

HITS = ("pattern", "window_id", "start", "end", "strand", "contribution", "chrom", "genome_start", "genome_end")
RECOVERY = (
    *("TF", "matrix_id", "best_pattern", "tomtom_q", "rank", "patterns"),
    *("recall", "precision", "n_sites", "n_seqlets", "hit_recall", "hit_precision", "n_hits"),
)
BED_MAX_SCORE = 1000


def seqlet_hits(discovery: Discovery, peaks: PeakWindows) -> pd.DataFrame:
    """One row a seqlet, cut to its pattern's core.

    Columns: `pattern`; `window_id`, `start`, `end` (bp from win_start); `strand` on which the core reads as the pattern
    is written; `contribution`, the sum over the core (logit, after centring); `chrom`, `genome_start`, `genome_end`
    (0-based, half-open).
    """
    actual = (peaks.hypothetical * peaks.one_hot).sum(axis=-1)
    parts = [_hits_of(pattern, peaks.table, actual) for pattern in discovery.patterns]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(HITS))


def _hits_of(pattern: Pattern, table: pd.DataFrame, actual: np.ndarray) -> pd.DataFrame:
    seqlets = pattern.seqlets
    reverse = seqlets["is_revcomp"].to_numpy()
    first, last = pattern.kept
    start = np.where(reverse, seqlets["end"] - last, seqlets["start"] + first)
    end = start + last - first
    sums = np.concatenate([np.zeros((len(actual), 1)), np.cumsum(actual, axis=1, dtype=np.float64)], axis=1)
    row = seqlets["row"].to_numpy()
    window = table.iloc[row]
    return pd.DataFrame(
        {
            "pattern": pattern.name,
            "window_id": window["window_id"].to_numpy(),
            "start": window["start"].to_numpy() + start,
            "end": window["start"].to_numpy() + end,
            "strand": np.where(reverse, "-", "+"),
            "contribution": sums[row, end] - sums[row, start],
            "chrom": window["chrom"].to_numpy(),
            "genome_start": window["genome_start"].to_numpy() + start,
            "genome_end": window["genome_start"].to_numpy() + end,
        }
    )


def write_bed(hits: pd.DataFrame, path: Path | str, names: Mapping[str, str]) -> None:
    """The hits as BED6, sorted by place.

    names: what to call a pattern (its factor, say); patterns not in it keep their names. The score is |contribution|
    scaled so that the strongest hit has 1000, the format's largest.
    """
    strength = hits["contribution"].abs()
    score = (BED_MAX_SCORE * strength / max(strength.max(), 1e-12)).round().astype(int) if len(hits) else strength
    bed = hits.assign(name=[names.get(pattern, pattern) for pattern in hits["pattern"]], score=score)
    bed = bed.sort_values(["chrom", "genome_start", "genome_end", "name"], kind="stable")
    columns = ["chrom", "genome_start", "genome_end", "name", "score", "strand"]
    with write_aside(path) as aside:
        bed[columns].to_csv(aside, sep="\t", header=False, index=False, lineterminator="\n")


def recovery(
    seqlets: pd.DataFrame,
    hits: pd.DataFrame,
    matches: pd.DataFrame,
    planted: pd.DataFrame,
    max_q: float,
    max_rank: int,
) -> pd.DataFrame:
    """How well each planted motif was found, one row each in the order of matrix ids.

    seqlets: `seqlet_hits`; hits: `call_hits`; matches: `match_patterns` (every database motif, not only the best);
    planted: the window set's truth, of the windows that were searched.

    A pattern belongs to the planted matrix that it matches best, if with q of `max_q` or less and where fewer than
    `max_rank` motifs of the database match it better (relatives of the factor may); several may belong to one
    (`patterns`, best first). `tomtom_q` and `rank` are the matrix's among the matches of `best_pattern`. `recall` is
    the share of the `n_sites` sites in enhancers, promoters and regions that a seqlet of these patterns covers by half
    or more; `precision` the share of these `n_seqlets` seqlets that so cover a site of the motif anywhere, in the
    background too. `hit_recall` and `hit_precision` are the same of the `n_hits` hits. Without a pattern recall is 0;
    precision, q and rank are missing.
    """
    good = (matches["q"] <= max_q) & (matches["rank"] <= max_rank)
    of_planted = matches[good & matches["matrix_id"].isin(planted["motif_id"])]
    best = of_planted.sort_values(["q", "rank"], kind="stable").drop_duplicates("pattern")
    rows = [
        _recovered(str(matrix_id), sites.reset_index(drop=True), (seqlets, hits), best[best["matrix_id"] == matrix_id])
        for matrix_id, sites in planted.groupby("motif_id", sort=True)
    ]
    return pd.DataFrame(rows, columns=list(RECOVERY))


def _recovered(
    matrix_id: str, sites: pd.DataFrame, found: tuple[pd.DataFrame, pd.DataFrame], mine: pd.DataFrame
) -> tuple:
    """One row of `recovery`; found: seqlets and hits; mine: the matches of this matrix's patterns, best first."""
    of_mine = (one[one["pattern"].isin(mine["pattern"])].reset_index(drop=True) for one in found)
    (recall, precision, n_seqlets), (hit_recall, hit_precision, n_hits) = (_scores(one, sites) for one in of_mine)
    names = mine["pattern"].tolist()
    match = (names[0], mine["q"].iloc[0], float(mine["rank"].iloc[0])) if names else ("", np.nan, np.nan)
    n_sites = int((sites["element"] != "background").sum())
    numbers = (recall, precision, n_sites, n_seqlets, hit_recall, hit_precision, n_hits)
    return (sites["name"].iloc[0], matrix_id, *match, ",".join(names), *numbers)


def _scores(hits: pd.DataFrame, sites: pd.DataFrame) -> tuple[float, float, int]:
    """Share of the sites inside elements that are covered, share of the hits that cover a site, and their number."""
    wanted = (sites["element"] != "background").to_numpy()
    covered = _covers(hits, sites)
    reached = np.isin(np.arange(len(sites)), covered["site"])
    recall = float(reached[wanted].mean()) if wanted.any() else np.nan
    return recall, covered["hit"].nunique() / len(hits) if len(hits) else np.nan, len(hits)


def _covers(hits: pd.DataFrame, sites: pd.DataFrame) -> pd.DataFrame:
    """Pairs (`hit`, `site`) of row numbers where the hit covers half of the site or more."""
    left = hits[["window_id", "start", "end"]].rename_axis("hit").reset_index()
    right = sites[["window_id", "start", "end"]].rename_axis("site").reset_index()
    pairs = left.merge(right, on="window_id", suffixes=("", "_site"))
    shared = np.minimum(pairs["end"], pairs["end_site"]) - np.maximum(pairs["start"], pairs["start_site"])
    return pairs.loc[2 * shared >= pairs["end_site"] - pairs["start_site"], ["hit", "site"]]
