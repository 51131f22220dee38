"""Simulated enhancer-promoter windows: background DNA, planted motifs, a stated grammar and the truth of every site.

Two grammars. `arrangement` is in arrangement.py: the same sites, lying otherwise. Of `partners`, the default, an
enhancer carries sites of one or more enhancer factors, a promoter of one or more promoter factors; a window is positive
if the promoter has the partner of each of the enhancer's factors and of no other; it is negative if a factor is there
without its partner. So every factor of either element has to be known to tell the label.

Everything else is drawn alike for both labels (the factors of each element, numbers of sites, distance and place of the
elements, GC content, decoys), so that no single element, no distance and no composition tells it.
"""

from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from contactlens.base.errors import InputError
from contactlens.dna.data.genome import Genome
from contactlens.dna.data.motif_database import Motif, motif
from contactlens.dna.data.window_set import WindowSet
from contactlens.dna.simulation.arrangement import (
    block_bp,
    deal_rules,
    draw_arranged_sites,
    draw_plan,
    draw_unlabelled_sites,
)
from contactlens.dna.simulation.config import GC_RANGE, SimulationConfig
from contactlens.dna.simulation.grammar import (
    ELEMENTS,
    Codes,
    Site,
    Span,
    background,
    deal_combinations,
    draw_elements,
    draw_instances,
    factor_sets,
    place_alone,
    place_cluster,
    reverse_complement,
)

SOURCE = "simulated"
Ints = NDArray[np.int64]


def simulate_windows(config: SimulationConfig, seed: int) -> WindowSet:
    """A "pair" window set of `config.n_windows` labelled windows, its genome in memory; equal seeds, equal bytes.

    `planted` holds every site of the labelled windows: element "enhancer" or "promoter" for those of the grammar,
    "background" for decoys wherever they lie.

    Raises InputError where JASPAR has no such motif, or the most sites don't fit an element.
    """
    motifs = [motif(matrix_id) for matrix_id in config.motif_ids]
    _require_room(config, motifs)
    places, grammar, bases = (np.random.default_rng(stream) for stream in np.random.SeedSequence(seed).spawn(3))
    tiles = _lay_tiles(config, places)
    draw = _draw_partners if config.grammar == "partners" else _draw_arrangement
    elements, sites = draw(config, motifs, tiles, grammar)
    sequences = _write_sequences(config, motifs, sites, bases)
    windows = _windows_table(config, tiles, elements)
    return WindowSet(
        task="pair",
        windows=windows,
        genome=_genome(tiles["chromosome"].to_numpy(), sequences),
        source=SOURCE,
        settings={"seed": seed, **_plain(asdict(config))},
        planted=_planted_table(motifs, tiles["window_id"].tolist(), sites),
    )


def _require_room(config: SimulationConfig, motifs: list[Motif]) -> None:
    """InputError where an element can't hold the sites it must: of `partners` the most, of `arrangement` the fewest."""
    n_pairs = len(config.pairs)
    arranged = config.grammar == "arrangement"
    most = max(config.sites_per_factor[1], config.unlabelled_sites_per_factor[1])
    n = config.sites_per_factor[0] if arranged else most
    for element, first in (("enhancer_bp", 0), ("promoter_bp", n_pairs)):
        found = motifs[first : first + n_pairs]
        if arranged:  # of the two longest
            found = sorted(found, key=len)[-2:]
        spaced = arranged and first == 0
        needed = block_bp([len(one) for one in found], [n] * len(found), config, spaced)
        if needed > getattr(config, element):
            names = ", ".join(f"{one.matrix_id} ({one.name}, {len(one)} bp)" for one in found)
            sites = f"{n} sites of each of {names}"
            raise InputError(f"simulate.{element}: {sites} need {needed} bp, got {getattr(config, element)}")


