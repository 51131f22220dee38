"""Traces matched to traces whose rates and levels are known."""

import numpy as np
import pytest

from contactlens.tracks.data.dataset import batch_of
from contactlens.tracks.evaluation.baselines.compound_hmm import CompoundHmm, CompoundHmmConfig
from contactlens.tracks.evaluation.baselines.memory_kernel import memory_kernel
from contactlens.tracks.evaluation.matched_simulation import (
    detection_limit,
    fill_undetected,
    matched_config,
    simulate_undetected,
)
from contactlens.tracks.simulation.simulate import SimulationConfig

# Many weak polymerases: their noise, which the HMM takes for independent between frames, is small.
TRUE = SimulationConfig(
    n_tracks=120,
    n_frames=80,
    frame_interval_s=20.0,
    substeps_per_frame=1,
    contact_radius_nm=1e9,
    beads=2,
    loci=(0, 1),
    k_on_per_s=0.008,
    k_off_per_s=0.012,
    loading_rate_per_s=4.0,
    polymerase_signal=1.0,
    ms2_noise=20.0,
    ms2_ramp_s=20.0,
    ms2_dwell_s=80.0,
)


def test_matched_traces_have_the_parameters_of_the_traces_they_match():
    batch = batch_of(simulate_undetected(TRUE, 10.0, seed=0))
    signal, observed = batch.signal.numpy().astype(float), batch.observed.numpy()
    assert (signal == 0).mean() > 0.1 and signal[signal > 0].min() >= 10
    limit = detection_limit(signal, observed)
    assert 10 <= limit < 15
    kernel = memory_kernel(TRUE.ms2_ramp_s, TRUE.ms2_dwell_s, TRUE.frame_interval_s)
    hmm = CompoundHmm.fit(fill_undetected(signal, limit, 1), observed, kernel, CompoundHmmConfig(1, 20, 1e-4, 120), 0)
    matched = matched_config(hmm, TRUE.ms2_ramp_s, TRUE.ms2_dwell_s, TRUE.n_tracks, TRUE.n_frames)
    for name in ("k_on_per_s", "k_off_per_s"):
        assert getattr(matched, name) == pytest.approx(getattr(TRUE, name), rel=0.2), name
    level = matched.loading_rate_per_s * matched.polymerase_signal
    assert level == pytest.approx(TRUE.loading_rate_per_s * TRUE.polymerase_signal, rel=0.1)
    again = batch_of(simulate_undetected(matched, limit, seed=2)).signal.numpy()
    assert again.mean() == pytest.approx(signal.mean(), rel=0.1)
    assert again.std() == pytest.approx(signal.std(), rel=0.1)


def test_only_what_was_not_detected_is_filled():
    signal = np.array([[0.0, 30.0], [5.0, 0.0]])
    filled = fill_undetected(signal, 10.0, seed=0)
    assert filled[0, 1] == 30
    assert (filled.ravel()[[0, 2, 3]] != signal.ravel()[[0, 2, 3]]).all()
    many = fill_undetected(np.zeros((100, 100)), 10.0, seed=0)
    assert many.std() == pytest.approx(10, rel=0.05) and abs(many.mean()) < 0.5
