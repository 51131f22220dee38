"""Hits of the patterns along the explained windows: sites that read as a pattern and contribute as it does.

Seqlets are the places that a pattern was made of, those that pass TF-MoDISco's false discovery rate; every other
instance of the pattern is left out of them. A hit is a site whose score by the pattern's matrix is as improbable in
random sequence as FIMO asks (Grant et al. 2011, Bioinformatics 27:1017), whose contribution has the pattern's sign, and
whose hypothetical contributions have the pattern's shape.
"""

import numpy as np
import pandas as pd

from contactlens.attribution.centring import centred
from contactlens.dna.data.motif_database import threshold_bits
from contactlens.dna.explanation.attributions import Attributions, InPieces
from contactlens.dna.motifs.discover import Discovery, Pattern
from contactlens.dna.motifs.hits import HITS
from contactlens.dna.motifs.peaks import require_places

Array = np.ndarray
PSEUDO_SHARE = 0.01  # of each base, so that a base that no seqlet has is improbable and not impossible


def call_hits(
    discovery: Discovery, contributions: InPieces, places: pd.DataFrame, hit_p: float, min_similarity: float
) -> pd.DataFrame:
    """A row a hit, as `seqlet_hits` has a row a seqlet, in genome order within each pattern.

    contributions: of the windows that are searched
    places: `window_id`, `chrom` and `win_start` of these windows, in their order
    hit_p: largest p-value of a site's score, each base of random sequence having probability 1/4
    min_similarity: least cosine between the site's hypothetical contributions and those of the pattern

    Of hits of one pattern that overlap, on either strand, the most similar stays.
    """
    require_places(contributions, places)
    found: list[list[pd.DataFrame]] = [[] for _ in discovery.patterns]
    first = 0
    for piece in contributions.pieces() if found else ():
        own = places.iloc[first : first + len(piece.logits)]
        for pattern, parts in zip(discovery.patterns, found, strict=True):
            parts.append(_hits_of(pattern, piece, own, hit_p, min_similarity))
        first += len(own)
    tables = [table for parts in found for table in parts]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(HITS))


def _hits_of(
    pattern: Pattern, contributions: Attributions, places: pd.DataFrame, hit_p: float, min_similarity: float
) -> pd.DataFrame:
    shape = pattern.contributions[slice(*pattern.kept)]
    bits = np.log2(4 * (pattern.core + PSEUDO_SHARE) / (1 + 4 * PSEUDO_SHARE))
    sign, threshold = np.sign(shape.sum()), threshold_bits(bits, hit_p)
    parts = []
    for strand, scores, own in (("+", bits, shape), ("-", bits[::-1, ::-1], shape[::-1, ::-1])):
        row, start = np.nonzero(_site_scores(contributions.one_hot, scores) >= threshold)
        site = start[:, None] + np.arange(len(bits))
        hypothetical = centred(contributions.hypothetical[row[:, None], site].astype(np.float64))  # (K, W, 4)
        contribution = (hypothetical * contributions.one_hot[row[:, None], site]).sum(axis=(1, 2))
        size = np.sqrt((hypothetical**2).sum(axis=(1, 2)) * (own**2).sum())
        similarity = (hypothetical * own).sum(axis=(1, 2)) / np.maximum(size, 1e-12)
        table = pd.DataFrame({"row": row, "start": start, "strand": strand, "contribution": contribution})
        table["similarity"] = similarity
        parts.append(table[(similarity >= min_similarity) & (sign * contribution > 0)])
    hits = _without_overlap(pd.concat(parts, ignore_index=True), len(bits))
    of_window = places.iloc[hits["row"].to_numpy()].reset_index(drop=True)
    hits = hits.assign(
        pattern=pattern.name,
        window_id=of_window["window_id"],
        end=hits["start"] + len(bits),
        chrom=of_window["chrom"],
        genome_start=of_window["win_start"] + hits["start"],
        genome_end=of_window["win_start"] + hits["start"] + len(bits),
    )
    return hits[[*HITS, "similarity"]]


def _site_scores(one_hot: Array, scores: Array) -> Array:
    """Scores (N, L - W + 1) of every site by a matrix (W, 4) in bits; a site with an unknown base has none."""
    places = max(one_hot.shape[1] - len(scores) + 1, 0)
    total = np.zeros((len(one_hot), places))
    for at, row in enumerate(scores):
        bases = one_hot[:, at : at + places]
        total += np.where(bases.any(axis=2), bases @ row, -np.inf)
    return total


def _without_overlap(hits: pd.DataFrame, width: int) -> pd.DataFrame:
    """Of hits in one window that begin less than a width apart, the most similar, by row and place."""
    kept: list[int] = []
    taken: dict[int, list[int]] = {}
    order = np.argsort(-hits["similarity"].to_numpy(), kind="stable")
    rows, starts = hits["row"].tolist(), hits["start"].tolist()
    for index in order.tolist():
        others = taken.setdefault(rows[index], [])
        if all(abs(starts[index] - other) >= width for other in others):
            others.append(starts[index])
            kept.append(index)
    return hits.iloc[kept].sort_values(["row", "start"], kind="stable").reset_index(drop=True)
