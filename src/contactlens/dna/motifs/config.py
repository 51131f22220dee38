"""Settings of motif discovery and of its comparison with a motif database."""

from dataclasses import dataclass

from contactlens.attribution.modisco_config import ModiscoConfig


@dataclass(frozen=True)
class MotifConfig:
    """How patterns are found and named.

    method: key of the contributions in the attributions file
    window_bp: length of the windows cut around attribution peaks
    peaks_per_window: most peaks taken from one labelled window
    smoothing_bp: width of the moving average of |contribution| whose maxima are the peaks. TF-MoDISco widens seqlets
        to 50 bp and drops those that leave the window, so sites within some 35 bp of its ends are lost: choose it 100
        below window_bp, so that the sites that make a peak stay inside
    min_sequences: fewer peak windows than this are not searched (TF-MoDISco needs about 80 at 200 bp)
    sliding_window_bp: core of a seqlet in TF-MoDISco
    flank_bp: bases added to either side of the core
    seqlet_fdr: false discovery rate of seqlets against a Laplacian null
    leiden_runs: seeds tried per clustering; the one of best modularity is kept
    max_seqlets: most seqlets of one sign that are clustered
    trim_share: a pattern is trimmed to the bases whose contribution is at least this share of its largest
    min_width_bp: patterns whose core is shorter are dropped: single bases of extreme contribution, not motifs
    max_q: a database match with a larger q is not called a match
    top_matches: database matches listed per pattern
    random_motifs: column-shuffled copies of each pattern that are matched as a control
    """

    method: str
    window_bp: int
    peaks_per_window: int
    smoothing_bp: int
    min_sequences: int
    sliding_window_bp: int
    flank_bp: int
    seqlet_fdr: float
    leiden_runs: int
    max_seqlets: int
    trim_share: float
    min_width_bp: int
    max_q: float
    top_matches: int
    random_motifs: int

    def __post_init__(self) -> None:
        counts = ("peaks_per_window", "smoothing_bp", "min_sequences", "flank_bp", "leiden_runs", "min_width_bp")
        for key in (*counts, "top_matches"):
            if getattr(self, key) < 1:
                raise ValueError(f"dna.motifs.{key} must be 1 or more, got {getattr(self, key)}")
        if self.sliding_window_bp < 6:
            raise ValueError(f"dna.motifs.sliding_window_bp must be 6 or more, got {self.sliding_window_bp}")
        if self.window_bp < self.seqlet_bp:
            raise ValueError(
                f"dna.motifs.window_bp must hold one seqlet of sliding_window_bp + 2 * flank_bp = {self.seqlet_bp} bp,"
                f" got {self.window_bp}"
            )
        for key in ("seqlet_fdr", "trim_share", "max_q"):
            if not 0 < getattr(self, key) < 1:
                raise ValueError(f"dna.motifs.{key} must be between 0 and 1, got {getattr(self, key)}")
        if self.max_seqlets <= 100:
            raise ValueError(f"dna.motifs.max_seqlets must be more than 100, got {self.max_seqlets}")
        if self.random_motifs < 0:
            raise ValueError(f"dna.motifs.random_motifs must be 0 or more, got {self.random_motifs}")

    @property
    def seqlet_bp(self) -> int:
        return self.sliding_window_bp + 2 * self.flank_bp

    @property
    def modisco(self) -> ModiscoConfig:
        return ModiscoConfig(
            min_sequences=self.min_sequences,
            sliding_window=self.sliding_window_bp,
            flank=self.flank_bp,
            seqlet_fdr=self.seqlet_fdr,
            leiden_runs=self.leiden_runs,
            max_seqlets=self.max_seqlets,
            trim_share=self.trim_share,
            min_width=self.min_width_bp,
        )
