"""Settings of the search for patterns; imports nothing, so that reading params stays quick."""

from typing import Annotated

from contactlens.base.settings import Field, NonNegativeInt, OpenUnit, PositiveInt, settings

SEQLETS_PER_SIGN = 100  # TF-MoDISco clusters the seqlets of a sign only where there are more


@settings
class ModiscoConfig:
    """How patterns are searched; lengths in positions (bases, frames).

    min_sequences: fewer sequences than this are not searched (TF-MoDISco needs about 80)
    sliding_window: core of a seqlet
    flank: positions added to either side of the core
    seqlet_fdr: false discovery rate of seqlets against a Laplacian null
    leiden_runs: seeds tried per clustering; the one of best modularity is kept
    max_seqlets: most seqlets of one sign that are clustered
    trim_share: a pattern is trimmed to the positions whose contribution is at least this share of its largest
    min_width: patterns whose core is shorter are dropped
    pattern_window, pattern_flank: at each of its two rounds TF-MoDISco keeps the positions of a pattern that hold most
        information, and adds a flank on either side. Its own values suit bases that are about equally frequent. Where
        one letter is rare, most information is where it never occurs, and patterns drift there and off the sequences:
        then choose the length of a seqlet, and no flank
    """

    min_sequences: PositiveInt
    sliding_window: Annotated[int, Field(ge=6)]
    flank: PositiveInt
    seqlet_fdr: OpenUnit
    leiden_runs: PositiveInt
    max_seqlets: Annotated[int, Field(gt=SEQLETS_PER_SIGN)]
    trim_share: OpenUnit
    min_width: PositiveInt
    pattern_window: Annotated[int, Field(ge=6)] = 30
    pattern_flank: NonNegativeInt = 10

    @property
    def seqlet(self) -> int:
        """Positions of one seqlet."""
        return self.sliding_window + 2 * self.flank
