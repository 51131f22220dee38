"""Settings of the evaluation and of its baselines; imports nothing heavy, so that reading params stays quick."""

from typing import Annotated, Literal

from contactlens.base.settings import (
    ClosedUnit,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    OpenUnit,
    PositiveFloat,
    PositiveInt,
    settings,
)

InversePenalties = Annotated[tuple[PositiveFloat, ...], Field(min_length=1)]  # values of scikit-learn's C


@settings
class DistanceConfig:
    """knots: of the cubic spline of log distance, at equally spaced quantiles of the training distances.
    inverse_penalties: values of C (inverse strength of the L2 penalty) to choose from on validation.
    """

    knots: Annotated[int, Field(ge=2)]
    inverse_penalties: InversePenalties


@settings
class PropensityConfig:
    """smoothing: an element's share of positives counts this many windows more, with the share of all windows.
    folds: a training window's propensities are counted on the other folds, so that it does not see its own label.
    inverse_penalties: values of C (inverse strength of the L2 penalty) to choose from on validation.
    """

    smoothing: PositiveFloat
    folds: Annotated[int, Field(ge=2)]
    inverse_penalties: InversePenalties


@settings
class CompositionConfig:
    """inverse_penalties: values of C (inverse strength of the L2 penalty) to choose from on validation."""

    inverse_penalties: InversePenalties


LONGEST = 10


@settings
class KmerConfig:
    """lengths: values of k to choose from on validation, 1 to 10.
    interaction_components: principal components of each element's counts whose products (this number squared) are
        features too, for pairs; 0 for a model in which enhancer and promoter only add up.
    inverse_penalties: values of C (inverse strength of the L2 penalty) to choose from on validation.
    """

    lengths: Annotated[tuple[Annotated[int, Field(ge=1, le=LONGEST)], ...], Field(min_length=1)]
    interaction_components: NonNegativeInt
    inverse_penalties: InversePenalties


@settings
class MotifScanConfig:
    """motifs: how many of the most enriched motifs to keep in each element; values to choose from on validation.
    max_correlation: a motif whose scores correlate with those of a more enriched one above this adds nothing new and
        is passed over, as relatives of one family would fill the list.
    learning_rate, max_trees, max_leaves, min_leaf_windows, patience: of the boosted trees, which stop after `patience`
        rounds without a lower validation NLL.
    inverse_penalties: values of C (inverse strength of the L2 penalty) to choose from, of the best single motif.
    """

    motifs: Annotated[tuple[PositiveInt, ...], Field(min_length=1)]
    max_correlation: ClosedUnit
    learning_rate: PositiveFloat
    max_trees: PositiveInt
    max_leaves: Annotated[int, Field(ge=2)]
    min_leaf_windows: PositiveInt
    patience: PositiveInt
    inverse_penalties: InversePenalties


@settings
class CnnConfig:
    """filters: of each convolution
    kernel_size: bases that the first convolution sees
    hidden: units of the dense layer
    dropout: of the pooled features and of the dense layer.
    learning_rate, weight_decay: of AdamW
    batch_size: windows per step
    max_epochs: epochs unless training stops before
    patience: epochs without a lower validation NLL before training stops.
    starts: trainings from different seeds; the one with the lowest validation NLL is kept.
    device: auto takes a GPU where there is one.
    """

    filters: PositiveInt
    kernel_size: PositiveInt
    hidden: PositiveInt
    dropout: Annotated[float, Field(ge=0, lt=1)]
    learning_rate: PositiveFloat
    weight_decay: NonNegativeFloat
    batch_size: Annotated[int, Field(ge=2)]
    max_epochs: PositiveInt
    patience: PositiveInt
    starts: PositiveInt
    device: Literal["auto", "cpu", "cuda"]


@settings
class BaselineConfig:
    """distance, element_propensity: of pairs alone; composition: of regions alone.
    kmer: of `kmer_logistic`, which has no products, and, for pairs and unless its interaction_components are 0, of
        `kmer_products`, which has them.
    motif_scan: of `motif_scan`, and, for regions, of `best_motif`, which has one motif and no trees.
    """

    distance: DistanceConfig
    element_propensity: PropensityConfig
    composition: CompositionConfig
    kmer: KmerConfig
    motif_scan: MotifScanConfig
    cnn: CnnConfig


@settings
class EvaluateConfig:
    """bootstrap_replicates, confidence: of the percentile intervals over clusters of windows.
    calibration_bins: bins of predicted probability, of the reliability diagram and of ECE.
    """

    bootstrap_replicates: PositiveInt
    confidence: OpenUnit
    calibration_bins: PositiveInt
