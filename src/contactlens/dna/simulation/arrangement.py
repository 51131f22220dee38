"""The grammar that needs order: both labels hold the same factors in the same numbers, and differ in how they lie.

Of every window, one rule tells the label, and which factors there are tells which rule:

- orientation (one factor in either element): a positive is convergent, the sites of the enhancer point at the promoter
  and those of the promoter at the enhancer, as of CTCF at the ends of a loop; a negative is tandem or divergent
- order (two factors in both): in a positive, the sites of the first pair lie between those of the second
- spacing (two in the enhancer, one in the promoter): the two of the enhancer lie close together where the promoter has
  the partner of the first, wide apart where it has that of the second; in a negative, the other way round

"Along the window" is from enhancer to promoter, whichever lies left: every rule reads the same on both strands. In a
share of the windows the arrangement is drawn by chance, so that the best rule, too, errs. Beside it, whether two single
factors are partners is a second, weaker signal.
"""

from collections.abc import Mapping
from itertools import combinations
from typing import NamedTuple

import numpy as np

from contactlens.dna.data.motif_database import Motif
from contactlens.dna.simulation.config import SimulationConfig
from contactlens.dna.simulation.grammar import ELEMENTS, Site, Span, place_alone, place_cluster

ORIENTATION, ORDER, SPACING = RULES = ("orientation", "order", "spacing")
# How often sites that are arranged by chance lie as in a positive: two things have to be so, or one.
BY_CHANCE: Mapping[str, float] = {ORIENTATION: 1 / 4, ORDER: 1 / 4, SPACING: 1 / 2}
Range = tuple[int, int]


class Plan(NamedTuple):
    """What a window is to hold.

    rule: of RULES; enhancer, promoter: its factors as numbers of pairs, rising; arranged: whether as in a positive
    """

    rule: str
    enhancer: tuple[int, ...]
    promoter: tuple[int, ...]
    arranged: bool


def deal_rules(n: int, shares: tuple[float, float, float], rng: np.random.Generator) -> list[str]:
    """The rules of n windows in their shares, rounded, in random order."""
    ends = np.rint(np.cumsum(shares) / sum(shares) * n).astype(np.int64)
    return rng.permutation(np.repeat(RULES, np.diff(ends, prepend=0))).tolist()


def draw_plan(rule: str, label: int, config: SimulationConfig, rng: np.random.Generator) -> Plan:
    """Factors and arrangement of a window with this label."""
    n_pairs = len(config.pairs)
    arranged = bool(label) if rng.random() < config.arranged_share else bool(rng.random() < BY_CHANCE[rule])
    pairs = list(combinations(range(n_pairs), 2))
    both = pairs[int(rng.integers(len(pairs)))]
    if rule == ORDER:
        return Plan(rule, both, both, arranged)
    if rule == SPACING:
        return Plan(rule, both, (both[int(rng.integers(2))],), arranged)
    partners = rng.random() < (config.partner_share if label else 1 - config.partner_share)
    first = int(rng.integers(n_pairs))
    second = first if partners else (first + int(rng.integers(1, n_pairs))) % n_pairs
    return Plan(rule, (first,), (second,), arranged)


def as_asked(asked: bool, rng: np.random.Generator) -> tuple[bool, bool]:
    """Two things that both hold, or of which one or both don't, each such case alike."""
    options = [(True, True)] if asked else [(True, False), (False, True), (False, False)]
    return options[int(rng.integers(len(options)))]


