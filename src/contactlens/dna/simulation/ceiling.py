"""What can be known of the labels of simulated windows: the Bayes rule given the true sites, in closed form."""

from collections.abc import Mapping
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from contactlens.dna.data.window_set import WindowSet
from contactlens.dna.simulation.arrangement import BY_CHANCE, ORDER, ORIENTATION, RULES, SPACING
from contactlens.dna.simulation.config import SimulationConfig
from contactlens.dna.simulation.grammar import ELEMENTS

Floats = NDArray[np.float64]
PARTNERS = "partners"


def has_ceiling(windows: WindowSet) -> bool:
    """Whether the windows are of the grammar whose Bayes rule is known, with their sites."""
    return windows.planted is not None and windows.settings.get("grammar") == "arrangement"


def ceiling_logits(windows: WindowSet) -> Floats:
    """Log odds (N,) of label 1 given the factor, place and strand of every planted site: no model can do better."""
    config = config_of(windows.settings)
    read = read_arrangement(windows, config)
    logits = np.full(len(read), np.log(config.positive_fraction / (1 - config.positive_fraction)))
    for rule in RULES:
        arranged, other = (_evidence(rule, lies, config) for lies in (True, False))
        logits += np.where(read["rule"] == rule, np.where(read["arranged"], arranged, other), 0.0)
    partners = np.log(config.partner_share / (1 - config.partner_share))
    return logits + np.where(read["rule"] == ORIENTATION, np.where(read[PARTNERS], partners, -partners), 0.0)


def config_of(settings: Mapping[str, Any]) -> SimulationConfig:
    """The configuration that a simulated set was made with, from its settings."""
    values = {name: _as_tuple(value) for name, value in settings.items() if name != "seed"}
    return SimulationConfig(**values)


def _as_tuple(value: Any) -> Any:
    return tuple(_as_tuple(one) for one in value) if isinstance(value, list) else value


def _evidence(rule: str, arranged: bool, config: SimulationConfig) -> float:
    """Log ratio of the likelihoods of what a rule looks at, label 1 over label 0."""
    kept, chance = config.arranged_share, BY_CHANCE[rule]
    of_positive = kept + (1 - kept) * chance
    of_negative = (1 - kept) * chance
    ratio = of_positive / of_negative if arranged else (1 - of_positive) / (1 - of_negative)
    return float(np.log(ratio))


def read_arrangement(windows: WindowSet, config: SimulationConfig) -> pd.DataFrame:
    """What the true sites of each window say, a row for each: rule, arranged (whether as in a positive) and partners
    (whether two single factors belong together)."""
    assert windows.planted is not None
    table = windows.windows.set_index("window_id")
    enhancer_left = (table["enh_rel_start"] < table["prom_rel_start"]).to_numpy()
    enhancer, promoter = (_lowest_and_highest(windows.planted, side, config, table.index) for side in (0, 1))
    single = enhancer["low"].eq(enhancer["high"]).to_numpy()
    double = ~single & promoter["low"].ne(promoter["high"]).to_numpy()
    toward = [
        enhancer["strand"].eq("+").to_numpy() == enhancer_left,
        promoter["strand"].eq("-").to_numpy() == enhancer_left,
    ]
    low_is_left = [(side["start"] < side["start_high"]).to_numpy() for side in (enhancer, promoter)]
    inside = [low_is_left[0] != enhancer_left, low_is_left[1] == enhancer_left]
    gap = enhancer[["start", "start_high"]].max(axis=1) - enhancer[["end", "end_high"]].min(axis=1)
    close = (gap <= config.close_gap_bp[1]).to_numpy()
    partner_of_low = enhancer["low"].eq(promoter["low"]).to_numpy()
    conditions = [single, double]
    arranged = np.select(conditions, [toward[0] & toward[1], inside[0] & inside[1]], close == partner_of_low)
    rule = np.select(conditions, [ORIENTATION, ORDER], SPACING)
    return pd.DataFrame({"rule": rule, "arranged": arranged, PARTNERS: partner_of_low})


def _lowest_and_highest(
    planted: pd.DataFrame, side: int, config: SimulationConfig, window_ids: pd.Index
) -> pd.DataFrame:
    """Of one element of each window its first and last factor (low, high, as numbers of pairs; the same where there is
    one), and where the sites of each begin and end: start, end, strand, start_high, end_high, strand_high."""
    number = {pair[side]: i for i, pair in enumerate(config.pairs)}
    sites = planted[planted["element"] == ELEMENTS[side]]
    grouped = sites.assign(factor=sites["motif_id"].map(number)).groupby(["window_id", "factor"], sort=True)
    blocks = grouped.agg(start=("start", "min"), end=("end", "max"), strand=("strand", "first")).reset_index("factor")
    first, last = (blocks[~blocks.index.duplicated(keep=keep)] for keep in ("first", "last"))
    first, last = first.rename(columns={"factor": "low"}), last.rename(columns={"factor": "high"})
    return first.join(last, rsuffix="_high").reindex(window_ids)


def knowable_aurocs(config: SimulationConfig) -> dict[str, float]:
    """The best AUROC, in closed form, of a model that knows these things of the true sites and no other.

    factors: which there are, or how many sites of each; then with each rule's arrangement alone, and with all.
    """
    known = {"factors": (), **{f"factors and {rule}": (rule,) for rule in RULES}, "factors and arrangement": RULES}
    return {name: _auroc(*_distribution(config, rules)) for name, rules in known.items()}


def _distribution(config: SimulationConfig, known: tuple[str, ...]) -> tuple[Floats, Floats]:
    """Probabilities of each case that can be told apart in a positive, and in a negative."""
    cases: list[tuple[float, float]] = []
    for rule, share in zip(RULES, config.rule_shares, strict=True):
        kept, chance = config.arranged_share, BY_CHANCE[rule]
        good = np.array([kept + (1 - kept) * chance, (1 - kept) * chance])
        arranged = [good, 1 - good] if rule in known else [np.ones(2)]
        together = np.array([config.partner_share, 1 - config.partner_share])
        partners = [together, 1 - together] if rule == ORIENTATION else [np.ones(2)]
        cases += [tuple(share * a * b) for a, b in product(arranged, partners)]
    positive, negative = np.array([case for case in cases if sum(case) > 0]).T
    return positive, negative


def _auroc(positive: Floats, negative: Floats) -> float:
    """Of the likelihood ratio as a score: how often a positive's is higher, ties counted half."""
    ratio = np.round(positive / negative, 9)  # equal ones are ties
    above = (ratio[:, None] > ratio) + 0.5 * (ratio[:, None] == ratio)
    return float(positive @ above @ negative)
