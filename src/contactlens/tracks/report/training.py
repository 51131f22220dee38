"""The parts of the tracks report about training, the search before it and the promotion after it."""

from contactlens.reporting.blocks import Block, TableBlock
from contactlens.reporting.tables import promotion_table
from contactlens.tracks.report import figures
from contactlens.tracks.report.captions import caption
from contactlens.tracks.report.figures.sweep import searched_keys
from contactlens.tracks.report.inputs import ReportInputs

BEST_TRIALS = 5


def training_section(inputs: ReportInputs) -> list[Block]:
    history, seeds = inputs.table("history"), inputs.table("seeds")
    blocks: list[Block] = []
    if history is not None:
        figure = figures.training_figure(
            history, inputs.driver, inputs.signal_unit, inputs.true_radius, inputs.decodes_states
        )
        text = caption("training") + (" " + caption("training_radius") if inputs.gated else "")
        blocks.append(inputs.figure("training", figure, history, text))
    if seeds is not None:
        formats = {"validation_nll": ".4f", "radius": ".4g", "gate_alpha": ".3g"}
        blocks.append(TableBlock(seeds, caption("seeds", unit=inputs.driver.unit), formats))
    return blocks


def sweep_section(inputs: ReportInputs) -> list[Block]:
    trials = inputs.table("trials")
    if trials is None:
        return []
    best = trials.sort_values("validation_nll", kind="stable").head(BEST_TRIALS)
    formats = {str(column): ".4g" for column in best.select_dtypes("float")}
    blocks: list[Block] = [TableBlock(best, caption("best_trials", best=len(best), all=len(trials)), formats)]
    if searched_keys(trials.dropna(subset=["validation_nll"])):  # a sweep of one trial has nothing to draw
        figure = figures.sweep_figure(trials, inputs.driver)
        blocks.insert(0, inputs.figure("sweep", figure, trials, caption("sweep")))
    return blocks


def promotion_section(inputs: ReportInputs) -> list[Block]:
    if not inputs.promotion_reasons:
        return []
    return [TableBlock(promotion_table(inputs.promotion_reasons), caption("promotion"))]
