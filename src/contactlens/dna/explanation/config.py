"""Settings of the explanation of DNA windows; imports no torch, so that reading params stays quick."""

from typing import Annotated, Literal

from contactlens.base.settings import Field, NonNegativeFloat, OpenUnit, PositiveInt, rises, rule, settings
from contactlens.dna.explanation.methods import BEST, METHODS, Precision

Split = Literal["train", "validation", "calibration", "test"]


@settings
class ExplainConfig:
    """How a window classifier is explained and its explanations are evaluated.

    splits: whose windows are explained; those that were not trained on, unless they are too few to find motifs in
    methods: attribution methods that are compared, keys of `contactlens.dna.explanation.methods.METHODS`
    stored: methods whose contributions to all explained windows are made and stored; `best` is the first of the table
        that is not refused for the model
    min_probability: windows labelled positive whose predicted probability is at least this are explained and stored ...
    min_windows: ... and the most probable ones up to this number, where fewer are that probable
    max_windows: at most this many, the most probable ones
    ig_steps: nodes of a path integral
    reference_shuffles: shuffles of a window, or of a region, that contributions against shuffles are averaged over
    max_completeness_error: a method whose contributions miss more than this share of the logit's change from its
        reference is refused for the model, as is one whose reference has a logit that no real window has; the next
        of the table takes its place
    faithfulness_windows: explained windows, drawn at random, that the methods are compared on
    mutagenesis_windows: how many of these are mutated, at three passes of the model for every base of every element
    curve_fractions: shares of an element's bases that are replaced, or put back, rising from 0; the sites of a motif
        hold a tenth or more of them
    replacement_draws: random replacements that each point of a curve is averaged over
    mutations_per_window: single-base changes, drawn from the elements, that contributions are compared with
    bootstrap_replicates, interval_level: of the intervals, bootstrapped by clusters of windows that share DNA
    rows_per_pass: most windows in one pass of the model (bounds memory)
    precision: of the model's passes for stored contributions: float32, or tf32 (which GPUs have) or bfloat16
        where the contributions of a sample of the windows stay the same, and else float32
    workers: processes that make the stored contributions, part by part; with more than 1 they are Ray's, on this
        machine or on the cluster at RAY_ADDRESS, and the bytes are those of one process
    gpus_per_worker: of a GPU, where the device is one
    """

    splits: Annotated[tuple[Split, ...], Field(min_length=1)]
    methods: Annotated[tuple[str, ...], Field(min_length=1)]
    stored: Annotated[tuple[str, ...], Field(min_length=1)]
    min_probability: OpenUnit
    min_windows: PositiveInt
    max_windows: PositiveInt
    ig_steps: PositiveInt
    reference_shuffles: PositiveInt
    max_completeness_error: OpenUnit
    faithfulness_windows: PositiveInt
    mutagenesis_windows: PositiveInt
    curve_fractions: tuple[float, ...]
    replacement_draws: PositiveInt
    mutations_per_window: Annotated[int, Field(ge=3)]
    bootstrap_replicates: PositiveInt
    interval_level: OpenUnit
    rows_per_pass: PositiveInt
    precision: Precision
    workers: PositiveInt
    gpus_per_worker: NonNegativeFloat

    @rule
    def _methods_are_known(self) -> None:
        unknown = [method for method in self.methods if method not in METHODS]
        if unknown or len(set(self.methods)) < len(self.methods):
            raise ValueError(f"methods must name methods once each, of {', '.join(METHODS)}; got {self.methods}")
        other = [method for method in self.stored if method not in (BEST, *self.methods)]
        if other:
            raise ValueError(
                f"stored must name some of methods ({', '.join((BEST, *self.methods))}); got {self.stored}"
            )

    @rule
    def _fractions_rise_and_windows_are_in_order(self) -> None:
        if self.min_windows > self.max_windows:
            raise ValueError(f"min_windows must be at most max_windows ({self.max_windows})")
        if not rises(self.curve_fractions):
            raise ValueError(f"curve_fractions must rise from 0 to at most 1, got {self.curve_fractions}")
