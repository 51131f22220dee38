"""True and found loading times as one table, for whoever wants to see them beside the signal."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from contactlens.tracks.evaluation.loading_alignment import LoadingTimes

TRUTH = "truth"


def event_table(times: LoadingTimes, track_ids: Sequence[str], start_s: NDArray[np.float64]) -> pd.DataFrame:
    """model (`truth` first), track_id, time_s on the clock of the track set, to the millisecond.

    start_s: (N,) time of each track's frame 0, from which `times` count
    """
    names = np.asarray(track_ids, dtype=object)
    parts = [
        pd.DataFrame(
            {
                "model": model,
                "track_id": names[events.track],
                "time_s": (start_s[events.track] + events.time_s).round(3),
            }
        )
        for model, events in {TRUTH: times.true, **times.found}.items()
    ]
    return pd.concat(parts, ignore_index=True)
