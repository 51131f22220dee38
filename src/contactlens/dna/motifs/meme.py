"""Patterns as MEME files (minimal motif format 4), for the MEME suite and every tool that reads it."""

from collections.abc import Sequence
from pathlib import Path

from contactlens.base.files import write_aside
from contactlens.dna.motifs.discover import BASES, Discovery, Pattern

HEADER = """MEME version 4

ALPHABET= ACGT

strands: + -

Background letter frequencies
A 0.25 C 0.25 G 0.25 T 0.25
"""


def meme_text(patterns: Sequence[Pattern]) -> str:
    """The cores of the patterns; without patterns a header alone, which is still a valid file."""
    return "\n".join([HEADER, *(_motif(pattern) for pattern in patterns)])


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
