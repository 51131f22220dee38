"""MS2 as the sum of what was loaded: moments of a block's signal given the promoter's states over the gene's length.

A block is one or several frames, so that the polymerases that a frame shows were loaded within `MEMORY` blocks. A
compound state is the promoter's state at the end of the present block (bit 0) and of the ones before it (as in the
compound-state HMM of Lammers et al., PNAS 2020). Where two neighbours differ the switch fell uniformly between.
Given the compound state, the signals y of this block and y' of the one before are taken as jointly Gaussian with

    E y = b + A m,   Var y = A^2 v + A u q + s^2 / n,   Cov(y, y') = A^2 v' + A u q'

m: expected seconds of loading weighted by the reporter's response; v: its variance over the unknown time of the switch;
q: the same with the squared response, for loading is a shot process; A: a.u. per second while on; u: a.u. of a
polymerase, times the Fano factor of loading; s: noise of a frame, n: frames in a block; b: background.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contactlens.tracks.simulation.ms2 import polymerase_response
from contactlens.tracks.simulation.reporter import Reporter

Floats = NDArray[Any]
MEMORY = 5
FINE = 60  # points of integration in a block


@dataclass(frozen=True)
class Response:
    """frames_per_block, block_s: of the blocks
    intervals: blocks of memory; there are 2**(intervals + 1) compound states
    tables: (states, 8): m, m', v, v', v'', q, q', q'' with ' for the block before and '' for the covariance of both
    """

    frames_per_block: int
    block_s: float
    intervals: int
    tables: Floats

    def blocks(self, signal: Floats) -> Floats:
        """(N, B) mean signal of the observed frames of each block, NaN where half or more of them are missing."""
        k = self.frames_per_block
        if k == 1:
            return signal
        n, t = signal.shape
        frames = signal[:, : t // k * k].reshape(n, t // k, k)
        observed = np.isfinite(frames).sum(axis=2)
        mean = np.nansum(frames, axis=2) / np.maximum(observed, 1)
        return np.where(2 * observed > k, mean, np.nan)


def frames_per_block(dwell_s: float, frame_interval_s: float) -> int:
    """The fewest frames for which a block's signal reaches back at most MEMORY blocks."""
    k = 1
    while dwell_s + (k - 1) * frame_interval_s > MEMORY * k * frame_interval_s:
        k += 1
    return k


def response_of(reporter: Reporter, frame_interval_s: float, frames: int = 1) -> Response:
    """With blocks of at least `frames` frames."""
    k = max(frames, frames_per_block(reporter.dwell_s, frame_interval_s))
    block = k * frame_interval_s
    reach = reporter.dwell_s + (k - 1) * frame_interval_s
    intervals = max(int(np.ceil(reach / block)), 2)
    single = _interval_moments(reporter, frame_interval_s, k, intervals)
    states = np.arange(2 ** (intervals + 1))
    tables = np.zeros((states.size, 8))
    for age in range(intervals + 1):
        new = (states >> age) & 1
        old = (states >> min(age + 1, intervals)) & 1
        tables += single[age, 2 * old + new]
    return Response(k, block, intervals, tables)


def _interval_moments(reporter: Reporter, frame_interval_s: float, k: int, intervals: int) -> Floats:
    """(intervals + 1, 4, 8): what the block of each age adds to the tables, for each pair (state before, after)."""
    block = k * frame_interval_s
    x = (np.arange(FINE) + 0.5) / FINE  # of the block, in order of time
    out = np.zeros((intervals + 1, 4, 8))
    weight = block / FINE
    later = np.triu(np.ones((FINE, FINE)), 1) + 0.5 * np.eye(FINE)  # [switch, time]: whether the time is later
    on = {1: later, 2: 1 - later, 3: np.ones((1, FINE))}
    for age in range(intervals + 1):
        ago = (age + 1 - x) * block
        here = _mean_response(reporter, ago, frame_interval_s, k) if age < intervals else np.zeros(FINE)
        before = _mean_response(reporter, ago - block, frame_interval_s, k) if age > 0 else np.zeros(FINE)
        for kind, rows in on.items():
            a, b = rows @ here * weight, rows @ before * weight
            share = rows.mean(axis=0) * weight
            shot = [share @ here**2, share @ before**2, share @ (here * before)]
            out[age, kind] = [a.mean(), b.mean(), a.var(), b.var(), np.mean(a * b) - a.mean() * b.mean(), *shot]
    return out


def _mean_response(reporter: Reporter, ago_s: Floats, frame_interval_s: float, k: int) -> Floats:
    """Mean over a block's frames of the signal of a polymerase that was loaded `ago_s` before its last one."""
    lag = ago_s[:, None] - np.arange(k) * frame_interval_s
    return polymerase_response(lag, reporter.ramp_s, reporter.dwell_s).mean(axis=1)
