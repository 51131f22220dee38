"""The whole motif analysis of one set of contributions, and the files it leaves."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from contactlens.base.files import write_aside, write_json
from contactlens.base.progress import counting
from contactlens.dna.data.genome_tracks import (
    chromosome_sizes,
    stretches,
    write_bedgraph,
    write_bigwig,
    write_igv_session,
)
from contactlens.dna.data.motif_database import jaspar_core
from contactlens.dna.data.window_set import WindowSet
from contactlens.dna.explanation.attributions import Attributions
from contactlens.dna.motifs.config import MotifConfig
from contactlens.dna.motifs.discover import BASES, Discovery, Pattern, discover, matrix_table, pattern_table
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


def analyse_motifs(
    contributions: Attributions, windows: WindowSet, config: MotifConfig, seed: int, hdf5: Path | str
) -> MotifAnalysis:
    """Cut windows around peaks, find patterns, name them by the JASPAR vertebrate motifs; TF-MoDISco's file -> hdf5."""
    peaks = cut_peaks(contributions, windows, config.window_bp, config.peaks_per_window, config.smoothing_bp)
    targets = jaspar_core()
    with counting(f"searches in {len(peaks)} windows", 3) as count:
        count.to(0, "TF-MoDISco")
        discovery = discover(peaks, config, seed, hdf5)
        count.to(1, f"Tomtom of {len(discovery)} patterns against {len(targets)} motifs")
        matches = match_patterns(discovery, targets)
        count.to(2, f"Tomtom of {config.random_motifs} shuffles of each")
        control = random_matches(discovery, targets, config.random_motifs, seed)
    seqlets = seqlet_hits(discovery, peaks)
    hits = call_hits(discovery, contributions, windows, config.hit_p, config.hit_similarity)
    recovered = None
    if windows.planted is not None:
        searched = windows.planted[windows.planted["window_id"].isin(contributions.window_ids)]
        recovered = recovery(seqlets, hits, matches, searched, config.max_q, config.top_matches)
    names = called_names(matches, control, config.max_q)
    return MotifAnalysis(config, peaks, discovery, matches, control, seqlets, hits, recovered, names)


def write_motifs(found: MotifAnalysis, contributions: Attributions, windows: WindowSet, folder: Path) -> None:
    """Tables (CSV), MEME files, hits (BED), contributions (bigWig, bedGraph) and an IGV session -> `folder`."""
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
    explained = windows.select([str(name) for name in contributions.window_ids])
    attributed = np.asarray(contributions.hypothetical.any(axis=-1))
    pieces = stretches(explained.windows, contributions.actual, attributed)
    sizes = chromosome_sizes(explained)
    write_bigwig(folder / "contributions.bw", pieces, sizes)
    write_bedgraph(folder / "contributions.bedgraph", pieces)
    write_igv_session(folder / "igv_session.xml", ("contributions.bw", "hits.bed", "seqlets.bed"), sizes)
    summary = {"patterns": len(found.discovery), "windows": len(found.peaks), "reason": found.discovery.reason}
    summary["failed"] = found.discovery.failed
    write_json(folder / "summary.json", summary)


def meme_text(patterns: Sequence[Pattern]) -> str:
    """The cores of the patterns; without patterns a header alone, which is still a valid file."""
    return "\n".join([MEME_HEADER, *(_motif(pattern) for pattern in patterns)])


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
