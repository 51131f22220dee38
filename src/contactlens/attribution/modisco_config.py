"""Settings of the search for patterns; imports nothing, so that reading params stays quick."""

from dataclasses import dataclass

SEQLETS_PER_SIGN = 100  # TF-MoDISco clusters the seqlets of a sign only where there are more


@dataclass(frozen=True)
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

    min_sequences: int
    sliding_window: int
    flank: int
    seqlet_fdr: float
    leiden_runs: int
    max_seqlets: int
    trim_share: float
    min_width: int
    pattern_window: int = 30
    pattern_flank: int = 10

    def __post_init__(self) -> None:
        for key in ("min_sequences", "flank", "leiden_runs", "min_width"):
            if getattr(self, key) < 1:
                raise ValueError(f"modisco.{key} must be 1 or more, got {getattr(self, key)}")
        if self.pattern_flank < 0:
            raise ValueError(f"modisco.pattern_flank must be 0 or more, got {self.pattern_flank}")
        for key in ("sliding_window", "pattern_window"):
            if getattr(self, key) < 6:
                raise ValueError(f"modisco.{key} must be 6 or more, got {getattr(self, key)}")
        for key in ("seqlet_fdr", "trim_share"):
            if not 0 < getattr(self, key) < 1:
                raise ValueError(f"modisco.{key} must be between 0 and 1, got {getattr(self, key)}")
        if self.max_seqlets <= SEQLETS_PER_SIGN:
            raise ValueError(f"modisco.max_seqlets must be more than {SEQLETS_PER_SIGN}, got {self.max_seqlets}")

    @property
    def seqlet(self) -> int:
        """Positions of one seqlet."""
        return self.sliding_window + 2 * self.flank
