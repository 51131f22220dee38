"""New signals for the measured tracks: the promoter and its MS2 on paths that the measured frames allow.

The separation stays as measured; what is drawn is the path between and around the frames, when the promoter switches,
and which polymerases it loads. So a simulated experiment has the very frames, gaps and motion of the real one.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from contactlens.tracks.data.motion import Motion
from contactlens.tracks.radius.model.directions import complete_directions
from contactlens.tracks.radius.model.exposure import filled, smoothing_matrix
from contactlens.tracks.radius.model.kriging import PathSampler
from contactlens.tracks.radius.model.laws import DistanceGrid
from contactlens.tracks.radius.model.observations import Observations
from contactlens.tracks.simulation.contact import Bridge
from contactlens.tracks.simulation.reporter import Reporter

Floats = NDArray[Any]
LEAD_S = (
    600.0  # path before frame 0, beside the reporter's dwell time, in which promoter and separation find each other
)
BURN_IN_BURSTS = 3.0  # mean bursts that a promoter lives before its path begins


@dataclass(frozen=True)
class Paths:
    """distance: (N, n_times) distance (or scalar driver), `substeps` points per frame interval, of one path for each
    track; blur: (bins, bins) distribution of the distance within a point's share of the time about that at the point,
    None where it holds"""

    distance: NDArray[np.float32]
    substeps: int
    blur: Floats | None = None


@dataclass(frozen=True)
class PromoterModel:
    """hazard: (BINS,) of switching on, per s; loading: (N,) polymerases per s while on; signal: a.u. of each
    noise, background: of a frame's signal, a.u."""

    hazard: Floats
    k_off_per_s: float
    loading: Floats
    signal: float
    noise: float
    background: float


def lead_frames(reporter: Reporter, frame_interval_s: float) -> int:
    return int(np.ceil((reporter.dwell_s + LEAD_S) / frame_interval_s))


def draw_paths(
    observations: Observations,
    motion: Motion | None,
    substeps: int,
    lead: int,
    rng: np.random.Generator,
    between: DistanceGrid | None = None,
) -> Paths:
    """One path for each track, from `lead` frames before frame 0 on.

    between: grid on which hazards will be given, where contact comes and goes within a substep; None where it holds.
        Candidates then find the loci where a bridge between two substeps is, each on its own: at a quarter and three
        quarters of the substep, about which the bridge is equally wide.
    """
    if motion is None:
        value = filled(observations.driver[:, :, 0])
        value = np.concatenate([np.repeat(value[:, :1], lead, axis=1), value], axis=1)
        at = np.arange((value.shape[1] - 1) * substeps + 1) / substeps
        low = np.minimum(at.astype(np.int64), value.shape[1] - 2)
        return Paths((value[:, low] + (value[:, low + 1] - value[:, low]) * (at - low)).astype(np.float32), substeps)
    dt = observations.frame_interval_s
    driver = observations.driver
    if observations.kind == "distance":
        driver = complete_directions(observations.distance, motion, dt, int(rng.integers(2**31)))
    path = PathSampler(motion, dt, observations.n_frames, substeps, lead).given(driver, rng)
    if between is None:
        return Paths(np.sqrt(np.einsum("nat,nat->nt", path, path)), substeps)
    bridge = Bridge(motion, dt / substeps)
    quarter, late = bridge.POINTS // 4, 3 * bridge.POINTS // 4
    inside = np.empty((*path.shape[:2], 2 * path.shape[2] - 1), dtype=np.float32)
    for first, into in ((0, quarter), (1, late)):
        weights = np.float32(bridge.first[into]), np.float32(bridge.second[into])
        inside[:, :, first:-1:2] = weights[0] * path[:, :, :-1] + weights[1] * path[:, :, 1:]
    inside[:, :, -1] = path[:, :, -1]
    blur = smoothing_matrix(between, float(bridge.sd_nm[quarter]) ** 2)
    return Paths(np.sqrt(np.einsum("nat,nat->nt", inside, inside)), 2 * substeps, blur)


