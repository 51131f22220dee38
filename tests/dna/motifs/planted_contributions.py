"""Windows with CTCF planted, and contributions that point at it: what the analysis of motifs is tried on."""

from dataclasses import replace

import numpy as np
import pandas as pd

from contactlens.dna.data.genome import Genome
from contactlens.dna.data.motif_database import motif
from contactlens.dna.data.window_set import WindowSet
from contactlens.dna.explanation.attributions import Attributions
from contactlens.dna.motifs.config import USUAL

L, EXPLAINED, UNEXPLAINED = 200, 130, 4
PLANTED = "MA0139.2"  # CTCF
CONFIG = replace(
    USUAL,
    method="lrp",
    peaks_per_window=1,
    smoothing_bp=101,
    seqlet_fdr=0.2,
    max_seqlets=5000,
    trim_share=0.3,
    random_motifs=4,
)


def simulated(effect: float) -> tuple[WindowSet, Attributions]:
    """CTCF twice in every window, its bases' contributions `effect` x information; the last windows not explained."""
    rng, one, n = np.random.default_rng(0), motif(PLANTED), EXPLAINED + UNEXPLAINED
    bases, hypothetical, planted = rng.integers(0, 4, (n, L)), np.zeros((n, L, 4)), []
    if effect:
        hypothetical = rng.normal(0, 0.02, (n, L, 4))
    for row in range(n):
        for start in (50 + rng.integers(0, 20), 110 + rng.integers(0, 20)):
            reverse = bool(rng.random() < 0.5)
            p = one.probabilities[::-1, ::-1] if reverse else one.probabilities
            place = slice(int(start), int(start) + len(p))
            bases[row, place] = [rng.choice(4, p=share / share.sum()) for share in p]
            hypothetical[row, place] += effect * (p - 0.25)
            strand = "-" if reverse else "+"
            planted.append((f"w{row}", PLANTED, one.name, place.start, place.stop, strand, "region"))
    starts = 1000 + (L + 50) * np.arange(n)
    table = pd.DataFrame({"window_id": [f"w{row}" for row in range(n)], "chrom": "sim1", "win_start": starts})
    table["win_end"] = table["win_start"] + L
    table["label"], table["record"], table["record_start"] = 1, "sim1", 0
    truth = pd.DataFrame(planted, columns=["window_id", "motif_id", "name", "start", "end", "strand", "element"])
    letters = np.full(starts[-1] + L + 300, "A")
    for start, row in zip(starts, bases, strict=True):
        letters[start : start + L] = np.array(list("ACGT"))[row]
    windows = WindowSet("region", table, Genome.of({"sim1": "".join(letters)}), "test", {}, truth)
    explained = rng.permutation(EXPLAINED)
    ids = table["window_id"].to_numpy(dtype=str)[explained]
    one_hot = np.eye(4, dtype=np.uint8)[bases[explained]]
    return windows, Attributions(ids, np.zeros(EXPLAINED), hypothetical[explained].astype(np.float32), one_hot)
