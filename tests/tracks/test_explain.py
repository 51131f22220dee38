"""Explanations of a model whose response to a contact is known: a causal filter of the gate."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from contactlens.tracks.explain import ExplainConfig, Response, explain, reference_distance
from contactlens.tracks.explain_study import Study, no_contact
from contactlens.tracks.models import GateConfig, ModelConfig, Scaling, TrackModel
from contactlens.tracks.tasks import TASKS

N, T, DT = 12, 90, 20.0
KERNEL = torch.tensor([0.5, 2.0, 4.0, 3.0, 1.5, 0.5])
CONFIG = ExplainConfig(
    n_tracks=2,
    profile_tracks=10,
    profile_step_frames=2,
    targets_per_track=3,
    sensitivity_tracks=3,
    reference_quantile=0.99,
    ig_steps=64,
    noise_samples=4,
    noise_fraction=0.02,
    occlusion_window_frames=2,
    lag_max_s=200.0,
    deletion_fractions=(0.0, 0.01, 0.02, 0.05, 0.1, 0.3),
    random_orders=4,
    infidelity_samples=20,
    infidelity_window_frames=3,
    sensitivity_samples=2,
    bootstrap_replicates=200,
    interval_level=0.9,
    rows_per_pass=64,
)


class ContactFilter(nn.Module):
    """mean(t) = sum over lags of KERNEL[lag] gate(t - lag); log-variance a tenth of it."""

    driver_channels = 4

    def gate(self, x: Tensor) -> Tensor:
        return torch.sigmoid(0.05 * (150.0 - x[:, 3]))

    def forward(self, x: Tensor, observed: Tensor) -> Tensor:
        contact = self.gate(x) * observed
        mean = F.conv1d(F.pad(contact[:, None], (len(KERNEL) - 1, 0)), KERNEL.flip(0)[None, None])
        return torch.cat([mean, 0.1 * mean], dim=1)


@pytest.fixture(scope="module")
def tracks() -> tuple[Tensor, Tensor]:
    rng = np.random.default_rng(0)
    vector = rng.normal(0, 180, size=(N, 3, T))
    x = np.concatenate([vector, np.linalg.norm(vector, axis=1, keepdims=True)], axis=1)
    observed = np.ones((N, T), dtype=bool)
    observed[3, 70:] = False
    x = x * observed[:, None]
    return torch.from_numpy(x.astype(np.float32)), torch.from_numpy(observed)


def run(tracks, config=CONFIG, model=None, seed=0):
    x, observed = tracks
    return explain(
        model or ContactFilter(),
        x,
        observed,
        [f"t{i}" for i in range(N)],
        channels=["x", "y", "z", "distance"],
        frame_interval_s=DT,
        far=reference_distance(x, observed, config.reference_quantile),
        config=config,
        seed=seed,
        response=Response(DT * np.arange(len(KERNEL)), KERNEL.double().numpy()),
    )


@pytest.fixture(scope="module")
def explanation(tracks):
    return run(tracks)


def profile(explanation, method, output="mean"):
    rows = explanation.lag_profile.query("method == @method and output == @output")
    return rows.set_index("lag_s")


def metric(explanation, method, name, output="mean"):
    rows = explanation.faithfulness.query("method == @method and output == @output and metric == @name")
    assert len(rows) == 1
    return rows.iloc[0]


@pytest.mark.parametrize("method", ["integrated_gradients", "saliency", "noise_tunnel"])
def test_lag_profile_is_the_kernel(explanation, method):
    lags = DT * np.arange(-10, 11)
    truth = Response(DT * np.arange(6), KERNEL.double().numpy()).at(lags)
    result = profile(explanation, method)
    assert result.index.tolist() == lags.tolist()
    np.testing.assert_allclose(result["attribution"], truth, atol=0.05)
    assert (result["low"] <= result["high"]).all()
    assert metric(explanation, method, "lag_correlation").estimate > 0.995
    assert metric(explanation, method, "lag_peak_s").estimate == 2 * DT
    assert metric(explanation, method, "acausal_share").estimate == 0


def test_contact_weighted_profile_has_the_size_of_the_kernel(explanation, tracks):
    """h E[gate (gate - gate of the reference)] / E[gate], in the signal's unit."""
    x, observed = tracks
    model = ContactFilter()
    gate = model.gate(x)[observed]
    far = torch.sigmoid(torch.tensor(0.05 * (150 - reference_distance(x, observed, 0.99))))
    expected = float(KERNEL.max() * (gate * (gate - far)).sum() / gate.sum())
    assert profile(explanation, "integrated_gradients")["peak"].iloc[0] == pytest.approx(expected, rel=0.05)


def test_occlusion_blurs_the_kernel_by_its_window(explanation):
    blurred = np.convolve(np.concatenate([np.zeros(10), KERNEL, np.zeros(5)]), [0.25, 0.5, 0.25], mode="same")
    np.testing.assert_allclose(profile(explanation, "occlusion")["attribution"], blurred / blurred.max(), atol=0.2)
    assert metric(explanation, "occlusion", "lag_correlation").estimate > 0.9


def test_every_method_beats_the_random_control(explanation):
    for output in ("mean", "logvar"):
        random = {name: metric(explanation, "random", name, output) for name in ("deletion_area", "infidelity")}
        for method in ("integrated_gradients", "saliency", "noise_tunnel", "occlusion"):
            assert metric(explanation, method, "deletion_gain", output).low > 0
            assert metric(explanation, method, "deletion_area", output).low > random["deletion_area"].high
            assert metric(explanation, method, "infidelity", output).high < random["infidelity"].low
            assert metric(explanation, method, "sensitivity", output).high < 1
        assert metric(explanation, "random", "sensitivity", output).low > 1
    # The control knows the model's reach, here the support of the kernel, and is flat within it.
    assert metric(explanation, "random", "lag_correlation").high < 0.9
    within = profile(explanation, "random").loc[0 : DT * (len(KERNEL) - 1), "attribution"]
    assert within.max() - within.min() < 0.25


