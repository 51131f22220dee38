"""Simulated enhancer-promoter windows: background DNA, planted motifs, a stated grammar and the truth of every site.

The grammar: an enhancer carries sites of one or more enhancer factors, a promoter of one or more promoter factors. A
window is positive if the promoter has the partner of each of the enhancer's factors and of no other; it is negative if
a factor is there without its partner. So every factor of either element has to be known to tell the label. Everything
else is drawn alike for both labels (the factors of each element, numbers and strands of sites, distance, order and
place of the elements, GC content, decoys), so that no single element, no distance and no composition tells it.
"""

from dataclasses import asdict
from typing import Annotated, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from contactlens.base.errors import InputError
from contactlens.base.settings import Field, NonNegativeInt, OpenUnit, PositiveInt, rule, settings
from contactlens.dna.data.genome import Genome
from contactlens.dna.data.motif_database import Motif, motif
from contactlens.dna.data.window_set import WindowSet
from contactlens.dna.simulation.grammar import (
    HUMAN_GC,
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
Pairs = tuple[tuple[str, str], ...]
GC_RANGE = (0.25, 0.75)
ELEMENTS = ("enhancer", "promoter")
Ints = NDArray[np.int64]


@settings
class SimulationConfig:
    """Parameters of the simulation; lengths and distances in bp.

    n_chromosomes: records sim1, sim2, ... over which all windows are spread evenly
    n_windows: labelled windows, both labels on every chromosome in the same proportion
    n_unlabelled: further windows between them, of the same make, every element with all its factors: to pretrain on
    window_bp, enhancer_bp, promoter_bp: lengths; enhancer_bp + promoter_bp even, so that distances are whole
    min_distance_bp, max_distance_bp: centre to centre, every distance in between alike
    pairs: (enhancer factor, promoter factor) by JASPAR id; two or more. The default: SPI1 and HNF4A, which define
        enhancers of macrophages and hepatocytes; CTCF and ZNF143, which bind promoters and hold loops. All four have
        14 bits of information or more, few or no chance matches in 100 bp, no reverse complement in themselves
        (best overlap with it: a correlation of 0.03 to 0.57, against 0.7 to 1 for CEBPA, NRF1 or TP53) and are unlike
        each other (below 0.45)
    sites_per_factor: fewest and most sites of each of an element's factors, every number alike
    unlabelled_sites_per_factor: the same in the windows without label; denser ones make richer DNA to pretrain on
    site_min_gap_bp: bases between any two sites; TF-MoDISco reads sites within 20 bp as one
    min_score_quantile: weak sites are left out: each planted site scores above this quantile of what its motif gives
    decoys: factors without meaning, by JASPAR id, planted anywhere (in elements too)
    decoys_per_window: fewest and most of them, every number alike
    positive_fraction: share of positive windows
    gc_mean, gc_sd: GC content of the background, which differs from window to window as between isochores; means of
        1 kb of human DNA have an SD of some 0.05 to 0.07 (hg19 chr20:1-3 Mb: 0.068, sampling included)
    """

    n_chromosomes: PositiveInt = 10
    n_windows: PositiveInt = 3000
    n_unlabelled: NonNegativeInt = 4000
    window_bp: PositiveInt = 512
    enhancer_bp: PositiveInt = 160
    promoter_bp: PositiveInt = 160
    min_distance_bp: NonNegativeInt = 180
    max_distance_bp: NonNegativeInt = 350
    pairs: Annotated[Pairs, Field(min_length=2)] = (
        ("MA0080.7", "MA0139.2"),
        ("MA1494.2", "MA0088.3"),
    )
    sites_per_factor: tuple[PositiveInt, PositiveInt] = (2, 2)
    unlabelled_sites_per_factor: tuple[PositiveInt, PositiveInt] = (2, 2)
    site_min_gap_bp: NonNegativeInt = 20
    min_score_quantile: Annotated[float, Field(ge=0, le=0.9)] = 0.1
    decoys: tuple[str, ...] = ("MA0140.3", "MA0506.3")
    decoys_per_window: tuple[NonNegativeInt, NonNegativeInt] = (0, 2)
    positive_fraction: OpenUnit = 0.5
    gc_mean: Annotated[float, Field(ge=GC_RANGE[0], le=GC_RANGE[1])] = HUMAN_GC
    gc_sd: Annotated[float, Field(ge=0, le=0.2)] = 0.05

    @rule
    def _lengths_fit(self) -> None:
        self._require("n_windows", self.n_windows >= 2 * self.n_chromosomes, "must be 2 per chromosome or more")
        lengths = self.enhancer_bp + self.promoter_bp
        self._require("enhancer_bp", lengths % 2 == 0, f"must be even together with promoter_bp = {self.promoter_bp}")
        least = lengths // 2 + self.site_min_gap_bp
        self._require("min_distance_bp", self.min_distance_bp >= least, f"must be at least {least} (elements + gap)")
        most = self.window_bp - lengths // 2
        holds = self.min_distance_bp <= self.max_distance_bp <= most
        self._require("max_distance_bp", holds, f"must lie in [min_distance_bp, {most}] to fit the window")

    @rule
    def _sites_fit(self) -> None:
        for name in ("sites_per_factor", "unlabelled_sites_per_factor", "decoys_per_window"):
            low, high = getattr(self, name)
            self._require(name, low <= high, "must be two numbers in order")
        named = self.motif_ids
        self._require("pairs", len(set(named)) == len(named), "must name each motif once, decoys included")
        holds = bool(self.decoys) or self.decoys_per_window[1] == 0
        self._require("decoys", holds, f"must name a motif where decoys_per_window = {self.decoys_per_window}")

    def _require(self, name: str, holds: bool, rule: str) -> None:
        if not holds:
            raise ValueError(f"{name} {rule}, got {getattr(self, name)}")

    @property
    def motif_ids(self) -> tuple[str, ...]:
        """Enhancer factors in the order of pairs, then promoter factors, then decoys."""
        enhancers, promoters = zip(*self.pairs, strict=True)
        return (*enhancers, *promoters, *self.decoys)


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
    combinations = _combine(config, tiles, grammar)
    elements = [_draw_elements(config, grammar) for _ in range(len(tiles))]
    sites = [
        _draw_sites(config, motifs, pair, sets, labelled, grammar)
        for pair, sets, labelled in zip(elements, combinations.tolist(), tiles["label"] >= 0, strict=True)
    ]
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
    n_pairs, most = len(config.pairs), max(config.sites_per_factor[1], config.unlabelled_sites_per_factor[1])
    for element, first in (("enhancer_bp", 0), ("promoter_bp", n_pairs)):
        found = motifs[first : first + n_pairs]
        needed = most * sum(len(one) for one in found) + (most * n_pairs - 1) * config.site_min_gap_bp
        if needed > getattr(config, element):
            names = ", ".join(f"{one.matrix_id} ({one.name}, {len(one)} bp)" for one in found)
            sites = f"{most} sites of each of {names}"
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
    """Sites of one window in the order of their starts; decoys are placed last, where there is room."""
    n_pairs, gap = len(config.pairs), config.site_min_gap_bp
    fewest, most = config.sites_per_factor if labelled else config.unlabelled_sites_per_factor
    sites: list[Site] = []
    for element, name, first, chosen in zip(elements, ELEMENTS, (0, n_pairs), sets, strict=True):
        factors = [first + i for i in factor_sets(n_pairs)[chosen] for _ in range(int(rng.integers(fewest, most + 1)))]
        factors = rng.permutation(factors).tolist()
        starts = place_cluster(element, [len(motifs[i]) for i in factors], gap, rng)
        sites += [Site(i, at, bool(rng.random() < 0.5), name) for i, at in zip(factors, starts.tolist(), strict=True)]
    for _ in range(int(rng.integers(config.decoys_per_window[0], config.decoys_per_window[1] + 1))):
        decoy = int(rng.integers(2 * n_pairs, len(motifs)))
        taken = [Span(site.start, site.start + len(motifs[site.motif])) for site in sites]
        start = place_alone(taken, config.window_bp, len(motifs[decoy]), gap, rng)
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
