"""Settings of the measurement of the contact radius; imports nothing heavy, so that reading params stays quick."""

from dataclasses import dataclass


@dataclass(frozen=True)
class VerdictRules:
    """What the sentence is decided by.

    min_gain_nats: by which a law must beat no dependence on distance, and all shuffled pairs, to count as seen
    min_p: a group of statistics of which fewer simulated experiments are as far off fails
    min_ratio: ... and only if it is also this much further from the model than a typical simulated experiment
    max_halves_z: difference between two halves of the tracks, in standard errors
    """

    min_gain_nats: float = 6.0
    min_p: float = 0.01
    min_ratio: float = 2.0
    max_halves_z: float = 3.3


@dataclass(frozen=True)
class RadiusConfig:
    """tracks: most tracks used, evenly from all; all where null
    localisation_noise_nm: SD of the error of the separation along an axis; fitted where null
    localisation_noise_error: its standard error, as a share of it
    gain_known: whether the reporter's `polymerase_signal` was measured; if not, loading is taken as Poisson, and the
        signal of a polymerase is fitted
    radius_bounds_nm: radii that are considered at all
    substeps: points per frame interval at which contact is followed
    samples: paths drawn in each cell of the exposure
    completions: directions drawn for each track where only distances were measured
    simulations: experiments that the interval is calibrated with
    predictive: experiments that the model is checked with
    shuffles: pairings of one track's separation with another's signal
    draws: of the parameters, kept
    level: of the intervals
    workers: threads
    """

    tracks: int | None = 100
    localisation_noise_nm: float | None = 30.0
    localisation_noise_error: float = 0.03
    gain_known: bool = False
    radius_bounds_nm: tuple[float, float] = (5.0, 1500.0)
    substeps: int = 10
    samples: int = 128
    completions: int = 6
    simulations: int = 96
    predictive: int = 99
    shuffles: int = 3
    draws: int = 2000
    level: float = 0.95
    workers: int = 2
    verdict: VerdictRules = VerdictRules()

    def __post_init__(self) -> None:
        low, high = self.radius_bounds_nm
        if not 0 < low < high:
            raise ValueError(f"radius.radius_bounds_nm must be positive and increasing, got {[low, high]}")
        if self.simulations < 45:
            raise ValueError(f"radius.simulations must be at least 45, got {self.simulations}")
        for name in ("substeps", "completions", "predictive", "shuffles", "draws", "workers"):
            if getattr(self, name) < 1:
                raise ValueError(f"radius.{name} must be at least 1, got {getattr(self, name)}")
        if self.samples < 2 or self.samples % 2:
            raise ValueError(f"radius.samples must be an even number, got {self.samples}")
        if self.tracks is not None and self.tracks < 8:
            raise ValueError(f"radius.tracks must be at least 8 or null, got {self.tracks}")
        if not 0 < self.level < 1:
            raise ValueError(f"radius.level must lie between 0 and 1, got {self.level}")
