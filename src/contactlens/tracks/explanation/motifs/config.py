"""Settings of the search for temporal motifs; imports neither torch nor modisco, so that reading params stays quick."""

from contactlens.attribution.modisco_config import ModiscoConfig
from contactlens.base.settings import PositiveFloat, PositiveInt, rule, settings


@settings
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

    n_tracks: PositiveInt
    predicted_per_track: PositiveInt
    window_frames: PositiveInt
    smoothing_frames: PositiveInt
    lag_max_s: PositiveFloat
    rows_per_pass: PositiveInt
    modisco: ModiscoConfig

    @rule
    def _window_holds_a_seqlet(self) -> None:
        if self.window_frames < self.modisco.seqlet:
            raise ValueError(
                f"window_frames must hold one seqlet of {self.modisco.seqlet} frames, got {self.window_frames}"
            )
