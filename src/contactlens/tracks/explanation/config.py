"""Settings of the explanation; imports neither torch nor captum, so that reading params stays quick."""

from dataclasses import dataclass

import numpy as np

from contactlens.attribution.method_names import SIMPLE_METHODS, check_methods

INTEGRATED = "integrated_gradients"


@dataclass(frozen=True)
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

    n_tracks: int
    profile_tracks: int
    profile_step_frames: int
    targets_per_track: int
    sensitivity_tracks: int
    reference_quantile: float
    ig_steps: int
    noise_samples: int
    noise_fraction: float
    occlusion_window_frames: int
    lag_max_s: float
    deletion_fractions: tuple[float, ...]
    random_orders: int
    infidelity_samples: int
    infidelity_window_frames: int
    sensitivity_samples: int
    bootstrap_replicates: int
    interval_level: float
    rows_per_pass: int
    methods: tuple[str, ...] = (*SIMPLE_METHODS, "noise_tunnel(saliency)")
    example_track: str | None = None
    example_frame: int | None = None

    def __post_init__(self) -> None:
        check_methods(self.methods)
        if INTEGRATED not in self.methods:
            raise ValueError(f"explain.methods must hold {INTEGRATED}, of which the random control is made")
        for name, value in vars(self).items():
            if name not in ("deletion_fractions", "methods", "example_track", "example_frame") and not value > 0:
                raise ValueError(f"explain.{name} must be positive, got {value}")
        for name in ("reference_quantile", "interval_level"):
            if getattr(self, name) >= 1:
                raise ValueError(f"explain.{name} must be below 1, got {getattr(self, name)}")
        fractions = np.asarray(self.deletion_fractions)
        if len(fractions) < 2 or fractions[0] != 0 or fractions[-1] > 1 or (np.diff(fractions) <= 0).any():
            raise ValueError(f"explain.deletion_fractions must rise from 0 to at most 1, got {self.deletion_fractions}")
        for name in ("n_tracks", "sensitivity_tracks"):
            if getattr(self, name) > self.profile_tracks:
                raise ValueError(f"explain.{name} must be at most profile_tracks ({self.profile_tracks})")
