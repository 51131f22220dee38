"""The section on the cross-validation: what the network does on groups that no fold had seen."""

import pandas as pd

from contactlens.reporting.blocks import Block, TableBlock
from contactlens.reporting.figure_style import plain
from contactlens.reporting.metric_names import metric_name
from contactlens.reporting.tables import with_interval
from contactlens.tracks.report.captions import caption
from contactlens.tracks.report.inputs import ReportInputs
from contactlens.tracks.report.metrics import difference_blocks, metric_table

SHOWN = ("nll", "crps", "r2", "coverage_90", "mace")
FORMATS = {"nll": ".3f", "crps": ".4g", "coverage_90": ".3f"}


def cross_validation_section(inputs: ReportInputs) -> list[Block]:
    """Nothing where none was asked for."""
    metrics, groups = inputs.table("cross_validation"), inputs.table("cross_validation_groups")
    if metrics is None or groups is None:
        return []
    count = groups["group"].nunique()
    own = metrics[metrics["model"] == inputs.served]
    served = groups[groups["model"] == inputs.served].drop(columns="model")
    return [
        TableBlock(metric_table(metrics, SHOWN, inputs.signal_unit), caption("cross_validation", groups=count)),
        *_parts_block(inputs),
        *difference_blocks(own, caption("cross_validation_differences", model=plain(inputs.served))),
        TableBlock(served, caption("cross_validation_groups", model=plain(inputs.served)), FORMATS),
    ]


def _parts_block(inputs: ReportInputs) -> list[Block]:
    """Nothing of a head without a detection limit."""
    parts = inputs.table("cross_validation_parts")
    if parts is None:
        return []
    columns = {
        "part": parts["part"],
        "frames": parts["frames"].map("{:.0%}".format),
        "model": parts["model"].map(plain),
    }
    for score in ("nll", "crps"):
        ends = parts[[f"{score}_less", f"{score}_less_low", f"{score}_less_high"]]
        less = with_interval(ends.set_axis(["estimate", "low", "high"], axis=1))
        columns[metric_name(score)] = parts[score].map("{:.4g}".format)
        columns[f"ensemble's {metric_name(score)} less this"] = less.where(ends.notna().all(axis=1), "")
    return [TableBlock(pd.DataFrame(columns), caption("cross_validation_parts"))]
