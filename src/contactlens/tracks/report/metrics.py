"""Tables of scores that the reports of every task share."""

from collections.abc import Iterable, Mapping

import pandas as pd

from contactlens.reporting.blocks import Block, TableBlock
from contactlens.reporting.figure_style import plain, with_unit
from contactlens.reporting.metric_names import metric_name, metric_unit
from contactlens.reporting.tables import with_interval

DIFFERENCE = "_minus_"


def resampled(metrics: pd.DataFrame) -> str:
    """What the intervals of a table are over, such as `9 groups`."""
    return str(metrics["over"].iloc[0]) if "over" in metrics else "tracks"


def metric_table(metrics: pd.DataFrame, chosen: Iterable[str], signal_unit: str) -> pd.DataFrame:
    """One row a model, one column a metric, each with its interval; models in the order of the file."""
    chosen = [name for name in chosen if name in set(metrics["metric"])]
    cells = metrics.assign(cell=with_interval(metrics)).set_index(["model", "metric"])["cell"]
    table = cells.unstack("metric", sort=False)[chosen].rename(index=plain)  # noqa: PD010
    table.columns = pd.Index([with_unit(metric_name(name), metric_unit(name, signal_unit)) for name in chosen])
    return table.reset_index()


def difference_blocks(metrics: pd.DataFrame, caption: str) -> list[Block]:
    """A model's scores less each other one's, paired by track, where they were evaluated."""
    paired = metrics[metrics["metric"].str.contains(DIFFERENCE, regex=False)]
    if paired.empty:
        return []
    named = paired["metric"].str.partition(DIFFERENCE)
    table = pd.DataFrame(
        {
            "model": paired["model"].map(plain),
            "less": named[2].map(plain),
            "score": named[0].map(metric_name),
            "difference": with_interval(paired),
        }
    )
    return [TableBlock(table, caption)]


def scaled_table(rows: pd.DataFrame, what: str, scales: Mapping[str, tuple[str, float]]) -> pd.DataFrame:
    """One row a model, one column a quantity in another unit, each with its interval; no column without values.

    what: column that names the quantity; scales: quantity -> name of the column, factor.
    """
    rows = rows[rows[what].isin(scales)]
    factor = rows[what].map({quantity: factor for quantity, (_, factor) in scales.items()})
    numbers = rows[["estimate", "low", "high"]].mul(factor, axis=0)
    cells = rows.assign(cell=with_interval(numbers)).set_index(["model", what])["cell"]
    table = cells.unstack(what, sort=False)  # noqa: PD010
    chosen = [quantity for quantity in scales if quantity in table]
    named = {quantity: name for quantity, (name, _) in scales.items()}
    return table[chosen].rename(index=plain, columns=named).reset_index().rename_axis(columns=None)
