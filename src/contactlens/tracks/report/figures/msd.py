"""Mean squared displacement: what can be said of tracks without a signal."""

import pandas as pd
from matplotlib.figure import Figure

from contactlens.reporting.figure_style import BLACK, BLUE, ORANGE, new_figure, styled, with_unit


def with_power_law(msd: pd.DataFrame, prefactor: float, exponent: float) -> pd.DataFrame:
    """The table with a column fitted_nm2 = prefactor * lag_s ** exponent (prefactor in nm^2 / s^exponent)."""
    return msd.assign(fitted_nm2=prefactor * msd["lag_s"] ** exponent)


@styled
def msd_figure(msd: pd.DataFrame, exponent: float | None = None) -> Figure:
    """MSD of the separation against lag on logarithmic axes with its interval, and the fitted power law.

    msd: columns lag_s, msd_nm2, low, high, fitted_nm2 where `with_power_law` added it, and polymer_nm2, the MSD of a
        fitted polymer with noise, where there is one.
    """
    figure = new_figure(5.0, 3.8)
    axis = figure.subplots()
    axis.fill_between(msd["lag_s"], msd["low"], msd["high"], color=BLUE, alpha=0.25, linewidth=0)
    axis.plot(msd["lag_s"], msd["msd_nm2"], color=BLUE, marker="o", markersize=3.5, label="measured")
    if "fitted_nm2" in msd:
        label = "power law" if exponent is None else f"power law, exponent {exponent:.2f}"
        axis.plot(msd["lag_s"], msd["fitted_nm2"], color=BLACK, linestyle="--", label=label)
    if "polymer_nm2" in msd:
        axis.plot(msd["lag_s"], msd["polymer_nm2"], color=ORANGE, label="polymer and noise")
    axis.set(xscale="log", yscale="log", xlabel=with_unit("lag", "s"), ylabel=with_unit("MSD", "nm²"))
    axis.legend()
    return figure