def test_integrated_gradients_are_complete_and_matrices_hold_the_filter(explanation, tracks):
    assert metric(explanation, "integrated_gradients", "completeness_error").estimate < 1e-3
    assert metric(explanation, "integrated_gradients", "infidelity").estimate < 1e-3
    arrays = explanation.arrays
    x, observed = tracks
    far = reference_distance(x, observed, 0.99)
    for row, name in enumerate(arrays["track_ids"].tolist()):
        index = int(name[1:])
        model = ContactFilter()
        opened = (model.gate(x) - torch.sigmoid(torch.tensor(0.05 * (150 - far))))[index] * observed[index]
        for t in (10, 40, 89):
            for lag, h in enumerate(KERNEL.tolist()):
                assert arrays["ig_mean"][row, t, t - lag] == pytest.approx(h * float(opened[t - lag]), abs=1e-3)
        np.testing.assert_allclose(arrays["ig_logvar"][row], 0.1 * arrays["ig_mean"][row], atol=1e-5)
    assert arrays["ig_mean"].shape == (2, T, T) and arrays["ig_mean"].dtype == np.float32
    frame, track = (
        int(arrays["channel_frame"]),
        arrays["track_ids"].tolist().index(str(arrays["channel_track"])),
    )
    np.testing.assert_allclose(arrays["channel_mean"].sum(axis=0), arrays["ig_mean"][track, frame], atol=1e-6)


def test_same_seed_same_tables_and_random_state_untouched(explanation, tracks):
    before = torch.random.get_rng_state()
    again = run(tracks)
    assert torch.equal(before, torch.random.get_rng_state())
    for table in ("lag_profile", "faithfulness", "deletion_curve"):
        assert getattr(again, table).equals(getattr(explanation, table))
    assert all(np.array_equal(again.arrays[name], value) for name, value in explanation.arrays.items())
    assert list(run(tracks, seed=1).arrays["track_ids"]) != list(explanation.arrays["track_ids"])


def test_tables_have_the_columns_of_the_reports(explanation):
    interval = ["low", "high"]
    assert list(explanation.lag_profile) == ["method", "output", "lag_s", "attribution", *interval, "peak"]
    assert list(explanation.faithfulness) == ["method", "output", "metric", "estimate", *interval]
    assert list(explanation.deletion_curve) == ["method", "output", "fraction", "score", *interval]
    methods = ["integrated_gradients", "saliency", "noise_tunnel", "occlusion", "random"]
    assert list(dict.fromkeys(explanation.deletion_curve["method"])) == methods
    assert list(dict.fromkeys(explanation.lag_profile["method"])) == [*methods, "true_kernel"]
    assert not explanation.faithfulness["estimate"].isna().any()


@pytest.mark.parametrize("signal_input", [False, True])
def test_a_real_model_with_missing_frames(tracks, signal_input):
    torch.manual_seed(0)
    model = TrackModel(
        ModelConfig("unet_resnet", 4, 2, 2, 3, gated=True, logvar_bounds=(-6.0, 3.0)),
        GateConfig(150.0, (20.0, 600.0), 5.0),
        Scaling(300.0, 1.0, 2.0),
        TASKS["epms2_to_ms2" if signal_input else "ep_to_ms2"],
        driver_channels=4,
    ).eval()
    x, observed = tracks
    if signal_input:
        x = torch.cat([x, x[:, :1].abs() / 50], dim=1)
    result = run((x, observed), replace(CONFIG, ig_steps=8), model)
    assert np.isfinite(result.arrays["ig_mean"]).all()
    missing = ~result.arrays["observed"]
    assert (result.arrays["ig_mean"].transpose(0, 2, 1)[missing] == 0).all()
    assert result.arrays["channel_mean"].shape == (4 + signal_input, T)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_gradients_become_the_change_per_nm_of_approach(tracks):
    x, observed = tracks
    study = Study.of(ContactFilter(), x, observed, 600.0, CONFIG, 0)
    along = torch.randn(N, 1, 4, T)
    step = -torch.cat([x[:, :3] / x[:, 3:].clamp_min(1e-6), torch.ones_like(x[:, 3:])], dim=1)
    expected = (along[:, 0] * step).sum(dim=1)
    torch.testing.assert_close(study.frame_scores("saliency", along, 4)[:, 0], expected)
    torch.testing.assert_close(study.frame_scores("occlusion", along, 4), along.sum(dim=2))


def test_reference_is_no_contact():
    x = torch.randn(3, 5, 7)
    reference = no_contact(x, driver_channels=4, far=700.0)
    assert reference.shape == (1, 5, 7)
    assert (reference[0, 3] == 700).all() and (reference[0, [0, 1, 2, 4]] == 0).all()
    driver, observed = torch.arange(12.0).view(1, 1, 12), torch.ones(1, 12, dtype=torch.bool)
    observed[0, 11] = False
    assert reference_distance(driver, observed, 0.5) == 5.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_tracks": 0}, "explain.n_tracks must be positive"),
        ({"n_tracks": 11}, "explain.n_tracks must be at most profile_tracks"),
        ({"interval_level": 1.0}, "explain.interval_level must be below 1"),
        ({"deletion_fractions": (0.1, 0.5)}, "explain.deletion_fractions must rise from 0"),
        ({"deletion_fractions": (0.0, 0.5, 0.2)}, "explain.deletion_fractions must rise from 0"),
    ],
)
def test_bad_settings_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        replace(CONFIG, **change)
