"""The likelihood of all tracks: hazard law, exposure, promoter and signal put together, with derivatives."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contactlens.tracks.radius.model.exposure import Exposure
from contactlens.tracks.radius.model.filter import forward_backward
from contactlens.tracks.radius.model.laws import Law, parameter_names
from contactlens.tracks.radius.model.response import Response

Floats = NDArray[Any]
SIGNAL_PARAMETERS = ("log_k_off", "log_amplitude", "log_unit", "background", "log_noise")


@dataclass(frozen=True)
class Likelihood:
    """Of parameters theta: the law's, then SIGNAL_PARAMETERS; rates per s, the signal in units of `scale`.

    signal: (N, B) of `Response.blocks`, over `scale`
    amplitude: (N,) loading of each track relative to the typical one
    loading_sd: SD of log `amplitude` between tracks; 0 where all load alike and `amplitude` is not fitted
    loading_information: (N,) what a track's signal says of its log amplitude, 1 / variance
    least_noise: SD that the fitted noise adds to, of a signal that is cut off at a detection limit
    """

    law: Law
    exposure: Exposure
    response: Response
    signal: Floats
    amplitude: Floats
    workers: int = 1
    loading_sd: float = 0.0
    loading_information: Floats | None = None
    least_noise: float = 0.0

    @property
    def amplitude_spread(self) -> Floats:
        """(N,) SD of what is left unknown of each track's log amplitude."""
        assert self.loading_information is not None
        return 1 / np.sqrt(1 / self.loading_sd**2 + self.loading_information)

    @property
    def names(self) -> list[str]:
        return [*parameter_names(self.law), *SIGNAL_PARAMETERS]

    def with_amplitude(self, amplitude: Floats) -> "Likelihood":
        return replace(self, amplitude=amplitude)

    def single_threaded(self) -> "Likelihood":
        return replace(self, workers=1)

    @property
    def amplitude_steps(self) -> Floats:
        """(N,) by which a climb scales the log amplitudes; (0,) where they are not fitted."""
        return self.amplitude_spread if self.loading_sd > 0 else np.zeros(0)

    def amplitude_penalty(self, offset: Floats) -> Floats:
        """(N,) of the log amplitudes."""
        return 0.5 * (offset / self.loading_sd) ** 2 if self.loading_sd > 0 else np.zeros(len(offset))

    def amplitude_slope(self, scores: Floats, offset: Floats) -> Floats:
        """(N,) derivative of the penalised log likelihood by each track's log amplitude, where it is fitted."""
        return scores[:, self.names.index("log_amplitude")] - offset / self.loading_sd**2

    def common(self, value: Floats) -> Floats:
        """What all tracks have of a value (N,) of the log amplitudes, which is the typical loading's to explain."""
        return value.mean()

    def __call__(self, theta: Floats, want: bool = True) -> tuple[Floats, Floats]:
        """Log likelihood (N,) of each track and its derivatives (N, P)."""
        count = len(theta) - len(SIGNAL_PARAMETERS)
        per_frame, by_law = self.exposure.of_law(self.law, theta[:count], want)  # (N, T - 1), (N, T - 1, P)
        blocks = self.signal.shape[1]
        k_off_block = np.exp(theta[count]) * self.response.block_s
        unread = np.full((len(per_frame), 1), per_frame.mean())  # before the first block: not read
        summed = self._per_block(per_frame)
        up, down, slopes = _switching(np.concatenate([unread, summed], axis=1), k_off_block)
        logs, by_signal, by_up, by_down, _ = self._filter(theta[count:], up, down, want)
        if not want:
            return logs, np.zeros((len(logs), len(theta)))
        by_h = by_up * slopes[0] + by_down * slopes[2]
        by_k = (by_up * slopes[1] + by_down * slopes[3]).sum(axis=1) * k_off_block
        k = self.response.frames_per_block
        per_interval = np.repeat(by_h[:, 1:], k, axis=1)
        used = by_law[:, k - 1 : k - 1 + per_interval.shape[1]]
        law_part = np.einsum("nt,ntp->np", per_interval, used)
        if blocks == 1:
            law_part = np.zeros((len(logs), count))
        by_noise = 2 * float(np.exp(2 * theta[count + 4])) / k
        chain = np.array([np.exp(theta[count + 1]), np.exp(theta[count + 2]), 1.0, by_noise])
        by_signal = by_signal * chain
        by_signal[:, 0] *= self.amplitude
        return logs, np.concatenate([law_part, by_k[:, None], by_signal], axis=1)

    def states(self, theta: Floats) -> Floats:
        """(N, B) posterior probability to be on at the end of each block."""
        up, down = self._probabilities(theta)
        return self._filter(theta[len(theta) - len(SIGNAL_PARAMETERS) :], up, down, True)[4]

    def _probabilities(self, theta: Floats) -> tuple[Floats, Floats]:
        count = len(theta) - len(SIGNAL_PARAMETERS)
        per_frame, _ = self.exposure.of_law(self.law, theta[:count], False)
        unread = np.full((len(per_frame), 1), per_frame.mean())
        summed = np.concatenate([unread, self._per_block(per_frame)], axis=1)
        up, down, _ = _switching(summed, np.exp(theta[count]) * self.response.block_s)
        return up, down

    def _per_block(self, per_frame: Floats) -> Floats:
        """(N, B - 1): sums over the intervals that end in a block, from the second block on."""
        k, blocks = self.response.frames_per_block, self.signal.shape[1]
        used = per_frame[:, k - 1 : k - 1 + (blocks - 1) * k]
        return used.reshape(len(used), blocks - 1, k).sum(axis=2)

    def _variance(self, q: Floats) -> float:
        return float((np.exp(2 * q[4]) + self.least_noise**2) / self.response.frames_per_block)

    def _filter(self, q: Floats, up: Floats, down: Floats, want: bool) -> list[Floats]:
        n = len(self.signal)
        parts = np.array_split(np.arange(n), max(1, min(self.workers, n)))
        amplitude = np.exp(q[1]) * self.amplitude

        def part(rows: NDArray[np.int64]) -> tuple[Floats, ...]:
            s = slice(rows[0], rows[-1] + 1)
            return forward_backward(
                self.signal[s], up[s], down[s], amplitude[s], float(np.exp(q[2])), float(q[3]), self._variance(q),
                self.response.tables, want,
            )  # fmt: skip

        if len(parts) == 1:
            return list(part(parts[0]))
        with ThreadPoolExecutor(len(parts)) as pool:
            return [np.concatenate(pieces) for pieces in zip(*pool.map(part, parts), strict=True)]


def _switching(h: Floats, k: float) -> tuple[Floats, Floats, tuple[Floats, Floats, Floats, Floats]]:
    """Probabilities to be on after a block with integrated hazard h for a promoter that was off, and of the reverse;
    then their derivatives: of the first by h and k, of the second by h and k. k: k_off times the block's length."""
    h = np.maximum(h, 1e-12)
    total = h + k
    left = np.exp(-total)
    moved = -np.expm1(-total)
    up, down = h / total * moved, k / total * moved
    common = moved / total**2
    slopes = (
        k * common + h / total * left,
        h / total * left - h * common,
        k / total * left - k * common,
        h * common + k / total * left,
    )
    return up, down, slopes
