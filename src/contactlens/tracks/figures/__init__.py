"""Figures of the tracks branch: each function takes tables as the pipeline writes them, returns a Figure."""

from contactlens.figure_style import save_figure
from contactlens.tracks.figures.attribution import (
    TrackAttribution,
    feature_figure,
    feature_frame,
    lag_frame,
    lag_map_figure,
    matrix_figure,
    matrix_frame,
)
from contactlens.tracks.figures.calibration import ence_figure, pit_figure, reliability_figure
from contactlens.tracks.figures.comparison import comparison_figure
from contactlens.tracks.figures.faithfulness import (
    deletion_figure,
    faithfulness_figure,
    lag_figure,
)
from contactlens.tracks.figures.gate import gate_figure, gate_frame
from contactlens.tracks.figures.msd import msd_figure, with_power_law
from contactlens.tracks.figures.overview import Overview, overview_figure
from contactlens.tracks.figures.sweep import radius_figure, sweep_figure
from contactlens.tracks.figures.tracks_examples import choose_examples, example_frames, examples_figure
from contactlens.tracks.figures.training import training_figure

__all__ = [
    "Overview",
    "TrackAttribution",
    "choose_examples",
    "comparison_figure",
    "deletion_figure",
    "ence_figure",
    "example_frames",
    "examples_figure",
    "faithfulness_figure",
    "feature_figure",
    "feature_frame",
    "gate_figure",
    "gate_frame",
    "lag_figure",
    "lag_frame",
    "lag_map_figure",
    "matrix_figure",
    "matrix_frame",
    "msd_figure",
    "overview_figure",
    "pit_figure",
    "radius_figure",
    "reliability_figure",
    "save_figure",
    "sweep_figure",
    "training_figure",
    "with_power_law",
]
