"""Settings of the search for temporal motifs; imports neither torch nor modisco, so that reading params stays quick."""

from dataclasses import dataclass

from contactlens.attribution.modisco_config import ModiscoConfig


@dataclass(frozen=True)
class TemporalMotifConfig:
    """How contact histories are cut and searched.

    n_tracks: most tracks explained
    predicted_per_track: predicted frames drawn from each; every one gives a window
    window_frames: length of the window around a predicted frame's attribution peak. TF-MoDISco drops seqlets that leave
        it: choose it twice a seqlet or more
    smoothing_frames: width of the moving average of |contribution| whose maximum is the peak
    lag_max_s: the lag profiles run from -lag_max_s to lag_max_s
    rows_per_pass: most inputs in one pass of the model (bounds memory)
    modisco: the search itself, lengths in frames
    """

    n_tracks: int
    predicted_per_track: int
    window_frames: int
    smoothing_frames: int
    lag_max_s: float
    rows_per_pass: int
    modisco: ModiscoConfig

    def __post_init__(self) -> None:
        for name in ("n_tracks", "predicted_per_track", "smoothing_frames", "lag_max_s", "rows_per_pass"):
            if not getattr(self, name) > 0:
                raise ValueError(f"motifs.{name} must be positive, got {getattr(self, name)}")
        if self.window_frames < self.modisco.seqlet:
            raise ValueError(
                f"motifs.window_frames must hold one seqlet of {self.modisco.seqlet} frames, got {self.window_frames}"
            )
