"""Explanations of a model whose response to a contact is known: a causal filter of the gate."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from contactlens.attribution.captum_methods import METHODS, MethodSettings
from contactlens.attribution.method_names import RULE_METHODS
from contactlens.tracks.explanation.explain import ExplainConfig, Response, TrueCauses, explain, reference_input
from contactlens.tracks.explanation.explainer import Explainer, WithUncertainty
from contactlens.tracks.explanation.gate import PastGate
from contactlens.tracks.explanation.methods import attributions
from contactlens.tracks.models.config import GateConfig, ModelConfig
from contactlens.tracks.models.scaling import Scaling
from contactlens.tracks.models.tasks import TASKS
from contactlens.tracks.models.track_model import TrackModel
from contactlens.tracks.simulation.loading_grid import LoadingGrid

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


REFUSED = {"deep_lift", "guided_backprop", "lrp", "attention_rollout"}
GRADIENTS = ("saliency", "noise_tunnel(saliency)")
FAITHFUL = ("integrated_gradients", "gradient_shap", *GRADIENTS, "occlusion", "feature_ablation")
SMALL = replace(
    CONFIG,
    n_tracks=1,
    profile_tracks=4,
    profile_step_frames=15,
    targets_per_track=1,
    sensitivity_tracks=1,
    ig_steps=6,
    noise_samples=2,
    infidelity_samples=3,
    sensitivity_samples=1,
    random_orders=1,
    deletion_fractions=(0.0, 0.1, 1.0),
    bootstrap_replicates=20,
)


class ContactFilter(nn.Module):
    """mean(t) = sum over lags of KERNEL[lag] gate(t - lag); log-variance a tenth of it."""

    driver_channels = 4
    gated = True
    has_attention = False

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


RESPONSE = Response(DT * np.arange(len(KERNEL)), KERNEL.double().numpy())


def run(tracks, config=CONFIG, model=None, seed=0, head="gaussian"):
    x, observed = tracks
    model = model or ContactFilter()
    driver = model.driver_channels
    return explain(
        model,
        x,
        observed,
        [f"t{i}" for i in range(N)],
        head=head,
        channels=[f"channel {i}" for i in range(x.size(1))],
        frame_interval_s=DT,
        reference=reference_input(x, observed, driver, config.reference_quantile),
        config=config,
        seed=seed,
        truth=TrueCauses(RESPONSE, (x[:, 3] < 150).numpy()) if driver else None,
    )


def far(x, observed):
    return float(reference_input(x, observed, 4, 0.99)[3])


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


@pytest.mark.parametrize("method", ["integrated_gradients", *GRADIENTS])
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
    shut = torch.sigmoid(torch.tensor(0.05 * (150 - far(x, observed))))
    expected = float(KERNEL.max() * (gate * (gate - shut)).sum() / gate.sum())
    assert profile(explanation, "integrated_gradients")["peak"].iloc[0] == pytest.approx(expected, rel=0.05)


def test_occlusion_blurs_the_kernel_by_its_window(explanation):
    blurred = np.convolve(np.concatenate([np.zeros(10), KERNEL, np.zeros(5)]), [0.25, 0.5, 0.25], mode="same")
    np.testing.assert_allclose(profile(explanation, "occlusion")["attribution"], blurred / blurred.max(), atol=0.2)
    assert metric(explanation, "occlusion", "lag_correlation").estimate > 0.9


def test_every_method_beats_the_random_control(explanation):
    for output in ("mean", "logvar"):
        names = ("deletion_area", "insertion_area", "infidelity", "contact_auroc")
        random = {name: metric(explanation, "random", name, output) for name in names}
        assert random["contact_auroc"].low < 0.5 < random["contact_auroc"].high
        for method in FAITHFUL:
            for name in ("deletion", "insertion"):
                assert metric(explanation, method, f"{name}_gain", output).low > 0
                assert metric(explanation, method, f"{name}_area", output).low > random[f"{name}_area"].high
            assert metric(explanation, method, "contact_auroc", output).low > 0.8
            assert metric(explanation, method, "infidelity", output).high < random["infidelity"].low
            if method != "gradient_shap":  # whose few random points are drawn anew for each input
                assert metric(explanation, method, "sensitivity", output).high < 1
        assert metric(explanation, "random", "sensitivity", output).low > 1
    # The control knows the model's reach, here the support of the kernel, and is flat within it: no small correlation.
    best = metric(explanation, "integrated_gradients", "lag_correlation")
    assert metric(explanation, "random", "lag_correlation").high < best.low
    within = profile(explanation, "random").loc[0 : DT * (len(KERNEL) - 1), "attribution"]
    assert within.max() - within.min() < 0.25


def test_integrated_gradients_are_complete_and_matrices_hold_the_filter(explanation, tracks):
    assert metric(explanation, "integrated_gradients", "completeness_error").estimate < 1e-3
    assert metric(explanation, "integrated_gradients", "infidelity").estimate < 1e-3
    arrays = explanation.arrays
    x, observed = tracks
    shut = torch.sigmoid(torch.tensor(0.05 * (150 - far(x, observed))))
    for row, name in enumerate(arrays["track_ids"].tolist()):
        index = int(name[1:])
        model = ContactFilter()
        opened = (model.gate(x) - shut)[index] * observed[index]
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


def test_same_seed_same_tables_and_random_state_untouched(tracks):
    explanation = run(tracks, SMALL)
    before = torch.random.get_rng_state()
    again = run(tracks, SMALL)
    assert torch.equal(before, torch.random.get_rng_state())
    for table in ("lag_profile", "faithfulness", "deletion_curve", "insertion_curve", "attribution_methods"):
        assert getattr(again, table).equals(getattr(explanation, table))
    assert all(np.array_equal(again.arrays[name], value) for name, value in explanation.arrays.items())
    assert list(run(tracks, SMALL, seed=1).arrays["track_ids"]) != list(explanation.arrays["track_ids"])


def test_tables_have_the_columns_of_the_reports(explanation):
    interval = ["low", "high"]
    assert list(explanation.lag_profile) == ["method", "output", "lag_s", "attribution", *interval, "peak"]
    assert list(explanation.faithfulness) == ["method", "output", "metric", "estimate", *interval]
    methods = [*(name for name in CONFIG.methods if name not in REFUSED), "random"]
    for curve in (explanation.deletion_curve, explanation.insertion_curve):
        assert list(curve) == ["method", "output", "fraction", "score", *interval]
        assert list(dict.fromkeys(curve["method"])) == methods
        assert curve.query("fraction == 0")["score"].eq(0).all()
    assert list(dict.fromkeys(explanation.lag_profile["method"])) == [*methods, "true_kernel"]
    assert not explanation.faithfulness["estimate"].isna().any()


def test_a_method_that_the_model_does_not_allow_is_recorded_with_the_reason(explanation):
    rows = explanation.attribution_methods.query("output == 'mean'").set_index("method")
    assert list(rows.index) == list(CONFIG.methods)
    assert sorted(rows.index[~rows["used"]]) == sorted(REFUSED)
    assert rows.loc["deep_lift", "reason"] == "no activation is a module"
    assert rows.loc["attention_rollout", "reason"] == "the model has no attention"
    assert (rows.loc[rows["used"], "reason"] == "").all()


def track_model(task: str, name: str = "unet_resnet", **changes: object) -> TrackModel:
    torch.manual_seed(0)
    config = {"width": 4, "encoder_depth": 2, "decoder_depth": 2, "kernel_size": 3, "gated": True}
    return TrackModel(
        ModelConfig(name, **(config | changes), logvar_bounds=(-6.0, 3.0)),
        GateConfig(150.0, (20.0, 600.0), 5.0),
        Scaling(300.0, 1.0, 2.0),
        TASKS[task],
        driver_channels=4,
        grid=LoadingGrid(DT, 1, 28.0, 60.0),
    ).eval()


def inputs_of(task: str, tracks) -> tuple[Tensor, Tensor]:
    x, observed = tracks
    signal = x[:, :1].abs() / 50
    parts = [x] * TASKS[task].driver_input + [signal] * TASKS[task].sees_signal
    return torch.cat(parts, dim=1), observed


@pytest.mark.parametrize(
    ("task", "changes"),
    [
        ("ep_to_ms2", {}),
        pytest.param("ep_to_ms2", {"gated": False}, marks=pytest.mark.slow),
        pytest.param("epms2_to_ms2", {}, marks=pytest.mark.slow),
        ("epms2_to_ms2_conditioned", {}),
        ("epms2_to_states", {}),
        ("ms2_to_states", {"gated": False}),
        ("ms2_to_ms2_vae", {"name": "bernoulli_vae", "gated": False}),
        ("epms2_to_states", {"name": "transformer"}),
    ],
)
def test_models_of_every_kind_with_missing_frames(tracks, task, changes):
    model, inputs = track_model(task, **changes), inputs_of(task, tracks)
    x, observed = (part[..., 40:80] for part in inputs)
    head = model.head_name
    result = run((x, observed), SMALL, model, head=head)
    outputs = {"gaussian": ["mean", "logvar"], "bernoulli": ["logit", "uncertainty"]}[head]
    assert list(dict.fromkeys(result.faithfulness["output"])) == outputs
    missing = ~result.arrays["observed"]
    for output in outputs:
        assert np.isfinite(result.arrays[f"ig_{output}"]).all()
        assert (result.arrays[f"ig_{output}"].transpose(0, 2, 1)[missing] == 0).all()
        assert result.arrays[f"channel_{output}"].shape == x.shape[1:]
    unused = result.attribution_methods.query("not used").set_index("method")["reason"]
    if changes.get("name") == "transformer":
        assert set(unused.index) == RULE_METHODS
        assert unused.str.startswith("no rule for").all()
        looks = result.arrays["attention"]
        np.testing.assert_allclose(looks.sum(axis=-1), np.ones(looks.shape[:2]), atol=1e-5)
        assert result.arrays["attention_rollout"].shape == (x.size(-1),)
    elif changes.get("name") == "bernoulli_vae":
        assert set(unused.index) == RULE_METHODS | {"attention_rollout"}
    else:
        refused = result.attribution_methods.query("not used and method != 'attention_rollout'")
        assert set(unused.index) == {"attention_rollout"} | set(refused["method"])
        assert set(refused["output"]) == set(outputs) & {"uncertainty"}
        assert set(refused["reason"]) <= {"no rule for StateVariance"}
        assert set(refused["method"]) == (RULE_METHODS if len(refused) else set())
        rows = result.faithfulness.query("method == 'deep_lift' and metric == 'completeness_error'")
        assert (rows["estimate"] < 0.01).all()
    assert ("contact_auroc" in set(result.faithfulness["metric"])) == TASKS[task].driver_input
    assert all(parameter.grad is None for parameter in model.parameters())


def states_explainer(tracks, task: str, **changes: object) -> Explainer:
    """Of a model that is unsure in some frames and sure in others, on either side of p = 0.5."""
    model, (x, observed) = track_model(task, **changes), inputs_of(task, tracks)
    x, observed = x[:3, :, 40:80], observed[:3, 40:80]
    with torch.no_grad():
        logit = model(x, observed)
        model.head.project.weight *= 3 / logit.std()
        model.head.project.bias *= 3 / logit.std()
        model.head.project.bias -= 3 * logit.median() / logit.std()
    reference = reference_input(x, observed, model.driver_channels, 0.99)
    return Explainer.of(model, "bernoulli", x, observed, reference, replace(SMALL, ig_steps=200), 0)


@pytest.fixture(params=[("epms2_to_states", {}), ("ms2_to_states", {"gated": False})], ids=lambda param: param[0])
def unsure(request, tracks) -> Explainer:
    task, changes = request.param
    return states_explainer(tracks, task, **changes)


def test_integrated_gradients_of_the_uncertainty_add_up_to_its_change(unsure):
    p, p_far = (
        torch.sigmoid(unsure.model(x, unsure.observed)[:, 0]).detach()
        for x in (unsure.x, unsure.reference.expand_as(unsure.x))
    )
    change = (p * (1 - p) - p_far * (1 - p_far))[:, unsure.frames]
    assert change.abs().max() > 0.05
    fine = replace(unsure, settings=replace(unsure.settings, ig_steps=1000))
    found = fine.integrated_gradients("uncertainty", slice(None), unsure.frames)  # (P, F, C, T)
    torch.testing.assert_close(found.sum(dim=(2, 3)), change, atol=2e-3, rtol=0)
    assert not torch.allclose(found, fine.integrated_gradients("logit", slice(None), unsure.frames), atol=0.1)


def test_matrices_of_the_uncertainty_are_its_integrated_gradients(unsure):
    coarse, one = replace(unsure, settings=replace(unsure.settings, ig_steps=8)), slice(1)
    found = coarse.integrated_gradients("uncertainty", one, unsure.frames)[:, :, : unsure.profile_channels]
    matrices = coarse.frame_by_frame(one)[:, unsure.outputs["uncertainty"], unsure.frames]
    torch.testing.assert_close(matrices, found.sum(dim=2), atol=1e-6, rtol=1e-4)


def test_gradients_of_the_uncertainty_turn_round_at_even_odds(unsure):
    """d p(1 - p) = p (1 - p) (1 - 2 p) d logit."""
    names = ["integrated_gradients", "saliency"]
    found = {output: attributions(unsure, output, names)["saliency"] for output in ("logit", "uncertainty")}
    p = torch.sigmoid(unsure.model(unsure.x, unsure.observed)[:, 0, unsure.frames]).detach()
    assert (p < 0.4).any() and (p > 0.6).any()
    slope = (p * (1 - p) * (1 - 2 * p))[:, :, None, None]
    torch.testing.assert_close(found["uncertainty"], slope * found["logit"], atol=1e-7, rtol=1e-3)
    same = (found["uncertainty"] * found["logit"]).sum(dim=(2, 3))
    assert (same[p < 0.4] >= 0).all() and (same[p > 0.6] <= 0).all()
    assert (same[p < 0.4] > 0).any() and (same[p > 0.6] < 0).any()


@pytest.mark.parametrize("name", ["integrated_gradients", "saliency", "occlusion", "guided_backprop"])
def test_the_uncertainty_is_explained_as_captum_does(unsure, name):
    found = attributions(unsure, "uncertainty", list(dict.fromkeys(["integrated_gradients", name])))[name]
    model, extra = WithUncertainty(unsure.model), (unsure.observed,)
    for number, frame in enumerate(unsure.frames.tolist()):
        by_captum = METHODS[name](model, unsure.x, unsure.reference, (1, frame), extra, unsure.settings)
        torch.testing.assert_close(found[:, number], by_captum.detach(), atol=1e-6, rtol=1e-3)


def test_the_uncertainty_of_a_nearly_sure_state_is_not_rounded_away():
    logit = torch.tensor([[[-30.0, 0.0, 30.0]]])
    variance = WithUncertainty(nn.Identity())(logit)[0, 1]
    torch.testing.assert_close(variance, torch.tensor([9.3576e-14, 0.25, 9.3576e-14]), atol=0, rtol=1e-4)


class GuidedRectifier(torch.autograd.Function):
    """A rectifier that only the positive part of a gradient passes."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, gradient):
        return gradient.clamp(min=0) * (ctx.saved_tensors[0] > 0)


