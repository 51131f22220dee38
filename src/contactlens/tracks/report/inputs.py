"""The files that the tracks report is made from, each of which may be missing, and where its figures go."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from contactlens.base.parquet_file import read_parquet
from contactlens.reporting.blocks import FigureBlock
from contactlens.reporting.files import read_csv, read_npz
from contactlens.tracks.data.track_set import SIGNAL_COLUMN, Driver, TrackSet
from contactlens.tracks.report.figure_notes import figure_notes
from contactlens.tracks.report.figures import TrackAttribution, save_figure


@dataclass(frozen=True)
class ReportInputs:
    """The outputs of the stages before the report, with what is known of the data.

    reports: the folder of metrics.csv, seeds.csv, predictions.parquet, attribution.npz, ...; a file that is
        missing leaves its part of the report out
    figures: the folder that PNG and CSV of every figure are written to
    true_radius: in the driver's unit, promoter_state: track_id, start_s, end_s; None where not known
    promotion_reasons: one sentence a rule, `passed: ...` or `failed: ...`; none where nothing was decided
    served: the row of metrics.csv that is evaluated for promotion, and served
    """

    reports: Path
    figures: Path
    driver: Driver
    signal_unit: str
    true_radius: float | None = None
    promoter_state: pd.DataFrame | None = None
    promotion_reasons: Sequence[str] = ()
    served: str = "network"

    @classmethod
    def of(
        cls,
        track_set: TrackSet,
        reports: Path,
        figures: Path,
        promotion_reasons: Sequence[str] = (),
        served: str = "network",
    ) -> "ReportInputs":
        """What is known of a track set: its driver and units and, where it was simulated, the truth."""
        truth = track_set.truth
        return cls(
            reports=reports,
            figures=figures,
            driver=track_set.driver,
            signal_unit=track_set.signal_unit or "",
            true_radius=None if truth is None else float(truth.parameters["contact_radius_nm"]),
            promoter_state=None if truth is None else truth.promoter_state,
            promotion_reasons=promotion_reasons,
            served=served,
        )

    def table(self, name: str) -> pd.DataFrame | None:
        """`name`.csv of the reports folder or of its `evaluation`."""
        for path in (self.reports / f"{name}.csv", self.reports / "evaluation" / f"{name}.csv"):
            if path.is_file():
                return read_csv(path, dtype={"track_id": str})
        return None

    @property
    def decodes_states(self) -> bool:
        """Whether the model says how likely the promoter is on, not how bright the signal is."""
        predictions = self.predictions()
        return predictions is not None and "p_on" in predictions

    @property
    def sees_signal(self) -> bool:
        """Whether MS2 is among the model's inputs."""
        return SIGNAL_COLUMN in self.channels

    @property
    def channels(self) -> list[str]:
        """Names of the model's inputs; none where it was not explained."""
        return [str(name) for name in self.attribution().get("channels", ())]

    @property
    def radius(self) -> float:
        """The midpoint of the gate of the best seed; NaN where there is no gate, or nothing was trained."""
        seeds = self.table("seeds")
        return math.nan if seeds is None else float(seeds["gate_midpoint"].iloc[int(seeds["validation_nll"].argmin())])

    @property
    def gated(self) -> bool:
        return math.isfinite(self.radius)

    def predictions(self) -> pd.DataFrame | None:
        path = self.reports / "predictions.parquet"
        return read_parquet(path).to_pandas() if path.is_file() else None

    def attribution(self) -> dict[str, np.ndarray]:
        """The arrays of attribution.npz; none where there is no such file."""
        path = self.reports / "attribution.npz"
        return read_npz(path) if path.is_file() else {}

    def figure(self, name: str, figure: Figure, frame: pd.DataFrame, caption: str) -> FigureBlock:
        """Write a figure with the table behind it and refer to both."""
        path = self.figures / f"{name}.png"
        save_figure(figure, path, frame)
        alt, doubt = figure_notes(name)
        return FigureBlock(path, caption, path.with_suffix(".csv"), alt, doubt)


def most_contact(predictions: pd.DataFrame, track_ids: list[str]) -> str:
    """The track, of those given, whose gate is open most on average."""
    contact = predictions[predictions["track_id"].isin(track_ids)].groupby("track_id")["contact"].mean()
    return str(contact.idxmax()) if len(contact) else track_ids[0]


def input_shown(arrays: dict[str, np.ndarray], driver: Driver, signal_unit: str) -> tuple[str, Driver]:
    """The column of the predictions that is drawn along the input axis, and what it is: the driver, or MS2 for a model
    that sees nothing else."""
    if list(arrays["channels"]) == [SIGNAL_COLUMN]:
        return SIGNAL_COLUMN, Driver("scalar", "signal", signal_unit)
    return driver.gate_column, driver


def track_attribution(
    arrays: dict[str, np.ndarray], output: str, track_id: str, predictions: pd.DataFrame, input_column: str
) -> TrackAttribution:
    """The matrix `ig_{output}` of a track on its own frames, with input and signal where observed."""
    row = [str(name) for name in arrays["track_ids"]].index(track_id)
    track = predictions[predictions["track_id"] == track_id].set_index("frame")
    T = int(track.index.max()) + 1
    full = track.reindex(np.arange(T))
    interval_s = float((track["time_s"].diff() / track.index.to_series().diff()).median())
    return TrackAttribution(
        track_id=track_id,
        output=output,
        matrix=arrays[f"ig_{output}"][row, :T, :T],
        minutes=np.arange(T) * interval_s / 60,
        driver=full[input_column].to_numpy(),
        signal=full[SIGNAL_COLUMN].to_numpy(),
    )
