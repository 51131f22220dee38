"""Settings of the explanation; imports neither torch nor captum, so that reading params stays quick."""

from contactlens.attribution.method_names import SIMPLE_METHODS, check_methods
from contactlens.base.settings import OpenUnit, PositiveFloat, PositiveInt, rises, rule, settings

INTEGRATED = "integrated_gradients"


@settings
class ExplainConfig:
    """How a tracks model is explained.

    n_tracks: tracks whose full frame-by-frame matrices of integrated gradients are stored
    profile_tracks: tracks that the lag profiles and faithfulness metrics average over
    profile_step_frames: spacing of the output frames used in the lag profiles
    targets_per_track: output frames per track used in infidelity, deletion and insertion
    sensitivity_tracks: tracks (one output frame each) used in sensitivity
    reference_quantile: quantile of the training driver that stands for "far", where the gate is closed
    ig_steps: nodes of the path integral
    noise_samples, noise_fraction: copies in the noise tunnel and in gradient SHAP; their noise as a fraction of each
        channel's spread
    occlusion_window_frames: frames replaced at once
    lag_max_s: the lag profiles run from -lag_max_s to lag_max_s
    deletion_fractions: fractions of a track's frames deleted (and inserted), rising from 0; most of a response is
        gone after a few per cent
    random_orders: random orders that the control of deletion and insertion averages over
    infidelity_samples, infidelity_window_frames: perturbations per target; frames removed together
    sensitivity_samples: noisy inputs per target
    bootstrap_replicates, interval_level: of the intervals, bootstrapped by track
    rows_per_pass: most inputs in one pass of the model (bounds memory; 16 is fastest on CPU)
    methods: attribution methods; `noise_tunnel(method)` puts the noise tunnel on top of any. What a model does not
        allow is left out, with the reason
    example_track, example_frame: the frame (from 0, of a test track) whose inputs are shown channel by channel; by
        default the highest prediction of the stored track with most contact
    """

    n_tracks: PositiveInt
    profile_tracks: PositiveInt
    profile_step_frames: PositiveInt
    targets_per_track: PositiveInt
    sensitivity_tracks: PositiveInt
    reference_quantile: OpenUnit
    ig_steps: PositiveInt
    noise_samples: PositiveInt
    noise_fraction: PositiveFloat
    occlusion_window_frames: PositiveInt
    lag_max_s: PositiveFloat
    deletion_fractions: tuple[float, ...]
    random_orders: PositiveInt
    infidelity_samples: PositiveInt
    infidelity_window_frames: PositiveInt
    sensitivity_samples: PositiveInt
    bootstrap_replicates: PositiveInt
    interval_level: OpenUnit
    rows_per_pass: PositiveInt
    methods: tuple[str, ...] = (*SIMPLE_METHODS, "noise_tunnel(saliency)")
    example_track: str | None = None
    example_frame: int | None = None

    @rule
    def _methods_are_known(self) -> None:
        check_methods(self.methods)
        if INTEGRATED not in self.methods:
            raise ValueError(f"methods must hold {INTEGRATED}, of which the random control is made")

    @rule
    def _fractions_rise_and_tracks_are_enough(self) -> None:
        if not rises(self.deletion_fractions):
            raise ValueError(f"deletion_fractions must rise from 0 to at most 1, got {self.deletion_fractions}")
        for name in ("n_tracks", "sensitivity_tracks"):
            if getattr(self, name) > self.profile_tracks:
                raise ValueError(f"{name} must be at most profile_tracks ({self.profile_tracks})")