def _lay_tiles(config: SimulationConfig, rng: np.random.Generator) -> pd.DataFrame:
    """All windows in the order of the genome: chromosome, start, label (-1: unlabelled), window_id ("": unlabelled)."""
    n = np.arange(config.n_chromosomes + 1)
    windows, unlabelled = n * config.n_windows // n[-1], n * config.n_unlabelled // n[-1]
    positive = np.rint(windows * config.positive_fraction).astype(np.int64)
    labels = [
        rng.permutation(np.repeat([1, 0, -1], [p, w - p, u]))
        for p, w, u in zip(np.diff(positive), np.diff(windows), np.diff(unlabelled), strict=True)
    ]
    sizes = [len(one) for one in labels]
    table = pd.DataFrame({"label": np.concatenate(labels), "chromosome": np.repeat(n[1:], sizes)})
    table["start"] = np.concatenate([np.arange(size) for size in sizes]) * config.window_bp
    number = (table["label"] >= 0).cumsum() - 1
    table["window_id"] = [f"w{i:06d}" if label >= 0 else "" for i, label in zip(number, table["label"], strict=True)]
    return table


Drawn = tuple[list[tuple[Span, Span]], list[list[Site]]]  # elements and sites of every tile


def _draw_partners(
    config: SimulationConfig, motifs: list[Motif], tiles: pd.DataFrame, rng: np.random.Generator
) -> Drawn:
    combinations = _combine(config, tiles, rng)
    elements = [_draw_elements(config, rng) for _ in range(len(tiles))]
    sites = [
        _draw_sites(config, motifs, pair, sets, labelled, rng)
        for pair, sets, labelled in zip(elements, combinations.tolist(), tiles["label"] >= 0, strict=True)
    ]
    return elements, sites


def _draw_arrangement(
    config: SimulationConfig, motifs: list[Motif], tiles: pd.DataFrame, rng: np.random.Generator
) -> Drawn:
    rules = np.full(len(tiles), "", dtype=object)
    for _, rows in tiles[tiles["label"] >= 0].groupby(["chromosome", "label"]):
        rules[rows.index] = deal_rules(len(rows), config.rule_shares, rng)
    elements = [_draw_elements(config, rng) for _ in range(len(tiles))]
    sites: list[list[Site]] = []
    for rule, label, pair in zip(rules.tolist(), tiles["label"].tolist(), elements, strict=True):
        if label < 0:
            sites.append(draw_unlabelled_sites(config, motifs, rng))
            continue
        found = draw_arranged_sites(draw_plan(rule, label, config, rng), pair, motifs, config, rng)
        sites.append(_with_decoys(config, motifs, found, rng))
    return elements, sites


def _combine(config: SimulationConfig, tiles: pd.DataFrame, rng: np.random.Generator) -> Ints:
    """Sets of factors of enhancer and promoter (N, 2) of every tile, as numbers of `factor_sets`; dealt by chromosome,
    so that any split of them is balanced. Without a label, elements carry every factor they may."""
    n_sets = len(factor_sets(len(config.pairs)))
    combinations = np.full((len(tiles), 2), n_sets - 1)
    for _, rows in tiles[tiles["label"] >= 0].groupby("chromosome"):
        combinations[rows.index] = deal_combinations(rows["label"].to_numpy(), n_sets, rng)
    return combinations


def _draw_elements(config: SimulationConfig, rng: np.random.Generator) -> tuple[Span, Span]:
    distance = int(rng.integers(config.min_distance_bp, config.max_distance_bp + 1))
    return draw_elements(config.window_bp, (config.enhancer_bp, config.promoter_bp), distance, rng)


def _draw_sites(
    config: SimulationConfig,
    motifs: list[Motif],
    elements: tuple[Span, Span],
    sets: tuple[int, int],
    labelled: bool,
    rng: np.random.Generator,
) -> list[Site]:
    """Sites of one window of `partners`."""
    n_pairs, gap = len(config.pairs), config.site_min_gap_bp
    fewest, most = config.sites_per_factor if labelled else config.unlabelled_sites_per_factor
    sites: list[Site] = []
    for element, name, first, chosen in zip(elements, ELEMENTS, (0, n_pairs), sets, strict=True):
        factors = [first + i for i in factor_sets(n_pairs)[chosen] for _ in range(int(rng.integers(fewest, most + 1)))]
        factors = rng.permutation(factors).tolist()
        starts = place_cluster(element, [len(motifs[i]) for i in factors], gap, rng)
        sites += [Site(i, at, bool(rng.random() < 0.5), name) for i, at in zip(factors, starts.tolist(), strict=True)]
    return _with_decoys(config, motifs, sites, rng)


