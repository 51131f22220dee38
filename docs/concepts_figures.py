"""The figures of the page of concepts, docs/concepts/*.png: `python docs/concepts_figures.py reports` after a run.

Distance and burst are drawn from one simulated track, attribution from the run's table; the others are the report's
own, made small.
"""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
from matplotlib.figure import Figure

from contactlens.reporting.figure_style import BLACK, GREY, VERMILION, legend_below, new_figure, save_figure, styled
from contactlens.tracks.report.figures import lag_figure
from contactlens.tracks.report.figures.tracks_examples import shade_states
from contactlens.tracks.report.gallery import write_picture
from contactlens.tracks.simulation.simulate import SimulationConfig, simulate

OUT = Path(__file__).parent / "concepts"
FIGURES = {
    "tracks/figures/measured_hazard.png": "radius.png",
    "tracks/figures/spread_parts.png": "uncertainty.png",
    "dna/figures/motifs.png": "motifs.png",
}
METHODS = ("integrated_gradients", "random", "true_kernel")
SEED, TRACKS = 5, 12


@styled
def burst_figure(track: pd.DataFrame, states: pd.DataFrame, radius: float) -> Figure:
    """Distance with the radius, and MS2, of one track; shaded where its promoter is on."""
    figure = new_figure(7.2, 3.8)
    upper, lower = figure.subplots(2, 1, sharex=True)
    name, minutes = str(track["track_id"].iloc[0]), track["time_s"] / 60
    upper.plot(minutes, track["ep_distance_nm"], color=GREY, label="distance")
    upper.axhline(radius, color=BLACK, linestyle="--", linewidth=1.2, label="contact radius")
    lower.plot(minutes, track["ms2"], color=VERMILION, linewidth=0.9, label="MS2 signal")
    for axis in (upper, lower):
        shade_states(axis, states, name, label=axis is upper)
    upper.set(ylabel="E-P distance (nm)", ylim=(0, None))
    lower.set(xlabel="time (min)", ylabel="MS2 (a.u.)")
    legend_below(figure, [upper, lower])
    return figure


def draw_burst(out: Path) -> None:
    """The track of most bursts of a dozen, each with the defaults' physics."""
    known = simulate(SimulationConfig(n_tracks=TRACKS, n_frames=301), SEED)
    truth = known.truth
    assert truth is not None  # simulated
    chosen = str(truth.promoter_state["track_id"].value_counts().index[0])
    track = known.frames[known.frames["track_id"] == chosen]
    figure = burst_figure(track, truth.promoter_state, float(truth.parameters["contact_radius_nm"]))
    with TemporaryDirectory() as folder:
        png = Path(folder) / "burst.png"
        save_figure(figure, png, track)
        write_picture(png, out / "burst.png")


def draw_attribution(reports: Path, out: Path) -> None:
    """The lag profile of one method, what it would be by chance and what it truly is."""
    profile = pd.read_csv(reports / "tracks" / "lag_profile.csv")
    shown = profile[profile["method"].isin(METHODS) & (profile["output"] == "mean")]
    with TemporaryDirectory() as folder:
        png = Path(folder) / "attribution.png"
        save_figure(lag_figure(shown), png, shown)
        write_picture(png, out / "attribution.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("reports", type=Path, help="the folder of reports of a finished run")
    reports = parser.parse_args().reports
    OUT.mkdir(exist_ok=True)
    draw_burst(OUT)
    draw_attribution(reports, OUT)
    for source, name in FIGURES.items():
        write_picture(reports / source, OUT / name)


if __name__ == "__main__":
    main()