@pytest.mark.parametrize(
    ("task", "changes"),
    [
        ("epms2_to_states", {"name": "transformer"}),
        ("ms2_to_ms2_vae", {"name": "bernoulli_vae", "gated": False}),
        ("epms2_to_states", {}),
    ],
)
def test_guided_backprop_is_the_gradient_past_guided_rectifiers(tracks, task, changes):
    model, (x, observed) = track_model(task, **changes), inputs_of(task, tracks)
    settings = MethodSettings(1, 1, torch.ones(x.size(1)), 1, 0, 16)
    found = METHODS["guided_backprop"](model, x[:2], x[:1], (0, 40), (observed[:2],), settings)
    guided, point = copy.deepcopy(model), x[:2].clone().requires_grad_()
    rectifiers = [module for module in guided.modules() if isinstance(module, nn.ReLU)]
    for rectifier in rectifiers:
        rectifier.forward = GuidedRectifier.apply
    (expected,) = torch.autograd.grad(guided(point, observed[:2])[:, 0, 40].sum(), point)
    assert rectifiers and expected.abs().max() > 0
    torch.testing.assert_close(found, expected)


def test_contact_of_a_model_without_a_gate_is_nearness(tracks):
    x, observed = tracks
    reference = torch.tensor([0.0, 0.0, 0.0, 600.0])
    explainer = Explainer.of(track_model("ep_to_ms2", gated=False), "gaussian", x, observed, reference, CONFIG, 0)
    torch.testing.assert_close(explainer.contact, (1 - x[:, 3] / 600).clamp(min=0) * observed)


