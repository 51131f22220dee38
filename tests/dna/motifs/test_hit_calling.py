"""Hits of a pattern: sites that read as it does and contribute as it does, on either strand."""

import numpy as np
import pandas as pd

from contactlens.dna.data.genome import Genome
from contactlens.dna.data.window_set import WindowSet
from contactlens.dna.explanation.attributions import Attributions
from contactlens.dna.motifs.discover import Discovery, Pattern
from contactlens.dna.motifs.hit_calling import call_hits
from contactlens.dna.motifs.hits import HITS

SITE, L = "ACGTTGCA", 40
LETTERS = "ACGT"
CORE = np.eye(4)[[LETTERS.index(base) for base in SITE]]
COMPLEMENT = str.maketrans("ACGT", "TGCA")
PATTERN = Pattern(
    "pos_0",
    np.vstack([np.full((2, 4), 0.25), CORE, np.full((2, 4), 0.25)]),
    np.vstack([np.zeros((2, 4)), CORE, np.zeros((2, 4))]),
    (2, 10),
    pd.DataFrame({"row": [0], "start": [0], "end": [12], "is_revcomp": [False]}),
)


def contributions_of(sequences: list[str], effects: list[dict[int, float]]) -> tuple[WindowSet, Attributions]:
    """effects: of each window, begin of a site -> contribution of each of its bases"""
    one_hot = np.array([[[base == letter for letter in LETTERS] for base in s] for s in sequences], dtype=np.uint8)
    hypothetical = np.random.default_rng(0).normal(0, 1e-3, one_hot.shape)
    for row, sites in enumerate(effects):
        for start, effect in sites.items():
            place = slice(start, start + len(SITE))
            hypothetical[row, place] += effect * one_hot[row, place]
    n = len(sequences)
    names = [f"w{row}" for row in range(n)]
    table = pd.DataFrame({"window_id": names, "chrom": "chr1", "win_start": 1000 * np.arange(n)})
    table = table.assign(win_end=table["win_start"] + L, label=1, record=names, record_start=table["win_start"])
    windows = WindowSet("region", table, Genome.of(dict(zip(names, sequences, strict=True))), "toy", {}, None)
    return windows, Attributions(np.array(names), np.ones(n), hypothetical.astype(np.float32), one_hot)


def test_a_hit_reads_as_the_pattern_and_contributes_as_it_does() -> None:
    turned = SITE.translate(COMPLEMENT)[::-1]
    one = "A" * 10 + SITE + "A" * 22
    other = "C" * 20 + turned + "C" * 12
    broken = "A" * 10 + "ACTTTGCA" + "A" * 22  # one base off: a p-value above 1e-4
    sequences = [one, other, one, one, broken]
    windows, found = contributions_of(sequences, [{10: 1.0}, {20: 2.0}, {}, {10: -1.0}, {10: 1.0}])
    hits = call_hits(Discovery([PATTERN]), found, windows.windows, 1e-4, 0.5)
    # The third says nothing of the site, the fourth the contrary.
    assert hits[["window_id", "start", "end", "strand"]].to_numpy().tolist() == [
        ["w0", 10, 18, "+"],
        ["w1", 20, 28, "-"],
    ]
    assert hits[["chrom", "genome_start", "genome_end"]].to_numpy().tolist() == [["chr1", 10, 18], ["chr1", 1020, 1028]]
    np.testing.assert_allclose(hits["contribution"], [8 * 0.75, 16 * 0.75], rtol=0.01)  # less the mean of the letters
    assert (hits["similarity"] > 0.8).all()
    assert "w4" in set(call_hits(Discovery([PATTERN]), found, windows.windows, 1e-2, 0.5)["window_id"])


def test_of_overlapping_hits_the_most_similar_stays_and_no_pattern_has_no_hit() -> None:
    palindrome = "ACGTACGT"
    core = np.eye(4)[[LETTERS.index(base) for base in palindrome]]
    pattern = Pattern("pos_0", core, core, (0, 8), PATTERN.seqlets)
    windows, found = contributions_of(["T" * 10 + palindrome + "T" * 22], [{10: 1.0}])
    hits = call_hits(Discovery([pattern]), found, windows.windows, 1e-4, 0.5)
    assert hits[["start", "end"]].to_numpy().tolist() == [[10, 18]]
    assert list(call_hits(Discovery(), found, windows.windows, 1e-4, 0.5)) == list(HITS)


def test_unknown_bases_are_in_no_hit() -> None:
    windows, found = contributions_of(["A" * 10 + "ACGNTGCA" + "A" * 22], [{10: 1.0}])
    assert call_hits(Discovery([PATTERN]), found, windows.windows, 1e-2, 0.1).empty
