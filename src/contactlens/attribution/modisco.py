"""Recurring patterns of contribution: TF-MoDISco (Shrikumar et al. 2018, arXiv:1811.00416) by modisco-lite.

modisco-lite forks: call `find_patterns` before any thread of CUDA or Ray is started.
"""

import re
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from contactlens.attribution.modisco_config import SEQLETS_PER_SIGN, ModiscoConfig
from contactlens.base.files import write_aside

SEQLETS_PER_PATTERN = 20  # the fewest that TF-MoDISco makes a pattern of (its own default)
ALPHABET = "ACGT"
SIGNS = {"pos": "positive", "neg": "negative"}
ABSENT_SHARE = 1e-3
ByModisco = tuple[list[Any] | None, list[Any] | None]  # SeqletSets of either sign; None: too few seqlets to search


@dataclass(frozen=True)
class Pattern:
    """One recurring pattern, as long as TF-MoDISco made it; `kept` is its core.

    name: pos_0, pos_1, ... as numbered in TF-MoDISco's file; neg_0, ... where it lowers the output
    pwm: (W, 4) letter frequencies of the seqlets; contributions: (W, 4) mean actual contribution (output's unit)
    kept: first and one past the last position of the core
    seqlets: `row` (of the sequences searched), `start`, `end` (positions from the sequence's start), `is_revcomp`
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
        """The core's most frequent letters, N where none reaches one half."""
        return "".join(ALPHABET[row.argmax()] if row.max() >= 0.5 else "N" for row in self.core)


@dataclass(frozen=True)
class Discovery:
    """The patterns, and in `reason` why there are none (of one sign, or at all), what was dropped or cut; else "".

    failed: the search broke off with an error, so that nothing is known of patterns
    """

    patterns: list[Pattern] = field(default_factory=list)
    reason: str = ""
    failed: bool = False

    def __len__(self) -> int:
        return len(self.patterns)


def find_patterns(
    hypothetical: np.ndarray,
    one_hot: np.ndarray,
    config: ModiscoConfig,
    seed: int,
    hdf5: Path | str | None = None,
    unit: str = "bp",
) -> Discovery:
    """The patterns of N sequences of L positions, those of most seqlets first, and TF-MoDISco's own file of them.

    hypothetical: (N, L, 4) contribution of each letter; one_hot: (N, L, 4), all zero where the letter is unknown
    unit: what a position is, for messages

    TF-MoDISco truncates at `max_seqlets` in input order, so the sequences are shuffled with `seed` before; rows in the
    result and in `hdf5` (where `example_idx` is the row) are those of the input all the same. Too little to search
    gives a Discovery without patterns that says so, and the file then holds none. The file holds every pattern; those
    whose core is narrower than `min_width` are left out of the result.
    """
    reason = _too_little(hypothetical, one_hot, config, unit)
    order = np.random.default_rng(seed).permutation(len(one_hot))
    found: ByModisco = (None, None)
    failed = False
    cuts: list[str] = []
    if not reason:
        found, reason, cuts = _modisco(hypothetical, one_hot, order, config)
        failed = bool(reason)
    if hdf5 is not None:
        _save(hdf5, found, order, one_hot.shape[1])
    patterns = [
        _pattern(f"{sign}_{n}", one, order, config.trim_share)
        for sign, group in zip(SIGNS, found, strict=True)
        for n, one in enumerate(group or [])
    ]
    wide = [pattern for pattern in patterns if len(pattern.core) >= config.min_width]
    dropped = len(patterns) - len(wide)
    note = [f"{dropped} patterns of fewer than {config.min_width} {unit} dropped"] if dropped else []
    return Discovery(wide, "; ".join([reason] if reason else [*_why_none(found), *note, *cuts]), failed)


def _too_little(hypothetical: np.ndarray, one_hot: np.ndarray, config: ModiscoConfig, unit: str) -> str:
    count, length = one_hot.shape[:2]
    if count < config.min_sequences:
        return f"{count} windows around attribution peaks, fewer than the {config.min_sequences} that are needed"
    if length < config.seqlet:
        return f"windows of {length} {unit}, shorter than a seqlet of {config.seqlet} {unit}"
    if not (hypothetical * one_hot).any():
        return "all contributions are zero"
    return ""


def _why_none(found: ByModisco) -> list[str]:
    few, apart = f"{SEQLETS_PER_SIGN} or fewer seqlets", "no group of seqlets is consistent"
    return [
        f"no {name} pattern: {few if group is None else apart}"
        for name, group in zip(SIGNS.values(), found, strict=True)
        if not group
    ]


def _with_every_letter(hypothetical: np.ndarray, one_hot: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both, with a small share of the letters that no sequence has, which contribute nothing.

    TF-MoDISco trims patterns by their information against the letters' frequencies; one of 0 makes that NaN
    everywhere, and the pattern is cut at its first position.
    """
    present = one_hot.any(axis=(0, 1))
    return hypothetical * present, np.where(present, one_hot, ABSENT_SHARE)


def _modisco(
    hypothetical: np.ndarray, one_hot: np.ndarray, order: np.ndarray, config: ModiscoConfig
) -> tuple[ByModisco, str, list[str]]:
    """What TF-MoDISco finds; what it failed with, if it did (it divides by zero where contributions hardly vary); and a
    sentence for each sign whose seqlets `max_seqlets` cut."""
    from modiscolite.tfmodisco import TFMoDISco

    # float32 and C order is what its fast kernels take
    hypothetical, one_hot = (
        np.ascontiguousarray(values[order], dtype=np.float32) for values in _with_every_letter(hypothetical, one_hot)
    )
    said = StringIO()
    try:
        with redirect_stdout(said):
            found = TFMoDISco(
                one_hot,
                hypothetical,
                sliding_window_size=config.sliding_window,
                flank_size=config.flank,
                target_seqlet_fdr=config.seqlet_fdr,
                n_leiden_runs=config.leiden_runs,
                max_seqlets_per_metacluster=config.max_seqlets,
                min_metacluster_size=SEQLETS_PER_SIGN,
                final_min_cluster_size=SEQLETS_PER_PATTERN,
                trim_to_window_size=config.pattern_window,
                initial_flank_to_add=config.pattern_flank,
                verbose=True,  # says how many seqlets it takes
            )
    except BaseException as error:
        # leidenalg raises a bare BaseException, where affinities are NaN
        if not isinstance(error, (ArithmeticError, LookupError, ValueError)) and type(error) is not BaseException:
            raise
        return (None, None), f"TF-MoDISco failed on these contributions ({type(error).__name__}: {error})", []
    return found, "", _cuts(said.getvalue(), config.max_seqlets)


def _cuts(said: str, most: int) -> list[str]:
    """Of which signs all the seqlets allowed were taken, from what TF-MoDISco says."""
    taken = re.findall(r"Using (\d+) (\w+) seqlets", said)
    return [
        f"{most:,} {sign} seqlets were clustered, all that max_seqlets allows" for n, sign in taken if int(n) >= most
    ]


def _save(path: Path | str, found: ByModisco, order: np.ndarray, width: int) -> None:
    """modisco-lite's HDF5, readable by its own reports, with rows numbered as in the input."""
    import h5py
    from modiscolite.io import save_hdf5

    def number_as_in_input(name: str, item: Any) -> None:
        if name.endswith("example_idx"):
            item[...] = order[item[...]]

    with write_aside(path) as aside:
        save_hdf5(aside, *found, window_size=width)
        with h5py.File(aside, "r+") as content:
            content.visititems(number_as_in_input)


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
