"""Recurring patterns of contribution: TF-MoDISco (Shrikumar et al. 2018, arXiv:1811.00416) by modisco-lite.

modisco-lite forks: call `discover` before any thread of CUDA or Ray is started.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from contactlens.dna.motifs.config import MotifConfig
from contactlens.dna.motifs.peaks import PeakWindows
from contactlens.files import write_aside

# The smallest sets that TF-MoDISco makes a pattern of (its own defaults).
SEQLETS_PER_SIGN = 100
SEQLETS_PER_PATTERN = 20
BASES = "ACGT"
SIGNS = {"pos": "positive", "neg": "negative"}
ByModisco = tuple[list[Any] | None, list[Any] | None]  # SeqletSets of either sign; None: too few seqlets to search


@dataclass(frozen=True)
class Pattern:
    """One recurring pattern, as long as TF-MoDISco made it; `kept` is its core.

    name: pos_0, pos_1, ... as numbered in TF-MoDISco's file; neg_0, ... where the bases lower the logit
    pwm: (W, 4) base frequencies of the seqlets; contributions: (W, 4) mean actual contribution (logit)
    kept: first and one past the last base of the core
    seqlets: `row` (of the peak windows' table), `start`, `end` (bp from the peak window's start), `is_revcomp`
    """

    name: str
    pwm: np.ndarray
    contributions: np.ndarray
    kept: tuple[int, int]
    seqlets: pd.DataFrame

    @property
    def n_seqlets(self) -> int:
        return len(self.seqlets)

    @property
    def core(self) -> np.ndarray:
        """(w, 4): the PWM without its flanks."""
        return self.pwm[slice(*self.kept)]

    @property
    def consensus(self) -> str:
        """The core's most frequent bases, N where none reaches one half."""
        return "".join(BASES[row.argmax()] if row.max() >= 0.5 else "N" for row in self.core)


@dataclass(frozen=True)
class Discovery:
    """The patterns, and in `reason` why there are none (of one sign, or at all) or what was dropped; else ""."""

    patterns: list[Pattern] = field(default_factory=list)
    reason: str = ""

    def __len__(self) -> int:
        return len(self.patterns)


def discover(peaks: PeakWindows, config: MotifConfig, seed: int, hdf5: Path | str | None = None) -> Discovery:
    """The patterns in the peak windows, those of most seqlets first, and TF-MoDISco's own file of them.

    TF-MoDISco truncates at `max_seqlets` in input order, so the windows are shuffled with `seed` before; rows in the
    result and in `hdf5` (where `example_idx` is the row) are those of `peaks.table` all the same. Too little to search
    gives a Discovery without patterns that says so, and the file then holds none. The file holds every pattern; those
    whose core is narrower than `min_width_bp` are left out of the result.
    """
    reason = _too_little(peaks, config)
    order = np.random.default_rng(seed).permutation(len(peaks))
    found: ByModisco = (None, None)
    if not reason:
        found, reason = _modisco(peaks, order, config)
    if hdf5 is not None:
        _save(hdf5, found, order, peaks.width)
    patterns = [
        _pattern(f"{sign}_{n}", one, order, config.trim_share)
        for sign, group in zip(SIGNS, found, strict=True)
        for n, one in enumerate(group or [])
    ]
    wide = [pattern for pattern in patterns if len(pattern.core) >= config.min_width_bp]
    dropped = len(patterns) - len(wide)
    note = [f"{dropped} patterns of fewer than {config.min_width_bp} bp dropped"] if dropped else []
    return Discovery(wide, "; ".join([reason] if reason else [*_why_none(found), *note]))


def _too_little(peaks: PeakWindows, config: MotifConfig) -> str:
    if len(peaks) < config.min_sequences:
        return f"{len(peaks)} windows around attribution peaks, fewer than the {config.min_sequences} that are needed"
    if peaks.width < config.seqlet_bp:
        return f"windows of {peaks.width} bp, shorter than a seqlet of {config.seqlet_bp} bp"
    if not (peaks.hypothetical * peaks.one_hot).any():
        return "all contributions are zero"
    return ""


def _why_none(found: ByModisco) -> list[str]:
    few, apart = f"{SEQLETS_PER_SIGN} or fewer seqlets", "no group of seqlets is consistent"
    return [
        f"no {name} pattern: {few if group is None else apart}"
        for name, group in zip(SIGNS.values(), found, strict=True)
        if not group
    ]


def _modisco(peaks: PeakWindows, order: np.ndarray, config: MotifConfig) -> tuple[ByModisco, str]:
    """What TF-MoDISco finds, and what it failed with, if it did: it divides by zero where contributions hardly vary."""
    from modiscolite.tfmodisco import TFMoDISco

    # float32 and C order is what its fast kernels take
    one_hot, hypothetical = (
        np.ascontiguousarray(values[order], dtype=np.float32) for values in (peaks.one_hot, peaks.hypothetical)
    )
    try:
        found = TFMoDISco(
            one_hot,
            hypothetical,
            sliding_window_size=config.sliding_window_bp,
            flank_size=config.flank_bp,
            target_seqlet_fdr=config.seqlet_fdr,
            n_leiden_runs=config.leiden_runs,
            max_seqlets_per_metacluster=config.max_seqlets,
            min_metacluster_size=SEQLETS_PER_SIGN,
            final_min_cluster_size=SEQLETS_PER_PATTERN,
        )
    except (ArithmeticError, LookupError, ValueError) as error:
        return (None, None), f"TF-MoDISco failed on these contributions ({type(error).__name__}: {error})"
    return found, ""


def _save(path: Path | str, found: ByModisco, order: np.ndarray, width: int) -> None:
    """modisco-lite's HDF5, readable by its own reports, with rows numbered as in the table of peaks."""
    import h5py
    from modiscolite.io import save_hdf5

    def number_as_in_table(name: str, item: Any) -> None:
        if name.endswith("example_idx"):
            item[...] = order[item[...]]

    with write_aside(path) as aside:
        save_hdf5(aside, *found, window_size=width)
        with h5py.File(aside, "r+") as content:
            content.visititems(number_as_in_table)


def core_of(contributions: np.ndarray, share: float) -> tuple[int, int]:
    """First and one past the last position whose |contribution| is at least `share` of the largest; (W, 4) in."""
    strength = np.abs(contributions).sum(axis=1)
    strong = np.flatnonzero(strength >= share * strength.max())
    return int(strong[0]), int(strong[-1]) + 1


def _pattern(name: str, found: Any, order: np.ndarray, trim_share: float) -> Pattern:
    seqlets = pd.DataFrame(
        [(order[s.example_idx], s.start, s.end, bool(s.is_revcomp)) for s in found.seqlets],
        columns=["row", "start", "end", "is_revcomp"],
    )
    pwm = found.sequence / np.maximum(found.sequence.sum(axis=1, keepdims=True), 1e-12)
    return Pattern(name, pwm, found.contrib_scores, core_of(found.contrib_scores, trim_share), seqlets)


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
