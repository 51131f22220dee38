"""Deconvolution with the promoter's silence put in: loading is zeroed where little of it lies near.

A least-squares solution spreads noise into small loadings between bursts. Their mean over two frames is small, and that
of a burst is not, so that one threshold tells them apart.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import uniform_filter1d

from contactlens.tracks.data.batch import TrackBatch
from contactlens.tracks.evaluation.baselines.deconvolution import Deconvolution
from contactlens.tracks.evaluation.baselines.frames import Array
from contactlens.tracks.evaluation.config import DeconvolutionConfig
from contactlens.tracks.simulation.loading_grid import LoadingGrid
from contactlens.tracks.simulation.promoter import Events


@dataclass(frozen=True)
class GatedDeconvolution:
    """The loading of a deconvolution where its mean over `gate_frames` frames, centred at the bin, reaches `threshold`,
    and none elsewhere.

    threshold: polymerases in a bin; validation_score: of the penalty and threshold that were chosen
    """

    deconvolution: Deconvolution
    threshold: float
    validation_score: float

    @classmethod
    def fit(
        cls,
        validation: TrackBatch,
        grid: LoadingGrid,
        config: DeconvolutionConfig,
        score: Callable[[Events], float],
    ) -> "GatedDeconvolution":
        """The penalty and threshold whose events on the validation tracks have the highest score; the first of equals.

        Thresholds are tried at equally spaced quantiles of the mean loading: the lowest leaves it as it is.
        """
        levels = np.arange(config.gate_candidates) / config.gate_candidates
        best: GatedDeconvolution | None = None
        for penalty in config.penalties:
            ungated = Deconvolution(grid, config, penalty, np.array([]))
            loading = ungated.loading(validation)
            nearby = _nearby(loading, grid, config)
            for threshold in np.unique(np.quantile(nearby, levels)):
                found = score(grid.place(np.where(nearby >= threshold, loading, 0.0)))
                if best is None or found > best.validation_score:
                    best = cls(ungated, float(threshold), found)
        assert best is not None  # there is at least one penalty
        return best

    def loading(self, batch: TrackBatch) -> Array:
        """Polymerases loaded in each bin of the frames, (N, T k), not whole numbers."""
        loading = self.deconvolution.loading(batch)
        nearby = _nearby(loading, self.deconvolution.grid, self.deconvolution.config)
        return np.where(nearby >= self.threshold, loading, 0.0)

    def events(self, batch: TrackBatch) -> Events:
        """The loading as events, as many as it sums to."""
        return self.deconvolution.grid.place(self.loading(batch))


def _nearby(loading: Array, grid: LoadingGrid, config: DeconvolutionConfig) -> Array:
    """Mean loading (N, T k) around each bin."""
    return uniform_filter1d(loading, config.gate_frames * grid.bins_per_frame, axis=1, mode="nearest")
