"""Settings of the measurement of the contact radius; imports nothing heavy, so that reading params stays quick."""

from typing import Annotated

from contactlens.base.settings import (
    ClosedUnit,
    Field,
    NonNegativeFloat,
    OpenUnit,
    PositiveFloat,
    PositiveInt,
    rule,
    settings,
)


@settings
class VerdictRules:
    """What the sentence is decided by.

    min_gain_nats: by which a law must beat no dependence on distance, and all shuffled pairs, to count as seen
    min_p: a group of statistics fails where fewer simulated experiments are as far off in any group: so many a model
        that holds is refused, over all groups together
    min_ratio: ... and only if it is also this much further from the model than a typical simulated experiment
    max_halves_z: difference between two halves of the tracks, in standard errors
    min_sharing_p: groups do not share a radius and rate where fewer simulated experiments that do gain as much by own
        ones: so many of those that share them are refused
    """

    min_gain_nats: NonNegativeFloat = 6.0
    min_p: ClosedUnit = 0.01
    min_ratio: NonNegativeFloat = 2.0
    max_halves_z: NonNegativeFloat = 3.3
    min_sharing_p: ClosedUnit = 0.05


@settings
class RadiusConfig:
    """tracks: most tracks used, evenly from all; all where null
    localisation_noise_nm: SD of the error of the separation along an axis; fitted where null
    localisation_noise_error: its standard error, as a share of it
    gain_known: whether the reporter's `polymerase_signal` was measured; if not, loading is taken as Poisson, and the
        signal of a polymerase is fitted
    radius_bounds_nm: radii that are considered at all
    substeps: points per frame interval at which contact is followed
    between_substeps: whether contact comes and goes within a substep, as where the loci cross the radius in less, or
        holds through it, as in a simulation that looks once in a substep
    samples: paths drawn in each cell of the exposure
    completions: directions drawn for each track where only distances were measured
    simulations: experiments that the interval is calibrated with
    predictive: experiments that the model is checked with
    shuffles: pairings of one track's separation with another's signal
    draws: of the parameters, kept
    level: of the intervals
    joint: whether the groups of tracks, each with its own motion and signal, share one radius and rate
    workers: threads
    """

    tracks: Annotated[int, Field(ge=8)] | None = 100
    localisation_noise_nm: PositiveFloat | None = 30.0
    localisation_noise_error: NonNegativeFloat = 0.03
    gain_known: bool = False
    radius_bounds_nm: tuple[PositiveFloat, PositiveFloat] = (5.0, 1500.0)
    substeps: PositiveInt = 10
    between_substeps: bool = False
    samples: Annotated[int, Field(ge=2, multiple_of=2)] = 128
    completions: PositiveInt = 6
    simulations: Annotated[int, Field(ge=45)] = 96
    predictive: PositiveInt = 99
    shuffles: PositiveInt = 3
    draws: PositiveInt = 2000
    level: OpenUnit = 0.95
    joint: bool = False
    workers: PositiveInt = 2
    verdict: VerdictRules = VerdictRules()

    @rule
    def _bounds_increase(self) -> None:
        low, high = self.radius_bounds_nm
        if not low < high:
            raise ValueError(f"radius_bounds_nm must be positive and increasing, got {[low, high]}")
