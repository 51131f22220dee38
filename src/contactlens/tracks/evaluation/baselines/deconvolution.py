"""Non-negative deconvolution of MS2: the loading that, seen through the known response, fits a track best."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import svds

from contactlens.tracks.data.batch import TrackBatch
from contactlens.tracks.evaluation.baselines.frames import Array, Frames
from contactlens.tracks.evaluation.config import DeconvolutionConfig
from contactlens.tracks.simulation.loading_grid import LoadingGrid
from contactlens.tracks.simulation.promoter import Events


@dataclass(frozen=True)
class Deconvolution:
    """Minimises 1/2 |y - background - response * x|^2 + penalty |x|_1 over x >= 0, track by track, y and the response
    in units of one polymerase, missing frames left out.

    validation_error: mean squared error (polymerases) at the hidden validation frames, one per penalty
    """

    grid: LoadingGrid
    config: DeconvolutionConfig
    penalty: float
    validation_error: Array

    @classmethod
    def fit(cls, validation: TrackBatch, grid: LoadingGrid, config: DeconvolutionConfig, seed: int) -> "Deconvolution":
        """Choose the penalty that predicts best the frames hidden at random from the validation tracks."""
        frames = Frames.of(validation)
        hidden = np.random.default_rng(seed).random(frames.observed.shape) < config.held_out_share
        y, kept, held_out = _polymerases(frames, grid), frames.observed & ~hidden, frames.observed & hidden
        operator = response_operator(grid, y.shape[1])

        def error(penalty: float) -> float:
            loading = _solve(operator, y, kept, penalty, config)
            return float(np.square((operator @ loading.T).T - y)[held_out].mean())

        errors = np.array([error(penalty) for penalty in config.penalties])
        return cls(grid, config, config.penalties[int(errors.argmin())], errors)

    def loading(self, batch: TrackBatch) -> Array:
        """Polymerases loaded in each bin of the frames, (N, T k), not whole numbers."""
        frames = Frames.of(batch)
        operator = response_operator(self.grid, frames.signal.shape[1])
        found = _solve(operator, _polymerases(frames, self.grid), frames.observed, self.penalty, self.config)
        return found[:, self.grid.lead_frames * self.grid.bins_per_frame :]

    def events(self, batch: TrackBatch) -> Events:
        """The loading as events, as many as it sums to."""
        return self.grid.place(self.loading(batch))


def response_operator(grid: LoadingGrid, n_frames: int) -> sparse.csr_array:
    """(T, (lead + T) k) signal at every frame of one polymerase in every bin, in units of one polymerase."""
    response = grid.response() / grid.polymerase_signal
    shape = (n_frames, n_frames + grid.lead_frames)
    parts = [
        sparse.kron(sparse.eye_array(*shape, k=grid.lead_frames - tap), row[None]) for tap, row in enumerate(response)
    ]
    return sparse.csr_array(sum(parts[1:], parts[0]))


def _polymerases(frames: Frames, grid: LoadingGrid) -> Array:
    return (frames.signal - grid.background) / grid.polymerase_signal


def _solve(operator: sparse.csr_array, y: Array, observed: Array, penalty: float, config: DeconvolutionConfig) -> Array:
    """FISTA (Beck and Teboulle, SIAM J. Imaging Sci. 2009) on all tracks at once: (N, T) -> (N, bins)."""
    adjoint, weight = sparse.csr_array(operator.T), observed.T.astype(np.float64)
    lipschitz = float(svds(operator, k=1, return_singular_vectors=False, rng=0)[0]) ** 2
    upper = np.inf if config.max_per_bin is None else config.max_per_bin
    x = np.zeros((operator.shape[1], len(y)))
    ahead, momentum = x, 1.0
    for _ in range(config.iterations):
        gradient = adjoint @ (weight * (operator @ ahead - y.T)) + penalty
        nearer = np.clip(ahead - gradient / lipschitz, 0, upper)
        grown = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        ahead = nearer + (momentum - 1) / grown * (nearer - x)
        x, momentum = nearer, grown
    return x.T
