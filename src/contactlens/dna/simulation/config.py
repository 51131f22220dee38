"""What can be set of simulated enhancer-promoter windows."""

from typing import Annotated, Literal

from contactlens.base.settings import ClosedUnit, Field, NonNegativeInt, OpenUnit, PositiveInt, rule, settings
from contactlens.dna.simulation.grammar import HUMAN_GC

Pairs = tuple[tuple[str, str], ...]
GC_RANGE = (0.25, 0.75)


@settings
class SimulationConfig:
    """Parameters of the simulation; lengths and distances in bp.

    grammar: `partners`: labels differ in whether the promoter has the partners of the enhancer's factors;
        `arrangement`: in how the same factors lie (see arrangement.py)

    n_chromosomes: records sim1, sim2, ... over which all windows are spread evenly
    n_windows: labelled windows, both labels on every chromosome in the same proportion
    n_unlabelled: further windows between them, to pretrain on. Of `arrangement`: background with sites anywhere; of
        `partners`: of the same make, every element with all its factors
    window_bp, enhancer_bp, promoter_bp: lengths; enhancer_bp + promoter_bp even, so that distances are whole
    min_distance_bp, max_distance_bp: centre to centre, every distance in between alike
    pairs: (enhancer factor, promoter factor) by JASPAR id; two or more. The default: SPI1 and HNF4A, which define
        enhancers of macrophages and hepatocytes; CTCF and ZNF143, which bind promoters and hold loops. All four have
        14 bits of information or more, few or no chance matches in 100 bp, no reverse complement in themselves
        (best overlap with it: a correlation of 0.03 to 0.57, against 0.7 to 1 for CEBPA, NRF1 or TP53) and are unlike
        each other (below 0.45)
    sites_per_factor: fewest and most sites of each of an element's factors, every number alike (of `arrangement`: of
        the numbers that fit the element together)
    unlabelled_sites_per_factor: of `partners`, the same in the windows without label
    unlabelled_sites_per_kb: of `arrangement`, sites of each motif in the windows without label, on average; 0.2 is how
        often a scan at p < 1e-4 calls a motif in DNA without any, on both strands
    rule_shares: of `arrangement`, the shares of the windows whose label orientation, order and spacing tell; sum 1
    arranged_share: of `arrangement`, share of the windows that follow their rule; the rest is arranged by chance
    partner_share: of `arrangement`, how often two single factors are partners in a positive; in a negative, how often
        they are not; 0.5 says nothing
    close_gap_bp, wide_gap_bp: of `arrangement`, least and most bases between two factors close together, wide apart
    site_min_gap_bp: bases between any two sites; TF-MoDISco reads sites within 20 bp as one
    min_score_quantile: weak sites are left out: each planted site scores above this quantile of what its motif gives
    decoys: factors without meaning, by JASPAR id, planted anywhere (in elements too)
    decoys_per_window: fewest and most of them, every number alike
    positive_fraction: share of positive windows
    gc_mean, gc_sd: GC content of the background, which differs from window to window as between isochores; means of
        1 kb of human DNA have an SD of some 0.05 to 0.07 (hg19 chr20:1-3 Mb: 0.068, sampling included)
    """

    grammar: Literal["arrangement", "partners"] = "partners"
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
    unlabelled_sites_per_kb: Annotated[float, Field(ge=0, le=20)] = 0.2
    rule_shares: tuple[ClosedUnit, ClosedUnit, ClosedUnit] = (0.5, 0.3, 0.2)
    arranged_share: OpenUnit = 0.9
    partner_share: Annotated[float, Field(ge=0.5, lt=1)] = 0.65
    close_gap_bp: tuple[NonNegativeInt, NonNegativeInt] = (20, 26)
    wide_gap_bp: tuple[NonNegativeInt, NonNegativeInt] = (50, 65)
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
    def _shares_and_gaps_make_sense(self) -> None:
        self._require("rule_shares", abs(sum(self.rule_shares) - 1) < 1e-9, "must sum to 1")
        bounds = (self.site_min_gap_bp, *self.close_gap_bp, *self.wide_gap_bp)
        rising = list(bounds) == sorted(bounds) and self.close_gap_bp[1] < self.wide_gap_bp[0]
        self._require("close_gap_bp", rising, "must lie between site_min_gap_bp and wide_gap_bp")

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
