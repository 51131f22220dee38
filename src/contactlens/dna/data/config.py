"""Settings of the checks and of the split; imports nothing heavy, so that reading params stays quick."""

import numpy as np

from contactlens.base.settings import ClosedUnit, PositiveInt, rule, settings


@settings
class CheckLimits:
    """What is acceptable in the windows at hand; fractions lie in [0, 1].

    max_window_n_fraction: unknown bases of a window: N, or another letter of the IUPAC code for several bases
    max_element_n_fraction: unknown bases of an enhancer or a promoter
    max_distance_ks: largest gap between the cumulative distributions of enhancer-promoter distance of the two labels
        (Kolmogorov-Smirnov statistic); with n windows of each label chance alone gives up to some 1.6 sqrt(2 / n).
        Beyond it, distance tells the label. Pairs only; 1 for no limit
    max_shared_element_fraction: windows of a split that hold an element whose very bases, on either strand, are also in
        another split
    min_windows_per_label: fewest windows of each label in every split
    """

    max_window_n_fraction: ClosedUnit
    max_element_n_fraction: ClosedUnit
    max_distance_ks: ClosedUnit
    max_shared_element_fraction: ClosedUnit
    min_windows_per_label: PositiveInt


SPLITS = ("train", "validation", "calibration", "test")


@settings
class SplitConfig:
    """Which chromosomes each split takes.

    train, validation, calibration, test: wanted fractions of the windows, positive, summing to 1
    test_chromosomes, validation_chromosomes, calibration_chromosomes: the whole of that split; where empty, it is
        chosen from the chromosomes that no other split names, near its fraction
    """

    train: float
    validation: float
    calibration: float
    test: float
    test_chromosomes: tuple[str, ...]
    validation_chromosomes: tuple[str, ...]
    calibration_chromosomes: tuple[str, ...]

    @rule
    def _fractions_sum_to_one(self) -> None:
        shares = [getattr(self, name) for name in SPLITS]
        if not (min(shares) > 0 and np.isclose(sum(shares), 1.0)):
            raise ValueError(f"train ... test must be positive and sum to 1, got {shares}")

    @rule
    def _chromosomes_are_named_once(self) -> None:
        named = [chrom for chroms in self.named.values() for chrom in chroms]
        repeated = sorted({chrom for chrom in named if named.count(chrom) > 1})
        if repeated:
            raise ValueError(f"*_chromosomes must name a chromosome once, got {', '.join(repeated)} again")

    @property
    def named(self) -> dict[str, tuple[str, ...]]:
        """The splits whose chromosomes are given."""
        chroms = {name: getattr(self, f"{name}_chromosomes") for name in SPLITS[1:]}
        return {name: given for name, given in chroms.items() if given}
