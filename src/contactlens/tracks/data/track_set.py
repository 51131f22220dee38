"""The one data type of the tracks branch: a set of tracks, with the truth where it was simulated.

On disk a track set is a folder: `frames.parquet` (long form, one row per observed frame; its schema metadata holds
the driver, units and frame interval) and, for simulated sets, `truth/*.parquet` and `truth/parameters.json`.
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from contactlens.base.errors import InputError
from contactlens.base.files import read_json, require_replaceable, write_aside, write_json
from contactlens.base.parquet_file import read_parquet

METADATA_KEY = b"contactlens"
FILES = ("frames.parquet", "truth", ".gitignore")  # DVC may keep the last one beside them
VECTOR_COLUMNS = ["ep_x_nm", "ep_y_nm", "ep_z_nm"]
DISTANCE_COLUMN = "ep_distance_nm"
SCALAR_COLUMN = "driver"
SIGNAL_COLUMN = "ms2"
DriverKind = Literal["vector", "distance", "scalar"]
DRIVER_COLUMNS: dict[str, list[str]] = {
    "vector": [*VECTOR_COLUMNS, DISTANCE_COLUMN],
    "distance": [DISTANCE_COLUMN],
    "scalar": [SCALAR_COLUMN],
}


@dataclass(frozen=True)
class Driver:
    """What switches the gene: the E-P vector, the E-P distance, or another scalar gated in the same way.

    The gate reads the last of `columns`, in `unit`.
    """

    kind: DriverKind
    name: str
    unit: str

    @property
    def columns(self) -> list[str]:
        return DRIVER_COLUMNS[self.kind]

    @property
    def gate_column(self) -> str:
        return self.columns[-1]


@dataclass(frozen=True)
class Truth:
    """What the simulator knows and the microscope does not.

    separation: track_id, frame, ep_x_nm, ep_y_nm, ep_z_nm, ep_distance_nm without localisation noise
    promoter_state: track_id, start_s, end_s of every on-interval
    on_events: track_id, time_s, effective (whether the candidate met an off promoter in contact)
    pol2_loading: track_id, time_s
    parameters: the simulation's configuration, by name
    """

    separation: pd.DataFrame
    promoter_state: pd.DataFrame
    on_events: pd.DataFrame
    pol2_loading: pd.DataFrame
    parameters: dict[str, Any]

    TABLES = ("separation", "promoter_state", "on_events", "pol2_loading")

    def write(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        for name in self.TABLES:
            getattr(self, name).to_parquet(folder / f"{name}.parquet", index=False)
        write_json(folder / "parameters.json", self.parameters)

    @classmethod
    def read(cls, folder: Path) -> "Truth":
        """Raises InputError where a table of the truth is missing or not readable."""
        tables = {name: read_parquet(folder / f"{name}.parquet").to_pandas() for name in cls.TABLES}
        parameters = folder / "parameters.json"
        try:
            return cls(**tables, parameters=read_json(parameters))
        except (OSError, ValueError, RecursionError) as error:
            raise InputError(f"{parameters}: not readable JSON ({error})") from error


def _parse_metadata(raw: bytes, path: Path) -> dict[str, Any]:
    """The settings that `TrackSet.write` put into the schema."""
    try:
        found = json.loads(raw)
        driver = Driver(**found["driver"])
        if driver.kind not in DRIVER_COLUMNS:
            raise ValueError(f"unknown driver kind {driver.kind!r}")
        unit, source = found["signal_unit"], found["source"]
        texts = (driver.name, driver.unit, source, *(() if unit is None else (unit,)))
        if not all(isinstance(text, str) for text in texts):
            raise ValueError("names and units must be text")
        interval_s = float(found["frame_interval_s"])
        return {"driver": driver, "frame_interval_s": interval_s, "signal_unit": unit, "source": source}
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise InputError(f"{path}: its contactlens metadata are damaged ({error}); import the table again") from error


@dataclass(frozen=True)
class TrackSet:
    """Tracks in long form.

    frames: track_id (str), group (str), frame (int), time_s, the driver's columns, and ms2 where a signal was imaged;
        sorted by track_id and frame; a frame that was not observed has no row.
    frame_interval_s: seconds between frames.
    signal_unit: unit of `ms2`; None where there is no signal.

    >>> import contactlens as cl
    >>> tracks = cl.read_tracks("lab.csv", track="cell", time="t_s", distance="ep_nm", length_unit="nm", signal="ms2")
    >>> tracks.driver.name, tracks.driver.unit, tracks.columns
    ('E-P distance', 'nm', ['track_id', 'group', 'frame', 'time_s', 'ep_distance_nm', 'ms2'])
    >>> tracks.write("lab_tracks")
    >>> bool((cl.TrackSet.read("lab_tracks").frames == tracks.frames).all(axis=None))
    True
    """

    frames: pd.DataFrame
    frame_interval_s: float
    driver: Driver
    signal_unit: str | None
    source: str
    truth: Truth | None = field(default=None)

    @property
    def has_signal(self) -> bool:
        return self.signal_unit is not None

    @property
    def columns(self) -> list[str]:
        signal = [SIGNAL_COLUMN] if self.has_signal else []
        return ["track_id", "group", "frame", "time_s", *self.driver.columns, *signal]

    def write(self, folder: Path | str) -> None:
        """Write the track set as a folder; nothing appears under `folder` unless all of it could be written.

        Raises InputError where `folder` holds anything but an earlier track set.
        """
        require_replaceable(folder, FILES)
        with write_aside(folder) as aside:
            aside.mkdir()
            table = pa.Table.from_pandas(self.frames[self.columns], preserve_index=False)
            metadata = {
                "driver": asdict(self.driver),
                "frame_interval_s": self.frame_interval_s,
                "signal_unit": self.signal_unit,
                "source": self.source,
            }
            table = table.replace_schema_metadata({METADATA_KEY: json.dumps(metadata, sort_keys=True)})
            pq.write_table(table, aside / "frames.parquet", compression="zstd")
            if self.truth is not None:
                self.truth.write(aside / "truth")

    @classmethod
    def read(cls, folder: Path | str) -> "TrackSet":
        """Read a track set's folder.

        Raises InputError where the folder holds no readable `frames.parquet` written by `TrackSet.write`.
        """
        path = Path(folder) / "frames.parquet"
        if not path.is_file():
            raise InputError(f"{path}: no such file; a track set is a folder written by `contactlens import tracks`")
        table = read_parquet(path)
        raw = (table.schema.metadata or {}).get(METADATA_KEY)
        if raw is None:
            raise InputError(f"{path}: no contactlens metadata; import the table with `contactlens import tracks`")
        truth = Path(folder) / "truth"
        return cls(
            frames=table.to_pandas(ignore_metadata=True),
            truth=Truth.read(truth) if truth.is_dir() else None,
            **_parse_metadata(raw, path),
        )
