"""Settings of motif discovery and of its comparison with a motif database."""

from typing import Annotated

from contactlens.attribution.modisco_config import SEQLETS_PER_SIGN, ModiscoConfig
from contactlens.base.settings import Field, NonNegativeInt, OpenUnit, PositiveInt, rule, settings


@settings
class MotifConfig:
    """How patterns are found and named.

    method: of the contributions that are searched, one of those explained; or `best`, the first of their table that is
        not refused for the model
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
    max_q: a database match with a larger q is not called a match, nor is one that a shuffled copy of the pattern equals
    top_matches: database matches listed per pattern; a planted motif that comes later was not found
    random_motifs: column-shuffled copies of each pattern that are matched as a control
    hit_p: largest p-value, in random sequence, of the score of a site that is called a hit of a pattern
    hit_similarity: least cosine between the contributions of a hit and those of its pattern
    """

    method: str
    window_bp: PositiveInt
    peaks_per_window: PositiveInt
    smoothing_bp: PositiveInt
    min_sequences: PositiveInt
    sliding_window_bp: Annotated[int, Field(ge=6)]
    flank_bp: PositiveInt
    seqlet_fdr: OpenUnit
    leiden_runs: PositiveInt
    max_seqlets: Annotated[int, Field(gt=SEQLETS_PER_SIGN)]
    trim_share: OpenUnit
    min_width_bp: PositiveInt
    max_q: OpenUnit
    top_matches: PositiveInt
    random_motifs: NonNegativeInt
    hit_p: OpenUnit
    hit_similarity: OpenUnit

    @rule
    def _window_holds_a_seqlet(self) -> None:
        if self.window_bp < self.seqlet_bp:
            raise ValueError(
                f"window_bp must hold one seqlet of sliding_window_bp + 2 * flank_bp = {self.seqlet_bp} bp,"
                f" got {self.window_bp}"
            )

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


USUAL = MotifConfig(
    method="best",
    window_bp=200,
    peaks_per_window=2,
    smoothing_bp=100,
    min_sequences=80,
    sliding_window_bp=20,
    flank_bp=5,
    seqlet_fdr=0.1,
    leiden_runs=2,
    max_seqlets=20_000,
    trim_share=0.2,
    min_width_bp=5,
    max_q=0.05,
    top_matches=3,
    random_motifs=10,
    hit_p=1e-4,
    hit_similarity=0.5,
)
"""The values of params.yaml, for contributions from outside of the pipeline."""
