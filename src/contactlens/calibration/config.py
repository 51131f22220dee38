"""Settings of the recalibration; imports nothing heavy, so that reading params stays quick."""

from contactlens.base.settings import PositiveInt, settings


@settings
class RecalibrationConfig:
    """sd_bins: equal-count bins of predicted sd in which the rms residual is measured.
    residual_bins: equal-count bins of predicted mean, each with a residual distribution of its own.
    residual_groups: resolution of that distribution (see ResidualMixture).
    """

    sd_bins: PositiveInt
    residual_bins: PositiveInt
    residual_groups: PositiveInt
