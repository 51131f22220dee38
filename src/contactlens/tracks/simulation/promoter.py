"""The promoter: a two-state telegraph that only contact can switch on, and the polymerases it loads while on.

The two-state model is that of Peccoud and Ycart (Theor. Popul. Biol. 1995); here a candidate on-event takes effect
only while enhancer and promoter are within the contact radius. All tracks advance together, one burst per round.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Events(NamedTuple):
    """Times (s) on tracks (indices), sorted by track and then time."""

    track: Ints
    time_s: Floats

    def keep(self, mask: NDArray[np.bool_]) -> "Events":
        return Events(self.track[mask], self.time_s[mask])


@dataclass(frozen=True)
class Bursts:
    """On-intervals: track (M,), start_s (M,), end_s (M,), sorted by track and start; `candidate` is the index of the
    candidate on-event that began each."""

    track: Ints
    start_s: Floats
    end_s: Floats
    candidate: Ints


def poisson_events(rate_per_s: float, n_tracks: int, start_s: float, end_s: float, rng: np.random.Generator) -> Events:
    """A Poisson process on [start_s, end_s) for each track."""
    counts = rng.poisson(rate_per_s * (end_s - start_s), size=n_tracks)
    track = np.repeat(np.arange(n_tracks), counts)
    time = rng.uniform(start_s, end_s, size=track.size)
    order = np.argsort(track * (end_s - start_s) + (time - start_s), kind="stable")  # a fifth of lexsort's time
    return Events(track[order], time[order])


def switch(
    candidates: Events,
    in_contact: NDArray[np.bool_],
    k_off_per_s: float,
    n_tracks: int,
    rng: np.random.Generator,
    steps: int = 1,
    delay_s: float = 0.0,
    first_steps: Ints | None = None,
) -> Bursts:
    """The bursts that the candidates in contact start; one that meets a promoter already on has no effect.

    Each burst lasts Exp(k_off). `in_contact` (bool per candidate) says which candidates may take effect. It takes
    `steps` of them to switch on (for the first burst of each track `first_steps` (N,), where given), and the burst
    begins `delay_s` after the last; meanwhile further candidates have no effect.
    """
    position = np.flatnonzero(in_contact)
    able = candidates.keep(in_contact)
    span = float(np.ptp(able.time_s)) + 1 if able.time_s.size else 1.0
    origin = float(able.time_s.min()) if able.time_s.size else 0.0
    key = able.track * span + (able.time_s - origin)  # one increasing axis for all tracks
    free_from = np.zeros(n_tracks)  # time since `origin` from which each promoter is off
    needed = np.full(n_tracks, steps) if first_steps is None else first_steps.copy()
    alive = np.arange(n_tracks)
    rounds: list[tuple[Ints, Floats, Ints]] = []
    while alive.size:
        nxt = np.searchsorted(key, alive * span + np.minimum(free_from[alive], span)) + needed[alive] - 1
        found = nxt < key.size
        found[found] &= able.track[nxt[found]] == alive[found]
        alive, nxt = alive[found], nxt[found]
        duration = rng.exponential(1 / k_off_per_s, size=alive.size)
        rounds.append((alive, duration, nxt))
        free_from[alive] = able.time_s[nxt] - origin + delay_s + duration
        needed[alive] = steps
    track = np.concatenate([r[0] for r in rounds])
    duration = np.concatenate([r[1] for r in rounds])
    index = np.concatenate([r[2] for r in rounds])
    order = np.argsort(index, kind="stable")
    start = able.time_s[index[order]] + delay_s
    return Bursts(track[order], start, start + duration[order], position[index[order]])


def load_polymerases(bursts: Bursts, rate_per_s: float | Floats, until_s: float, rng: np.random.Generator) -> Events:
    """Poisson loading during each burst, up to `until_s`, at one rate or at that of each burst (M,)."""
    length = np.clip(np.minimum(bursts.end_s, until_s) - bursts.start_s, 0, None)
    counts = rng.poisson(rate_per_s * length)
    track = np.repeat(bursts.track, counts)
    time = np.repeat(bursts.start_s, counts) + np.repeat(length, counts) * rng.uniform(size=track.size)
    order = np.lexsort((time, track))
    return Events(track[order], time[order])


def load_with_dispersion(
    bursts: Bursts, rate_per_s: float | Floats, fano: float, until_s: float, rng: np.random.Generator
) -> Events:
    """As `load_polymerases`, with gamma waiting times whose squared coefficient of variation is `fano`.

    The variance of the number loaded in a long time is `fano` times its mean (Cox, Renewal Theory, 1962). Each burst
    finds the renewal process in its stationary state, so the mean rate is the asked one from its first moment on.
    """
    length = np.clip(np.minimum(bursts.end_s, until_s) - bursts.start_s, 0, None)
    rate = np.broadcast_to(np.asarray(rate_per_s, dtype=np.float64), length.shape)
    open_ = np.arange(length.size)
    # In units of the mean waiting time: the first wait is a uniform share of one drawn in proportion to its length.
    since_start = rng.gamma(1 / fano + 1, fano, size=length.size) * rng.uniform(size=length.size)
    owner, time = [], []
    while open_.size:
        going = since_start < (rate * length)[open_]
        open_, since_start = open_[going], since_start[going]
        owner.append(open_)
        time.append(bursts.start_s[open_] + since_start / rate[open_])
        since_start = since_start + rng.gamma(1 / fano, fano, size=open_.size)
    track = bursts.track[np.concatenate([np.zeros(0, dtype=np.int64), *owner])]
    times = np.concatenate([np.zeros(0), *time])
    order = np.lexsort((times, track))
    return Events(track[order], times[order])
