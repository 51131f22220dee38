"""The parts of the DNA report on what went in, and on how the model was trained."""

import pandas as pd
from matplotlib.figure import Figure

from contactlens.dna.data.names import CRITERION
from contactlens.dna.data.window_set import WindowSet
from contactlens.dna.report.captions import caption
from contactlens.dna.report.figures import evaluation, training
from contactlens.dna.report.inputs import DnaReportInputs
from contactlens.reporting.blocks import Block, FigureBlock, TableBlock, TextBlock
from contactlens.reporting.trials import trial_blocks

CLASSES = {0: "negative", 1: "positive"}
SHOWN_CHROMOSOMES = 8


def _by_class(rows: pd.DataFrame, key: list[str]) -> pd.DataFrame:
    """Windows of each class in each group of `key`; rows: one a window, with its label."""
    counts = rows.groupby([*key, "label"], sort=False).size().unstack("label", fill_value=0)  # noqa: PD010
    named = counts.reindex(columns=list(CLASSES), fill_value=0).rename(columns=CLASSES)
    return named.reset_index().rename_axis(columns=None)


def window_table(inputs: DnaReportInputs) -> pd.DataFrame:
    """split, chromosomes, negative, positive; one row where no splits are given."""
    table = inputs.windows.windows
    splits = inputs.splits or {"all": table["window_id"].tolist()}
    of_window = {window_id: name for name, ids in splits.items() for window_id in ids}
    rows = table.assign(split=table["window_id"].map(of_window)).dropna(subset="split")
    counts = _by_class(rows, ["split"]).set_index("split").reindex(list(splits))
    chroms = rows.groupby("split")["chrom"].unique()
    counts.insert(0, "chromosomes", [_listed(chroms[name].tolist()) for name in counts.index])
    return counts.reset_index()


def _listed(names: list[str]) -> str:
    more = len(names) - SHOWN_CHROMOSOMES
    return ", ".join(names[:SHOWN_CHROMOSOMES]) + (f" and {more:,} more" if more > 0 else "")


def factor_tables(windows: WindowSet) -> list[TableBlock]:
    """Windows by factor of an element, and for pairs by the combination of sets of factors, each by class.

    A window counts once for each factor that an element carries; sets are named in the order of the alphabet.
    """
    planted = windows.planted
    if planted is None:
        return []
    sites = planted[planted["element"] != "background"].drop_duplicates(["window_id", "element", "name"])
    sites = sites.merge(windows.windows[["window_id", "label"]], on="window_id")
    factors = _by_class(sites, ["element", "name"]).rename(columns={"name": "factor"})
    blocks = [TableBlock(factors.sort_values(["element", "factor"], kind="stable"), caption("factors"))]
    if windows.task == "pair":
        sites = sites.sort_values("name", kind="stable")
        pairs = sites.pivot_table(index=["window_id", "label"], columns="element", values="name", aggfunc="+".join)
        table = _by_class(pairs.reset_index(), ["enhancer", "promoter"])
        blocks.append(TableBlock(table.sort_values(["enhancer", "promoter"], kind="stable"), caption("combinations")))
    return blocks


def check_table(validation: dict) -> pd.DataFrame:
    """table, expectations, met: how many of each table's expectations hold."""
    results = pd.DataFrame(validation["results"])
    counts = results.groupby("table", sort=False)["success"].agg(["size", "sum"]).reset_index()
    return counts.rename(columns={"size": "expectations", "sum": "met"})


def window_section(inputs: DnaReportInputs) -> list[Block]:
    windows, validation = inputs.windows, inputs.json("validation")
    blocks: list[Block] = [TableBlock(window_table(inputs), caption("windows")), *factor_tables(windows)]
    if windows.task == "pair":
        frame = pd.DataFrame({"label": windows.windows["label"], "distance_bp": windows.distances()})
        blocks.insert(1, inputs.figure("distance", evaluation.distance_figure(frame), frame, caption("distance")))
    if validation is not None:
        blocks.append(TableBlock(check_table(validation), caption("checks")))
    return blocks


def sweep_section(inputs: DnaReportInputs) -> list[Block]:
    trials = inputs.table("trials")
    if trials is None:
        return []

    def block(figure: Figure) -> FigureBlock:
        return inputs.figure("sweep", figure, trials, caption("sweep"))

    return trial_blocks(trials, training.TRIALS, block, caption)


def pretraining_sweep_blocks(inputs: DnaReportInputs) -> list[Block]:
    trials = inputs.table("pretraining_trials")
    if trials is None:
        return []

    def block(figure: Figure) -> FigureBlock:
        return inputs.figure("pretraining_sweep", figure, trials, caption("pretraining_sweep"))

    return trial_blocks(
        trials, training.PRETRAINING_TRIALS, block, lambda _, **counts: caption("best_pretraining", **counts)
    )


def training_section(inputs: DnaReportInputs) -> list[Block]:
    before, history, roc = (inputs.table(name) for name in ("pretrain_history", "history", "roc_per_epoch"))
    blocks: list[Block] = []
    if before is not None:
        frame = training.pretraining_frame(before, inputs.table("pretrain_loss"))
        blocks.append(inputs.figure("pretraining", training.pretraining_figure(frame), frame, caption("pretraining")))
        blocks += pretraining_sweep_blocks(inputs)
    elif history is not None:
        blocks.append(TextBlock("The backbone was taken from a given checkpoint; nothing was pre-trained here."))
    if history is not None:
        figure = training.training_figure(history)
        blocks.append(inputs.figure("training", figure, history, caption("training")))
    if roc is not None:
        kept = None if history is None else int(history[CRITERION].argmin()) + 1
        figure = training.roc_epochs_figure(roc, kept)
        blocks.append(inputs.figure("roc_epochs", figure, roc, caption("roc_epochs")))
    return blocks
