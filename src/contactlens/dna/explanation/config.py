"""Settings of the explanation of DNA windows; imports no torch, so that reading params stays quick."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, get_args

from contactlens.dna.explanation.methods import METHODS

Split = Literal["train", "validation", "calibration", "test"]


@dataclass(frozen=True)
class ExplainConfig:
    """How a window classifier is explained and its explanations are evaluated.

    splits: whose windows are explained; those that were not trained on, unless they are too few to find motifs in
    methods: attribution methods, keys of `contactlens.dna.explanation.methods.METHODS`; mutagenesis takes three
        passes of the model for every base of every element
    min_probability: windows labelled positive whose predicted probability is at least this are explained and stored ...
    min_windows: ... and the most probable ones up to this number, where fewer are that probable
    max_windows: at most this many, the most probable ones
    ig_steps: nodes of the path integral
    faithfulness_windows: explained windows, drawn at random, that the curves and `mutation_correlation` are
        averaged over
    curve_fractions: shares of an element's bases that are replaced, or put back, rising from 0; the sites of a motif
        hold a tenth or more of them
    replacement_draws: random replacements that each point of a curve is averaged over
    mutations_per_window: single-base changes, drawn from the elements, that contributions are compared with
    bootstrap_replicates, interval_level: of the intervals, bootstrapped by clusters of windows that share DNA
    rows_per_pass: most windows in one pass of the model (bounds memory)
    """

    splits: tuple[Split, ...]
    methods: tuple[str, ...]
    min_probability: float
    min_windows: int
    max_windows: int
    ig_steps: int
    faithfulness_windows: int
    curve_fractions: tuple[float, ...]
    replacement_draws: int
    mutations_per_window: int
    bootstrap_replicates: int
    interval_level: float
    rows_per_pass: int

    def __post_init__(self) -> None:
        if not self.splits or not set(self.splits) <= set(get_args(Split)):
            raise ValueError(f"dna.explain.splits must name some of {', '.join(get_args(Split))}; got {self.splits}")
        unknown = [method for method in self.methods if method not in METHODS]
        if unknown or not self.methods or len(set(self.methods)) < len(self.methods):
            known = ", ".join(METHODS)
            raise ValueError(f"dna.explain.methods must name methods once each, of {known}; got {self.methods}")
        for name, value in vars(self).items():
            if isinstance(value, int) and value < 1:
                raise ValueError(f"dna.explain.{name} must be at least 1, got {value}")
        if self.mutations_per_window < 3:
            raise ValueError(f"dna.explain.mutations_per_window must be at least 3, got {self.mutations_per_window}")
        if self.min_windows > self.max_windows:
            raise ValueError(f"dna.explain.min_windows must be at most max_windows ({self.max_windows})")
        for name in ("min_probability", "interval_level"):
            if not 0 < getattr(self, name) < 1:
                raise ValueError(f"dna.explain.{name} must be between 0 and 1, got {getattr(self, name)}")
        fractions = self.curve_fractions
        rising = all(below < above for below, above in pairwise(fractions))
        if len(fractions) < 2 or fractions[0] != 0 or fractions[-1] > 1 or not rising:
            raise ValueError(f"dna.explain.curve_fractions must rise from 0 to at most 1, got {self.curve_fractions}")
