"""What is known of the MS2 reporter, which decoders of MS2 assume."""

from dataclasses import dataclass

from contactlens.tracks.simulation.config import SimulationConfig
from contactlens.tracks.simulation.loading_grid import LoadingGrid


@dataclass(frozen=True)
class Reporter:
    """ramp_s, dwell_s: of `ms2.polymerase_response`
    polymerase_signal: signal (a.u.) of one polymerase past the loops
    """

    ramp_s: float
    dwell_s: float
    polymerase_signal: float

    @classmethod
    def of(cls, config: SimulationConfig) -> "Reporter":
        return cls(config.ms2_ramp_s, config.ms2_dwell_s, config.polymerase_signal)

    def grid(self, frame_interval_s: float, bins_per_frame: int) -> LoadingGrid:
        """The grid on which polymerases are placed."""
        return LoadingGrid(frame_interval_s, bins_per_frame, self.ramp_s, self.dwell_s, self.polymerase_signal)
