"""Simulated tracks from the legacy pickle: a list with one tuple of nine arrays per track."""

import pickle
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from contactlens.base.errors import InputError
from contactlens.base.files import require_file
from contactlens.tracks.data import track_set as ts
from contactlens.tracks.data.config import JITTER
from contactlens.tracks.data.importing import array_pickle
from contactlens.tracks.data.importing.table import Imported, keep_complete
from contactlens.tracks.data.importing.units import NANOMETRES
from contactlens.tracks.data.time_grid import MOST_FRAMES, frame_numbers, infer_interval, offsets


class LegacyTrack(NamedTuple):
    """The fields of one tuple, in its order. T frames; times in s, separations in the file's length unit.

    observation_times (T,); ep_sep_obs_noisy (3, T) and MS2_signal_noisy (T,) as imaged, NaN where missing
    state_times, state_sequence (K,): state 0 (off) or 1 (on) from each time to the next, the last to the end
    ep_sep_obs (3, T): without localisation noise
    thinned_on_times, on_times: effective and all candidate on-events; pol2_loading_events: times
    """

    observation_times: np.ndarray
    ep_sep_obs_noisy: np.ndarray
    MS2_signal_noisy: np.ndarray
    state_times: np.ndarray
    state_sequence: np.ndarray
    ep_sep_obs: np.ndarray
    thinned_on_times: np.ndarray
    on_times: np.ndarray
    pol2_loading_events: np.ndarray


MAY_MISS = ("ep_sep_obs_noisy", "MS2_signal_noisy")
# An honest pickle may keep what tracks share, such as their times, once; unfolded it is not much larger.
MOST_SHARING, SMALL = 16, 2**20
LEAST_STEP = {"observation_times": np.finfo("float64").tiny, "state_times": 0.0}


def import_legacy(path: Path | str, length_unit: str = "nm") -> Imported:
    """Read a legacy pickle with its truth, through an unpickler that admits arrays in plain containers only.

    Raises InputError, naming the refused global, or track index (from 0) and field, for anything else.
    """
    if length_unit not in NANOMETRES:
        raise InputError(f"{path}: length unit {length_unit!r} is unknown; known are {', '.join(NANOMETRES)}")
    tracks = [_track(path, index, entry) for index, entry in enumerate(_entries(path))]
    width = len(str(len(tracks) - 1))
    ids = [f"{index:0{width}d}" for index in range(len(tracks))]
    scale = NANOMETRES[length_unit]
    frames = _table(ids, {"time_s": [track.observation_times for track in tracks]})
    frames.insert(1, "group", frames["track_id"])
    interval_s = _place_on_grid(path, frames)
    separation = _separation_columns(path, [track.ep_sep_obs for track in tracks], scale)
    truth = ts.Truth(
        separation=frames[["track_id", "frame"]].assign(**separation),
        promoter_state=_promoter_state(ids, tracks),
        on_events=_on_events(path, ids, tracks),
        pol2_loading=_table(ids, {"time_s": [track.pol2_loading_events for track in tracks]}),
        parameters={},
    )
    frames = frames.assign(**_separation_columns(path, [track.ep_sep_obs_noisy for track in tracks], scale))
    frames[ts.SIGNAL_COLUMN] = np.concatenate([track.MS2_signal_noisy for track in tracks])
    driver = ts.Driver("vector", "E-P distance", "nm")
    kept, report = keep_complete(frames, driver, has_signal=True, merged=0)
    if kept.empty:
        raise InputError(f"{path}: no frame of any track has both a separation and a signal")
    return Imported(ts.TrackSet(kept, interval_s, driver, "a.u.", Path(path).name, truth), report)


def _entries(path: Path | str) -> list[Any] | tuple[Any, ...]:
    require_file(Path(path))
    content = Path(path).read_bytes()
    try:
        entries = array_pickle.load(content)
    except array_pickle.RefusedGlobal as error:
        admitted = "a legacy pickle may hold only arrays in lists and tuples"
        raise InputError(f"{path}: refused, the pickle names {error}; {admitted}") from error
    except pickle.UnpicklingError as error:
        raise InputError(f"{path}: not a readable pickle, or cut short ({error})") from error
    if not isinstance(entries, list | tuple) or not entries:
        raise InputError(f"{path}: expected a list of tracks, found {_named(entries)}")
    try:
        unfolded = array_pickle.numbers_described(entries)
    except ValueError as error:
        raise InputError(f"{path}: expected tracks of arrays, found {error}") from error
    if unfolded > MOST_SHARING * len(content) + SMALL:
        raise InputError(f"{path}: refused, its {len(content):,} bytes would unfold to {unfolded:,} numbers")
    return entries


