"""The whole motif analysis of one set of contributions, and the files it leaves."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from contactlens.base.files import write_aside, write_json
from contactlens.base.progress import counting
from contactlens.dna.data.genome_tracks import stretches, write_bedgraph, write_bigwig, write_igv_session
from contactlens.dna.data.motif_database import jaspar_core
from contactlens.dna.explanation.attributions import InPieces
from contactlens.dna.motifs.config import MotifConfig
from contactlens.dna.motifs.discover import (
    BASES,
    Discovery,
    Pattern,
    discover,
    matrix_table,
    pattern_table,
    why_no_motif,
)
from contactlens.dna.motifs.hit_calling import call_hits
from contactlens.dna.motifs.hits import recovery, seqlet_hits, write_bed
from contactlens.dna.motifs.peaks import PeakWindows, cut_peaks
from contactlens.dna.motifs.tomtom import called_names, match_patterns, random_matches, top_matches

MEME_HEADER = """MEME version 4

ALPHABET= ACGT

strands: + -

Background letter frequencies
A 0.25 C 0.25 G 0.25 T 0.25
"""


TABLES = ("patterns", "matrices", "tomtom", "tomtom_random", "seqlets", "hits", "recovery")
WRITTEN = (
    *(f"{name}.csv" for name in TABLES),
    *("modisco.h5", "summary.json", "positive.meme", "negative.meme", "seqlets.bed", "hits.bed"),
    *("contributions.bw", "contributions.bedgraph", "igv_session.xml", "genome.chrom.sizes"),
)


@dataclass(frozen=True)
class MotifAnalysis:
    """peaks: what was searched; matches: of every pattern to every database motif; control: of shuffled patterns;
    seqlets: a row a seqlet; hits: a row a called hit; recovered: of each planted motif, None where no truth is known;
    names: pattern -> factor
    """

    config: MotifConfig
    peaks: PeakWindows
    discovery: Discovery
    matches: pd.DataFrame
    control: pd.DataFrame
    seqlets: pd.DataFrame
    hits: pd.DataFrame
    recovered: pd.DataFrame | None
    names: dict[str, str]

    def sentences(self) -> list[str]:
        """Each pattern with its name or without one, the most seqlets first; or why there is none."""
        if not len(self.discovery):
            return [why_no_motif(self.discovery.reason, self.discovery.failed)]
        best = self.matches[self.matches["rank"] == 1].set_index("pattern")
        found = []
        for one in sorted(self.discovery.patterns, key=lambda pattern: -pattern.n_seqlets):
            head = f"{one.name} ({one.n_seqlets:,} seqlets, {one.consensus})"
            if one.name in self.names:
                match = best.loc[one.name]
                found.append(f"{head}: {match['name']} ({match['matrix_id']}), q = {match['q']:.1e}")
            else:
                found.append(f"{head}: named by no motif of JASPAR")
        return [*found, self.discovery.reason] if self.discovery.reason else found


def analyse_motifs(
    contributions: InPieces,
    places: pd.DataFrame,
    planted: pd.DataFrame | None,
    config: MotifConfig,
    seed: int,
    hdf5: Path | str,
) -> MotifAnalysis:
    """Cut windows around peaks, find patterns, name them by the JASPAR vertebrate motifs; TF-MoDISco's file -> hdf5.

    places: `window_id`, `chrom` and `win_start` of the contributions' windows, in their order
    planted: the truth of these windows, as of `WindowSet`, where it is known
    """
    peaks = cut_peaks(contributions, places, config.window_bp, config.peaks_per_window, config.smoothing_bp)
    targets = jaspar_core()
    with counting(f"searches in {len(peaks)} windows", 3) as count:
        count.to(0, "TF-MoDISco")
        discovery = discover(peaks, config, seed, hdf5)
        count.to(1, f"Tomtom of {len(discovery)} patterns against {len(targets)} motifs")
        matches = match_patterns(discovery, targets)
        count.to(2, f"Tomtom of {config.random_motifs} shuffles of each")
        control = random_matches(discovery, targets, config.random_motifs, seed)
    seqlets = seqlet_hits(discovery, peaks)
    hits = call_hits(discovery, contributions, places, config.hit_p, config.hit_similarity)
    recovered = None
    if planted is not None:
        recovered = recovery(seqlets, hits, matches, planted, config.max_q, config.top_matches)
    names = called_names(matches, control, config.max_q)
    return MotifAnalysis(config, peaks, discovery, matches, control, seqlets, hits, recovered, names)


def write_motifs(
    found: MotifAnalysis, contributions: InPieces, places: pd.DataFrame, sizes: dict[str, int], folder: Path
) -> None:
    """Tables (CSV), MEME files, hits (BED), contributions (bigWig, bedGraph) and an IGV session -> `folder`.

    contributions, places: as of `analyse_motifs`; sizes: of the chromosomes, in bp
    """
    tables = {
        "patterns": pattern_table(found.discovery),
        "matrices": matrix_table(found.discovery),
        "tomtom": top_matches(found.matches, found.config.top_matches),
        "tomtom_random": found.control,
        "seqlets": found.seqlets,
        "hits": found.hits,
    }
    if found.recovered is not None:
        tables["recovery"] = found.recovered
    for name, table in tables.items():
        table.to_csv(folder / f"{name}.csv", index=False, lineterminator="\n", float_format="%.6g")
    write_meme(found.discovery, folder / "positive.meme", folder / "negative.meme")
    write_bed(found.seqlets, folder / "seqlets.bed", found.names)
    write_bed(found.hits, folder / "hits.bed", found.names)
    both = [(piece.actual, piece.hypothetical.any(axis=-1)) for piece in contributions.pieces()]
    actual, attributed = (np.concatenate(arrays) for arrays in zip(*both, strict=True))
    pieces = stretches(places, actual, attributed)
    write_bigwig(folder / "contributions.bw", pieces, sizes)
    write_bedgraph(folder / "contributions.bedgraph", pieces)
    write_igv_session(folder / "igv_session.xml", ("contributions.bw", "hits.bed", "seqlets.bed"), sizes)
    summary = {"patterns": len(found.discovery), "windows": len(found.peaks), "reason": found.discovery.reason}
    summary["failed"] = found.discovery.failed
    write_json(folder / "summary.json", summary)


def meme_text(patterns: Sequence[Pattern]) -> str:
    """The cores of the patterns; without patterns a header alone, which is still a valid file.

    An empty line ends each motif, the last one too: some readers leave out a motif without it.
    """
    return "\n".join([MEME_HEADER, *(_motif(pattern) for pattern in patterns), ""])


def _motif(pattern: Pattern) -> str:
    core = pattern.core
    head = f"MOTIF {pattern.name} {pattern.consensus}"
    shape = f"letter-probability matrix: alength= {len(BASES)} w= {len(core)} nsites= {pattern.n_seqlets} E= 0"
    return "\n".join([head, shape, *(" ".join(f"{share:.6f}" for share in row) for row in core), ""])


def write_meme(discovery: Discovery, positive: Path | str, negative: Path | str) -> None:
    """Patterns that raise the logit to `positive`, those that lower it to `negative`."""
    for path, sign in ((positive, "pos_"), (negative, "neg_")):
        with write_aside(path) as aside:
            aside.write_text(meme_text([p for p in discovery.patterns if p.name.startswith(sign)]))
