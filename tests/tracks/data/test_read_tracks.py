"""One call reads tracks from a file or a DataFrame, with the names and units of the command line."""

from pathlib import Path

import pandas as pd
import pytest

from contactlens.base.errors import InputError
from contactlens.tracks.data.importing import read_tracks

TABLE = pd.DataFrame({"cell": ["a", "a", "b", "b"], "t": [0, 30, 0, 30], "d": [0.1, 0.2, 0.3, 0.4], "y": [1, 2, 3, 4]})
NAMES = {"track": "cell", "time": "t", "time_unit": "s", "distance": "d", "length_unit": "um", "signal": "y"}


def test_a_dataframe_and_its_csv_are_the_same_tracks(tmp_path: Path) -> None:
    TABLE.to_csv(tmp_path / "t.csv", index=False)
    tracks, same = read_tracks(TABLE, **NAMES), read_tracks(tmp_path / "t.csv", **NAMES)
    pd.testing.assert_frame_equal(tracks.frames, same.frames)
    assert tracks.frames["ep_distance_nm"].tolist() == pytest.approx([100, 200, 300, 400])
    assert (tracks.frame_interval_s, tracks.source, same.source) == (30, "DataFrame", "t.csv")


def test_a_dataframe_is_refused_by_the_row_and_column() -> None:
    with pytest.raises(InputError, match=r"DataFrame, column 'd': 1 distances are negative; first at row 2 \(-0.2\)"):
        read_tracks(TABLE.assign(d=[0.1, -0.2, 0.3, 0.4]), **NAMES)
    with pytest.raises(InputError, match="DataFrame: no column 'Cell'; did you mean 'cell'"):
        read_tracks(TABLE, **{**NAMES, "track": "Cell"})
