"""Figures of the tracks branch: each function takes tables as the pipeline writes them, returns a Figure."""

from contactlens.reporting.figure_style import save_figure
from contactlens.tracks.report.figures.attention import attention_figure, attention_frame
from contactlens.tracks.report.figures.attribution import (
    TrackAttribution,
    feature_figure,
    feature_frame,
    lag_frame,
    lag_map_figure,
    matrix_figure,
    matrix_frame,
)
from contactlens.tracks.report.figures.calibration import ence_figure, pit_figure, reliability_figure
from contactlens.tracks.report.figures.comparison import comparison_figure, headline_frame, systems_figure
from contactlens.tracks.report.figures.faithfulness import (
    deletion_figure,
    faithfulness_figure,
    insertion_figure,
    lag_figure,
)
from contactlens.tracks.report.figures.gate import gate_figure, gate_frame
from contactlens.tracks.report.figures.latent import LoadingExample, alignment_figure, alignment_frame, loading_figure
from contactlens.tracks.report.figures.msd import msd_figure, with_power_law
from contactlens.tracks.report.figures.overview import Overview, overview_figure
from contactlens.tracks.report.figures.states import (
    lengths_figure,
    roc_figure,
    state_examples_figure,
    state_reliability_figure,
    track_accuracy_figure,
)
from contactlens.tracks.report.figures.sweep import MeasuredRadius, gate_midpoint_figure, sweep_figure
from contactlens.tracks.report.figures.temporal_motifs import motif_figure, motif_frame, motif_lag_figure
from contactlens.tracks.report.figures.tracks_examples import (
    choose_examples,
    example_frames,
    examples_figure,
    spread_parts_figure,
)
from contactlens.tracks.report.figures.training import training_figure

__all__ = [
    "LoadingExample",
    "MeasuredRadius",
    "Overview",
    "TrackAttribution",
    "alignment_figure",
    "alignment_frame",
    "attention_figure",
    "attention_frame",
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
    "gate_midpoint_figure",
    "headline_frame",
    "insertion_figure",
    "lag_figure",
    "lag_frame",
    "lag_map_figure",
    "lengths_figure",
    "loading_figure",
    "matrix_figure",
    "matrix_frame",
    "motif_figure",
    "motif_frame",
    "motif_lag_figure",
    "msd_figure",
    "overview_figure",
    "pit_figure",
    "reliability_figure",
    "roc_figure",
    "save_figure",
    "spread_parts_figure",
    "state_examples_figure",
    "state_reliability_figure",
    "sweep_figure",
    "systems_figure",
    "track_accuracy_figure",
    "training_figure",
    "with_power_law",
]
