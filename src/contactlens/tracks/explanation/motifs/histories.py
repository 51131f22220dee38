"""Patterns as contact histories: what was seen at each position, how long before the predicted frame."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from contactlens.attribution.modisco import Pattern
from contactlens.tracks.explanation.motifs.contact_alphabet import CONTACT, MISSING, NO_CONTACT
from contactlens.tracks.explanation.motifs.windows import HistoryWindows

if TYPE_CHECKING:
    from contactlens.tracks.explanation.motifs.contributions import Contributions

Floats = NDArray[np.float64]
ALL_WINDOWS = "all_windows"
QUARTILES = (0.25, 0.5, 0.75)
NO_MEMORIES: Mapping[str, float] = {}


@dataclass(frozen=True)
class History:
    """One pattern's S seqlets, aligned on the pattern's W positions.

    track, predicted: (S,) row of the contributions, predicted frame
    frames: (S, W) input frames; states, distance, contribution: (S, W) of those frames
    """

    pattern: Pattern
    track: NDArray[np.int64]
    predicted: NDArray[np.int64]
    frames: NDArray[np.int64]
    states: NDArray[np.int64]
    distance: Floats
    contribution: Floats

    @classmethod
    def of(cls, pattern: Pattern, windows: HistoryWindows, contributions: "Contributions") -> "History":
        cut = windows.table.iloc[pattern.seqlets["row"]]
        track, slot = cut["track"].to_numpy(), cut["slot"].to_numpy()
        first = cut["start"].to_numpy() + pattern.seqlets["start"].to_numpy()
        frames = first[:, None] + np.arange(len(pattern.pwm))
        rows = track[:, None]
        return cls(
            pattern,
            track,
            cut["predicted_frame"].to_numpy(),
            frames,
            contributions.states[rows, frames],
            contributions.distance[rows, frames],
            contributions.actual[rows, slot[:, None], frames],
        )

    @property
    def contact(self) -> Floats:
        """(W,): share of the observed frames in contact; NaN where none was observed."""
        observed = (self.states != MISSING).sum(axis=0)
        contact = (self.states == CONTACT).sum(axis=0)
        return np.divide(contact, observed, out=np.full(len(observed), np.nan), where=observed > 0)

    @property
    def lags(self) -> NDArray[np.int64]:
        """(S, W): frames from input to predicted frame; positive where the input comes before."""
        return self.predicted[:, None] - self.frames

    @property
    def letters(self) -> str:
        """The core as one letter a frame, earliest first: 1 contact, 0 no contact, - where none was observed."""
        core = self.contact[slice(*self.pattern.kept)]
        return "".join("-" if np.isnan(share) else str(int(share >= 0.5)) for share in core)

    @property
    def stretch(self) -> tuple[int, int] | None:
        """First and last position of the core at which most seqlets are in contact; None where there is none."""
        at = self.letters.find("1")
        return None if at < 0 else (self.pattern.kept[0] + at, self.pattern.kept[0] + self.letters.rfind("1"))


def pattern_table(
    histories: Sequence[History], frame_interval_s: float, memories: Mapping[str, float] = NO_MEMORIES
) -> pd.DataFrame:
    """One row a pattern.

    `pattern`, `n_seqlets`, `n_tracks`, `width_frames` and `history` (`History.letters`) of the core, `contribution`
    (its sum, mean over seqlets, output's unit), `total` (over all seqlets); `contact_first_lag_s`,
    `contact_last_lag_s`: from the first and last frame of the contact stretch to the predicted frame, median over
    seqlets, and the latter's quartiles `contact_last_low_s`, `contact_last_high_s`, all NaN for a pattern without
    contact; for each of `memories` (s) `within_<its name>`: share of seqlets whose stretch ends at a lag from 0 to it.
    """
    return pd.DataFrame(
        [_pattern_row(one, frame_interval_s, memories) for one in histories],
        columns=[
            *("pattern", "n_seqlets", "n_tracks", "width_frames", "history", "contribution", "total"),
            *("contact_first_lag_s", "contact_last_lag_s", "contact_last_low_s", "contact_last_high_s"),
            *(f"within_{name}" for name in memories),
        ],
    )


def leading_pattern(patterns: pd.DataFrame) -> pd.Series | None:
    """The row of a `pattern_table` that raises the output most in total; None where none raises it."""
    if not (patterns["total"] > 0).any():
        return None
    return patterns.iloc[int(patterns["total"].argmax())]


def _pattern_row(one: History, frame_interval_s: float, memories: Mapping[str, float]) -> dict[str, object]:
    contribution = one.contribution[:, slice(*one.pattern.kept)].sum(axis=1)
    row: dict[str, object] = {
        "pattern": one.pattern.name,
        "n_seqlets": one.pattern.n_seqlets,
        "n_tracks": len(np.unique(one.track)),
        "width_frames": len(one.pattern.core),
        "history": one.letters,
        "contribution": contribution.mean(),
        "total": contribution.sum(),
    }
    if one.stretch is None:
        return row
    first, last = (one.lags[:, at] * frame_interval_s for at in one.stretch)
    low, middle, high = np.quantile(last, QUARTILES)
    row |= {
        "contact_first_lag_s": np.median(first),
        "contact_last_lag_s": middle,
        "contact_last_low_s": low,
        "contact_last_high_s": high,
    }
    return row | {f"within_{name}": ((last >= 0) & (last <= memory)).mean() for name, memory in memories.items()}


def chance_within(
    windows: HistoryWindows, contributions: "Contributions", frame_interval_s: float, memories: Mapping[str, float]
) -> dict[str, float]:
    """What `within_<memory>` would be of contacts taken at random: of all frames in contact in the searched windows,
    the share at a lag from 0 to each memory."""
    width = windows.one_hot.shape[1]
    frames = windows.table["start"].to_numpy()[:, None] + np.arange(width)  # (M, W)
    contact = contributions.states[windows.table["track"].to_numpy()[:, None], frames] == CONTACT
    lag = (windows.table["predicted_frame"].to_numpy()[:, None] - frames)[contact] * frame_interval_s
    return {name: float(((lag >= 0) & (lag <= memory)).mean()) for name, memory in memories.items() if lag.size}


def position_table(histories: Sequence[History], frame_interval_s: float) -> pd.DataFrame:
    """One row a position of a pattern, the earliest first.

    `pattern`, `position` (0 = first of the core), `kept` (in the core), `lag_s` with quartiles `lag_low_s`,
    `lag_high_s`, `contact` (share of seqlets), `contribution_contact`, `contribution_no_contact` (mean over all
    seqlets of the actual contribution in that state, output's unit), `distance` (mean) with quartiles `distance_low`,
    `distance_high` (driver's unit).
    """
    parts = [_positions(one, frame_interval_s) for one in histories]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=POSITION_COLUMNS)


POSITION_COLUMNS = (
    *("pattern", "position", "kept", "lag_s", "lag_low_s", "lag_high_s", "contact"),
    *("contribution_contact", "contribution_no_contact", "distance", "distance_low", "distance_high"),
)


def _positions(one: History, frame_interval_s: float) -> pd.DataFrame:
    low, middle, high = np.quantile(one.lags * frame_interval_s, QUARTILES, axis=0)
    distance = pd.DataFrame(one.distance)  # its statistics leave NaN out, and are NaN where nothing was observed
    at = np.arange(len(one.pattern.pwm))
    columns = {
        "position": at - one.pattern.kept[0],
        "kept": (at >= one.pattern.kept[0]) & (at < one.pattern.kept[1]),
        "lag_s": middle,
        "lag_low_s": low,
        "lag_high_s": high,
        "contact": one.contact,
        "contribution_contact": np.where(one.states == CONTACT, one.contribution, 0.0).mean(axis=0),
        "contribution_no_contact": np.where(one.states == NO_CONTACT, one.contribution, 0.0).mean(axis=0),
        "distance": distance.mean(),
        "distance_low": distance.quantile(QUARTILES[0]),
        "distance_high": distance.quantile(QUARTILES[2]),
    }
    return pd.DataFrame({"pattern": one.pattern.name} | columns)


def seqlet_table(histories: Sequence[History], track_ids: Sequence[str]) -> pd.DataFrame:
    """One row a seqlet: `pattern`, `track_id`, `predicted_frame`, `first_frame`, `last_frame` (of the core)."""
    parts = [
        pd.DataFrame(
            {
                "pattern": one.pattern.name,
                "track_id": np.asarray(track_ids, dtype=object)[one.track],
                "predicted_frame": one.predicted,
                "first_frame": one.frames[:, one.pattern.kept[0]],
                "last_frame": one.frames[:, one.pattern.kept[1] - 1],
            }
        )
        for one in histories
    ]
    columns = ["pattern", "track_id", "predicted_frame", "first_frame", "last_frame"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def lag_table(
    histories: Sequence[History],
    windows: HistoryWindows,
    contributions: "Contributions",
    lag_max_s: float,
    frame_interval_s: float,
) -> pd.DataFrame:
    """The windows of each pattern, and all of them (ALL_WINDOWS), aligned on the predicted frame.

    Columns: `pattern`, `lag_s`, and at that lag the means `contact` (share), `contribution` (actual, output's unit) and
    `distance` over the windows where the frame was observed; NaN where it was in none.
    """
    reach = round(lag_max_s / frame_interval_s)
    lags = np.arange(-reach, reach + 1)
    T = contributions.states.shape[1]
    everywhere = np.arange(len(windows.table))
    sets = {one.pattern.name: one.pattern.seqlets["row"].unique() for one in histories} | {ALL_WINDOWS: everywhere}
    parts = []
    for name, rows in sets.items():
        cut = windows.table.iloc[rows]
        track, slot = (cut[key].to_numpy()[:, None] for key in ("track", "slot"))
        frames = cut["predicted_frame"].to_numpy()[:, None] - lags  # (M, L)
        inputs = frames.clip(0, T - 1)
        states = contributions.states[track, inputs]
        observed = (frames == inputs) & (states != MISSING)
        values = {
            "contact": states == CONTACT,
            "contribution": contributions.actual[track, slot, inputs],
            "distance": contributions.distance[track, inputs],
        }
        means = {key: pd.DataFrame(np.where(observed, value, np.nan)).mean() for key, value in values.items()}
        parts.append(pd.DataFrame({"pattern": name, "lag_s": lags * frame_interval_s} | means))
    return pd.concat(parts, ignore_index=True)