@pytest.mark.parametrize("task", ["epms2_to_ms2", "epms2_to_ms2_conditioned", "epms2_to_states"])
def test_what_is_past_the_gate_is_the_same_model(tracks, task):
    model, (x, observed) = track_model(task), inputs_of(task, tracks)
    past = PastGate(model)
    opened = past.opened(x, observed)
    torch.testing.assert_close(past(opened, observed), model(x, observed))
    folded = past.to_channels(opened, x.size(1))
    assert folded.shape == x.shape
    torch.testing.assert_close(folded[:, :3], opened[:, :3])
    at_gate = opened[:, 3] + model.gate(x) * observed
    torch.testing.assert_close(folded[:, 3], at_gate)


def test_gradients_become_the_change_per_nm_of_approach(tracks):
    x, observed = tracks
    explainer = Explainer.of(ContactFilter(), "gaussian", x, observed, torch.tensor([0.0, 0.0, 0.0, 600.0]), CONFIG, 0)
    along = torch.randn(N, 1, 4, T)
    step = -torch.cat([x[:, :3] / x[:, 3:].clamp_min(1e-6), torch.ones_like(x[:, 3:])], dim=1)
    expected = (along[:, 0] * step).sum(dim=1)
    torch.testing.assert_close(explainer.frame_scores("saliency", along, 4)[:, 0], expected)
    torch.testing.assert_close(explainer.frame_scores("occlusion", along, 4), along.sum(dim=2))


def test_reference_is_no_contact_and_no_transcription():
    x = torch.arange(60.0).view(1, 5, 12)
    observed = torch.ones(1, 12, dtype=torch.bool)
    observed[0, 11] = False
    assert reference_input(x, observed, 4, 0.5).tolist() == [0.0, 0.0, 0.0, 41.0, 50.5]
    assert reference_input(x[:, 4:], observed, 0, 0.5).tolist() == [50.5]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"methods": ("integrated_gradients", "noise_tunnel")}, "unknown attribution method 'noise_tunnel'"),
        ({"methods": ("saliency",)}, "methods must hold integrated_gradients"),
        ({"n_tracks": 0}, "n_tracks must be at least 1"),
        ({"n_tracks": 11}, "n_tracks must be at most profile_tracks"),
        ({"interval_level": 1.0}, "interval_level must lie between 0 and 1"),
        ({"deletion_fractions": (0.1, 0.5)}, "deletion_fractions must rise from 0"),
        ({"deletion_fractions": (0.0, 0.5, 0.2)}, "deletion_fractions must rise from 0"),
    ],
)
def test_bad_settings_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        replace(CONFIG, **change)