def draw_signal(
    paths: Paths, grid: DistanceGrid, model: PromoterModel, reporter: Reporter, n_frames: int,
    frame_interval_s: float, rng: np.random.Generator,
) -> Floats:  # fmt: skip
    """(N, n_frames) MS2 on given paths."""
    distance, substeps = paths.distance, paths.substeps
    h = model.hazard if paths.blur is None else paths.blur @ model.hazard
    n = len(distance)
    mean_hazard = float(model.hazard @ grid.occupancy)
    start_on = rng.uniform(size=n) < mean_hazard / (mean_hazard + model.k_off_per_s)
    lead_s = (distance.shape[1] - 1) / substeps * frame_interval_s - (n_frames - 1) * frame_interval_s
    step_s = frame_interval_s / substeps
    burn_in = BURN_IN_BURSTS / model.k_off_per_s
    if burn_in > lead_s:  # else the lead is enough
        steps = int(burn_in / step_s) + 1
        start_on = _lived_in(distance, grid.low, grid.width, h, model.k_off_per_s, step_s, steps, start_on, rng)
    clean = _transcribe(
        distance, grid.low, grid.width, h, model.k_off_per_s, model.loading, reporter.ramp_s,
        reporter.dwell_s, n_frames, frame_interval_s, step_s, lead_s, start_on, rng,
    )  # fmt: skip
    return model.background + model.signal * clean + model.noise * rng.standard_normal(clean.shape)


@njit(nogil=True, cache=True)
def _lived_in(
    distance: NDArray[np.float32], low: float, width: float, hazard: Floats, k_off: float, step: float, steps: int,
    start_on: NDArray[np.bool_], rng: np.random.Generator,
) -> NDArray[np.bool_]:  # fmt: skip
    """(N,) whether the promoter is on at the beginning of each path: after `steps` of the next track's, run to and fro.

    Visits come in clusters, of which the first alone switches the promoter on: where bursts are long, the mean hazard
    says it is on far too often. A track's own path run backwards would say it too rarely: its first visits would count
    twice.
    """
    n, times = distance.shape
    out = np.empty(n, dtype=np.bool_)
    end = steps * step
    for i in range(n):
        on, t = start_on[i], 0.0
        while t < end:
            if on:
                t += rng.exponential(1 / k_off)
                on = t >= end
                continue
            left = rng.exponential(1.0)
            place = int(t / step)
            while t < end:
                turn = place % (2 * times)
                at = turn if turn < times else 2 * times - 1 - turn
                bin_ = min(max(int((distance[(i + 1) % n, at] - low) / width), 0), hazard.size - 1)
                after = (place + 1) * step
                if hazard[bin_] * (after - t) >= left:
                    t += left / hazard[bin_]
                    on = True
                    break
                left -= hazard[bin_] * (after - t)
                t = after
                place += 1
        out[i] = on
    return out


@njit(nogil=True, cache=True)
def _transcribe(
    distance: NDArray[np.float32],
    low: float,
    width: float,
    hazard: Floats,
    k_off: float,
    loading: Floats,
    ramp: float,
    dwell: float,
    n_frames: int,
    dt: float,
    step: float,
    lead: float,
    start_on: NDArray[np.bool_],
    rng: np.random.Generator,
) -> Floats:
    """(N, n_frames) sum of the responses of the polymerases loaded, event by event. The promoter switches on where the
    hazard, added up over substeps, has used up an exponential variable: that costs the same at any rate."""
    n, times = distance.shape
    out = np.zeros((n, n_frames))
    end = (n_frames - 1) * dt
    for i in range(n):
        t = -lead
        on = start_on[i]
        while t < end:
            if not on:
                left = rng.exponential(1.0)
                place = int((t + lead) / step)
                while t < end:
                    bin_ = min(max(int((distance[i, min(place, times - 1)] - low) / width), 0), hazard.size - 1)
                    after = (place + 1) * step - lead
                    if hazard[bin_] * (after - t) >= left:
                        t += left / hazard[bin_]
                        break
                    left -= hazard[bin_] * (after - t)
                    t = after
                    place += 1
                if t >= end:
                    break
            stop = t + rng.exponential(1 / k_off)
            on = False
            if loading[i] > 0:
                load = t + rng.exponential(1 / loading[i])
                while load < stop and load < end:
                    frame = max(int(np.ceil(load / dt)), 0)
                    while frame < n_frames and frame * dt - load < dwell:
                        out[i, frame] += min((frame * dt - load) / ramp, 1.0)
                        frame += 1
                    load += rng.exponential(1 / loading[i])
            t = stop
    return out
