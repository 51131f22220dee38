"""The whole search for temporal motifs on one model, the files it leaves, and its control.

modisco-lite forks: call `temporal_motifs` before any thread of CUDA or Ray is started, in a stage of its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from contactlens.attribution.modisco import find_patterns
from contactlens.base.files import write_aside, write_json
from contactlens.tracks.data.batch import TrackBatch
from contactlens.tracks.explanation.motifs.config import TemporalMotifConfig
from contactlens.tracks.explanation.motifs.contact_alphabet import Typical
from contactlens.tracks.explanation.motifs.contributions import DriverModel, contact_contributions
from contactlens.tracks.explanation.motifs.histories import (
    NO_MEMORIES,
    History,
    chance_within,
    lag_table,
    leading_pattern,
    pattern_table,
    position_table,
    seqlet_table,
)
from contactlens.tracks.explanation.motifs.windows import cut_histories


@dataclass(frozen=True)
class TemporalMotifs:
    """patterns, positions, lags, seqlets: as `histories` makes them, the pattern of most seqlets first in each sign
    reason: why a sign has no pattern, or what was dropped; else ""
    windows: number searched
    strength: mean over windows of the summed |contribution|, in the output's unit
    radius: distance that counts as contact; typical: what stood for the states
    chance: for each memory, the share of contacts that lie within it in the searched windows at large
    """

    patterns: pd.DataFrame
    positions: pd.DataFrame
    lags: pd.DataFrame
    seqlets: pd.DataFrame
    reason: str
    windows: int
    strength: float
    radius: float
    typical: Typical
    chance: Mapping[str, float]

    @property
    def leading(self) -> pd.Series | None:
        return leading_pattern(self.patterns)


def temporal_motifs(
    model: DriverModel,
    x: Tensor,
    observed: Tensor,
    track_ids: list[str],
    *,
    radius: float,
    frame_interval_s: float,
    config: TemporalMotifConfig,
    seed: int,
    hdf5: Path | str,
    channel: int = 0,
    memories: Mapping[str, float] = NO_MEMORIES,
) -> TemporalMotifs:
    """Contact histories that `model` (in evaluation mode) relies on, on tracks drawn from x (N, C, T), observed (N, T).

    radius: distance up to which a frame is in contact, in the driver's unit: where the model's own gate is half open,
        or a radius of choice for a model without one
    channel: output that is explained, 0 being the mean of a signal or the logit of a state
    memories: by name, how long before a frame its contacts can matter (s), where that is known
    hdf5: where TF-MoDISco's own file goes; its examples are the windows, its letters A and C contact and no contact

    Raises InputError where every frame or none is in contact.
    """
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(len(x))[: config.n_tracks]
    contributions = contact_contributions(
        model,
        x[chosen],
        observed[chosen],
        radius=radius,
        channel=channel,
        per_track=config.predicted_per_track,
        rows_per_pass=config.rows_per_pass,
        rng=rng,
    )
    windows = cut_histories(contributions, config.window_frames, config.smoothing_frames)
    found = find_patterns(windows.hypothetical, windows.one_hot, config.modisco, seed, hdf5, unit="frames")
    histories = [History.of(pattern, windows, contributions) for pattern in found.patterns]
    strength = np.abs(windows.hypothetical * windows.one_hot).sum(axis=(1, 2))
    return TemporalMotifs(
        patterns=pattern_table(histories, frame_interval_s, memories),
        positions=position_table(histories, frame_interval_s),
        lags=lag_table(histories, windows, contributions, config.lag_max_s, frame_interval_s),
        seqlets=seqlet_table(histories, [track_ids[i] for i in chosen]),
        reason=found.reason,
        windows=len(windows.table),
        strength=float(strength.mean()) if len(strength) else 0.0,
        radius=radius,
        typical=contributions.typical,
        chance=chance_within(windows, contributions, frame_interval_s, memories),
    )


def write_temporal_motifs(found: TemporalMotifs, folder: Path | str) -> None:
    """patterns.csv, positions.csv, lags.csv, seqlets.csv and summary.json into `folder`."""
    for name in ("patterns", "positions", "lags", "seqlets"):
        with write_aside(Path(folder) / f"{name}.csv") as aside:
            getattr(found, name).to_csv(aside, index=False, lineterminator="\n", float_format="%.6g")
    summary = {
        "windows": found.windows,
        "patterns": len(found.patterns),
        "reason": found.reason,
        "strength": found.strength,
        "radius": found.radius,
        "contact_share": found.typical.share,
        "contact_distance": found.typical.contact,
        "no_contact_distance": found.typical.no_contact,
        **{f"chance_within_{name}": share for name, share in found.chance.items()},
    }
    write_json(Path(folder) / "summary.json", summary)


def compare_motifs(found: Mapping[str, TemporalMotifs]) -> pd.DataFrame:
    """One row a model: `model`, `windows`, `strength`, `patterns` (their number), `chance_within_<memory>`, and the row
    of `patterns` of its leading pattern, NaN where it has none."""
    rows = []
    for model, one in found.items():
        row = {"model": model, "windows": one.windows, "strength": one.strength, "patterns": len(one.patterns)}
        row |= {f"chance_within_{name}": share for name, share in one.chance.items()}
        rows.append(row if one.leading is None else row | one.leading.to_dict())
    return pd.DataFrame(rows)


def with_drivers_exchanged(batch: TrackBatch, seed: int) -> TrackBatch:
    """Every track's driver replaced by that of another track; its signal stays: what a control is trained on.

    Frames that either track lacks count as missing.
    """
    order = np.random.default_rng(seed).permutation(len(batch))
    partner = np.empty_like(order)
    partner[order] = np.roll(order, 1)
    rows = torch.as_tensor(partner, device=batch.driver.device)
    observed = batch.observed & batch.observed[rows]
    return replace(
        batch, driver=batch.driver[rows] * observed[:, None], signal=batch.signal * observed, observed=observed
    )