def _track(path: Path | str, index: int, entry: Any) -> LegacyTrack:
    fields = LegacyTrack._fields
    if not isinstance(entry, list | tuple) or len(entry) != len(fields):
        raise InputError(f"{path}, track {index}: expected a tuple of {len(fields)} fields, found {_named(entry)}")
    track = LegacyTrack(*(_field(path, index, name, entry[i]) for i, name in enumerate(fields)))
    frames, states = track.observation_times.size, track.state_times.size
    known: dict[str, tuple[int, ...]] = {"observation_times": (frames,), "MS2_signal_noisy": (frames,)}
    known |= {"ep_sep_obs_noisy": (3, frames), "ep_sep_obs": (3, frames)}
    known |= {"state_times": (states,), "state_sequence": (states,)}
    for name, value in track._asdict().items():
        shape = known.get(name, (value.size,))
        if value.shape != shape:
            raise InputError(f"{path}, track {index}, {name}: shape {value.shape}, expected {shape}")
    _check_values(path, index, track)
    return track


def _field(path: Path | str, index: int, name: str, value: Any) -> np.ndarray:
    try:
        return np.asarray(_plain(value), dtype="float64")
    except (ValueError, TypeError, OverflowError) as error:
        raise InputError(f"{path}, track {index}, {name}: not an array of numbers ({error})") from error


def _plain(value: Any) -> Any:
    if isinstance(value, array_pickle.PickledArray):
        return value.resolve()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, int | float):
        return value
    raise TypeError(f"found {_named(value)}")


def _check_values(path: Path | str, index: int, track: LegacyTrack) -> None:
    for name, value in track._asdict().items():
        bad = np.isinf(value) if name in MAY_MISS else ~np.isfinite(value)
        if bad.any():
            raise InputError(f"{path}, track {index}, {name}: {bad.sum()} values are not finite")
        if name in LEAST_STEP and (value.size == 0 or (np.diff(value) < LEAST_STEP[name]).any()):
            raise InputError(f"{path}, track {index}, {name}: times are absent or do not increase")
    if not np.isin(track.state_sequence, (0, 1)).all():
        raise InputError(f"{path}, track {index}, state_sequence: states are 0 and 1 only")


def _place_on_grid(path: Path | str, frames: pd.DataFrame) -> float:
    """Add `frame`; return the frame interval in seconds."""
    interval_s = infer_interval(frames["track_id"], frames["time_s"])
    if interval_s is None:
        raise InputError(f"{path}, observation_times: no track has two times")
    position = frames["time_s"] / interval_s
    frame, offset = frame_numbers(frames["track_id"], position), offsets(frames["track_id"], position)
    frames.insert(2, "frame", np.minimum(frame, MOST_FRAMES + 1).astype("int64"))
    shared = frames.duplicated(["track_id", "frame"]).to_numpy()
    bad = (np.abs(offset) > JITTER) | (frame > MOST_FRAMES) | shared
    if bad.any():
        first = frames[bad].iloc[0]
        raise InputError(
            f"{path}, track {int(first['track_id'])}, observation_times: not on a grid of {interval_s:g} s "
            f"({bad.sum():,} times in all tracks), first at {first['time_s']:g} s"
        )
    return interval_s


def _promoter_state(ids: list[str], tracks: list[LegacyTrack]) -> pd.DataFrame:
    intervals = [_on_intervals(track) for track in tracks]
    return _table(ids, {"start_s": [start for start, _ in intervals], "end_s": [end for _, end in intervals]})


def _on_intervals(track: LegacyTrack) -> tuple[np.ndarray, np.ndarray]:
    """Start and end of each interval in state 1; repeated states are joined."""
    end = max(track.state_times[-1], track.observation_times[-1])
    change = np.diff(track.state_sequence, prepend=0, append=0)
    edges = np.append(track.state_times, end)
    start, stop = edges[change > 0], edges[change < 0]
    return start[stop > start], stop[stop > start]


def _on_events(path: Path | str, ids: list[str], tracks: list[LegacyTrack]) -> pd.DataFrame:
    for index, track in enumerate(tracks):
        unknown = ~np.isin(track.thinned_on_times, track.on_times)
        if unknown.any():
            raise InputError(f"{path}, track {index}, thinned_on_times: {unknown.sum()} times are not among on_times")
    effective = [np.isin(track.on_times, track.thinned_on_times) for track in tracks]
    return _table(ids, {"time_s": [track.on_times for track in tracks], "effective": effective})


def _table(ids: list[str], columns: dict[str, list[np.ndarray]]) -> pd.DataFrame:
    """Long table of ragged columns: `columns` maps each name to one array per track."""
    lengths = [values.size for values in next(iter(columns.values()))]
    joined = {name: np.concatenate(values) for name, values in columns.items()}
    return pd.DataFrame({"track_id": pd.Series(np.repeat(ids, lengths), dtype="str"), **joined})


def _separation_columns(path: Path | str, vectors: list[np.ndarray], scale: float) -> dict[str, np.ndarray]:
    with np.errstate(over="ignore"):
        joined = np.concatenate(vectors, axis=1) * scale  # (3, all frames)
        length = np.linalg.norm(joined, axis=0)
    if np.isinf(length).any():
        raise InputError(f"{path}: {np.isinf(length).sum():,} separations are too large in nm")
    return {**dict(zip(ts.VECTOR_COLUMNS, joined, strict=True)), ts.DISTANCE_COLUMN: length}


def _named(value: Any) -> str:
    size = f" of {len(value)}" if isinstance(value, list | tuple | dict | str) else ""
    return f"{type(value).__name__}{size}"