def _with_decoys(
    config: SimulationConfig, motifs: list[Motif], sites: list[Site], rng: np.random.Generator
) -> list[Site]:
    """With decoys where there is room, in the order of their starts."""
    for _ in range(int(rng.integers(config.decoys_per_window[0], config.decoys_per_window[1] + 1))):
        decoy = int(rng.integers(2 * len(config.pairs), len(motifs)))
        taken = [Span(site.start, site.start + len(motifs[site.motif])) for site in sites]
        start = place_alone(taken, config.window_bp, len(motifs[decoy]), config.site_min_gap_bp, rng)
        if start is not None:
            sites.append(Site(decoy, start, bool(rng.random() < 0.5), "background"))
    return sorted(sites, key=lambda site: site.start)


def _write_sequences(
    config: SimulationConfig, motifs: list[Motif], sites: list[list[Site]], rng: np.random.Generator
) -> Codes:
    """Bases (N, window_bp) of all tiles, 0 to 3 for A, C, G, T."""
    gc = np.clip(config.gc_mean + config.gc_sd * rng.standard_normal(len(sites)), *GC_RANGE)
    sequences = background(gc, config.window_bp, rng)
    flat = [(tile, *site) for tile, found in enumerate(sites) for site in found]
    tile, factor, start, reverse = (np.array([row[i] for row in flat]) for i in range(4))
    for i, one in enumerate(motifs):
        rows = np.flatnonzero(factor == i)
        instances = draw_instances(one, len(rows), config.min_score_quantile, rng)
        instances = np.where(reverse[rows, None], reverse_complement(instances), instances)
        sequences[tile[rows, None], start[rows, None] + np.arange(len(one))] = instances
    return sequences


def _windows_table(config: SimulationConfig, tiles: pd.DataFrame, elements: list[tuple[Span, Span]]) -> pd.DataFrame:
    labelled = (tiles["label"] >= 0).to_numpy()
    rows = tiles[labelled].reset_index(drop=True)
    inside = np.array(elements, dtype=np.int64).reshape(-1, 4)[labelled]
    chrom = [f"sim{number}" for number in rows["chromosome"]]
    table = pd.DataFrame({"window_id": rows["window_id"], "chrom": chrom, "win_start": rows["start"]})
    table["win_end"] = table["win_start"] + config.window_bp
    table[["enh_rel_start", "enh_rel_end", "prom_rel_start", "prom_rel_end"]] = inside
    return table.assign(label=rows["label"], record=chrom, record_start=0)


def _planted_table(motifs: list[Motif], window_ids: list[str], sites: list[list[Site]]) -> pd.DataFrame:
    rows = [
        (
            window_id,
            motifs[i].matrix_id,
            motifs[i].name,
            start,
            start + len(motifs[i]),
            "-" if reverse else "+",
            element,
        )
        for window_id, found in zip(window_ids, sites, strict=True)
        for i, start, reverse, element in found
        if window_id
    ]
    return pd.DataFrame(rows, columns=["window_id", "motif_id", "name", "start", "end", "strand", "element"])


def _genome(chromosome: Ints, sequences: Codes) -> Genome:
    letters = np.frombuffer(b"ACGT", dtype=np.uint8)
    numbers = np.unique(chromosome).tolist()
    return Genome.of({f"sim{i}": letters[sequences[chromosome == i]].tobytes().decode() for i in numbers})


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """Tuples as the lists that JSON gives back."""
    return {name: _as_list(value) for name, value in values.items()}


def _as_list(value: Any) -> Any:
    return [_as_list(one) for one in value] if isinstance(value, tuple) else value