def draw_arranged_sites(
    plan: Plan,
    elements: tuple[Span, Span],
    motifs: list[Motif],
    config: SimulationConfig,
    rng: np.random.Generator,
) -> list[Site]:
    """Sites of both elements. Those of a factor in an element lie beside each other and on one strand."""
    enhancer_left = elements[0].start < elements[1].start
    facing = as_asked(plan.arranged, rng) if plan.rule == ORIENTATION else tuple(rng.random(2) < 0.5)
    first_inside = as_asked(plan.arranged, rng) if plan.rule == ORDER else tuple(rng.random(2) < 0.5)
    between: list[Range | None] = [None, None]
    if plan.rule == SPACING:
        close = (plan.promoter[0] == plan.enhancer[0]) == plan.arranged
        between[0] = config.close_gap_bp if close else config.wide_gap_bp
    sites: list[Site] = []
    for side, (element, name) in enumerate(zip(elements, ELEMENTS, strict=True)):
        factors = [side * len(config.pairs) + i for i in (plan.enhancer, plan.promoter)[side]]
        inner_on_right = enhancer_left == (side == 0)
        if bool(first_inside[side]) == inner_on_right:
            factors.reverse()  # from left to right
        numbers = draw_numbers([len(motifs[i]) for i in factors], element, config, between[side] is not None, rng)
        starts = place_blocks(element, [len(motifs[i]) for i in factors], numbers, config, between[side], rng)
        strands = {i: rng.random() < 0.5 for i in factors}
        if plan.rule == ORIENTATION:  # pointing at the other element is + where that lies right
            strands = dict.fromkeys(factors, bool(facing[side]) != inner_on_right)
        placed = [i for i, n in zip(factors, numbers, strict=True) for _ in range(n)]
        sites += [Site(i, at, bool(strands[i]), name) for i, at in zip(placed, starts, strict=True)]
    return sites


def draw_numbers(
    widths: list[int], element: Span, config: SimulationConfig, spaced: bool, rng: np.random.Generator
) -> list[int]:
    """Sites of each factor, every number alike among those that fit together, wide apart where they have a spacing."""
    fewest, most = config.sites_per_factor
    while True:
        numbers = rng.integers(fewest, most + 1, size=len(widths)).tolist()
        if block_bp(widths, numbers, config, spaced) <= element.end - element.start:
            return numbers


def block_bp(widths: list[int], numbers: list[int], config: SimulationConfig, spaced: bool) -> int:
    """The least bases that hold so many sites of each factor."""
    extra = config.wide_gap_bp[1] - config.site_min_gap_bp if spaced else 0
    return int(np.dot(widths, numbers)) + (sum(numbers) - 1) * config.site_min_gap_bp + extra


def place_blocks(
    element: Span,
    widths: list[int],
    numbers: list[int],
    config: SimulationConfig,
    between: Range | None,
    rng: np.random.Generator,
) -> list[int]:
    """Starts of all sites, block by block from the left; two blocks `between` bases apart where that is given."""
    sizes = [width for width, n in zip(widths, numbers, strict=True) for _ in range(n)]
    if between is None:
        return place_cluster(element, sizes, config.site_min_gap_bp, rng).tolist()
    last = numbers[0] - 1  # the last site of the first block and the one after it are placed as one
    gap = int(rng.integers(between[0], between[1] + 1))
    joined = [*sizes[:last], sizes[last] + gap + sizes[last + 1], *sizes[last + 2 :]]
    starts = place_cluster(element, joined, config.site_min_gap_bp, rng).tolist()
    return [*starts[: last + 1], starts[last] + sizes[last] + gap, *starts[last + 1 :]]


def draw_unlabelled_sites(config: SimulationConfig, motifs: list[Motif], rng: np.random.Generator) -> list[Site]:
    """Sites of any motif anywhere in a window, each on its own."""
    numbers = rng.poisson(config.unlabelled_sites_per_kb * config.window_bp / 1000, size=len(motifs))
    sites: list[Site] = []
    for i in rng.permutation(np.repeat(np.arange(len(motifs)), numbers)).tolist():
        taken = [Span(site.start, site.start + len(motifs[site.motif])) for site in sites]
        start = place_alone(taken, config.window_bp, len(motifs[i]), config.site_min_gap_bp, rng)
        if start is not None:
            sites.append(Site(i, start, bool(rng.random() < 0.5), "background"))
    return sorted(sites, key=lambda site: site.start)
