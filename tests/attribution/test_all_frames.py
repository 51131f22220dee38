import captum.attr
import pytest
import torch

from contactlens.attribution import all_frames, frame_by_frame
from contactlens.attribution.captum_methods import MethodSettings, method_named
from contactlens.attribution.reach import FrameReach, temporal_reach

T = 45
STEPS = 7
ATOL = 1e-7  # Captum keeps quadrature weights and occlusion sums in float32
SETTINGS = MethodSettings(
    ig_steps=STEPS,
    noise_samples=6,
    noise_sd=torch.tensor([0.1, 0.2, 0.05]),
    occlusion_window=6,
    seed=3,
    rows_per_pass=64,
)


def matrix(method, model, x, baseline, channel, extra, reach, frames, rows):
    shared = {"extra": extra, "frames": frames, "rows_per_pass": rows}
    match method:
        case "saliency":
            return all_frames.saliency_matrix(model, x, channel, reach=reach, **shared)
        case "integrated_gradients":
            return all_frames.integrated_gradients_matrix(model, x, baseline, channel, STEPS, reach=reach, **shared)
        case "noise_tunnel(saliency)":
            noise = (SETTINGS.noise_sd, SETTINGS.noise_samples, SETTINGS.seed)
            return all_frames.smoothgrad_matrix(model, x, channel, *noise, reach=reach, **shared)
        case "occlusion":
            window = SETTINGS.occlusion_window
            return all_frames.occlusion_matrix(model, x, baseline, channel, window, reach=reach, **shared)


@pytest.mark.parametrize("method", ["saliency", "integrated_gradients", "noise_tunnel(saliency)", "occlusion"])
@pytest.mark.parametrize("name", ["strided", "pooled"])
@pytest.mark.parametrize("rows", [1, 5, 64])
def test_matrix_equals_the_loop_of_captum_calls(request, method, name, rows, x, observed):
    # Captum draws noise in float32 only: the two streams are the same there.
    dtype = torch.float32 if method == "noise_tunnel(saliency)" else torch.float64
    model, x = request.getfixturevalue(name).to(dtype), x.to(dtype)
    reach = temporal_reach(model, x[:1], (torch.ones_like(observed[:1]),), 16)
    baseline = torch.full_like(x[:1], 0.3)
    frames = torch.arange(0, T, 4)
    for channel in (0, 1):
        together = matrix(method, model, x, baseline, channel, (observed,), reach, frames, rows)
        for row, t in enumerate(frames.tolist()):
            alone = method_named(method)(model, x, baseline, (channel, t), (observed,), SETTINGS)
            torch.testing.assert_close(together[:, row], alone, rtol=0, atol=ATOL if dtype == torch.float64 else 1e-6)


def test_every_frame_and_plain_captum_without_adapters(strided, x, observed):
    extra = (observed[:1],)
    reach = temporal_reach(strided, x[:1], extra, 16)
    baseline = torch.zeros_like(x[:1])
    together = all_frames.integrated_gradients_matrix(
        strided, x[:1], baseline, 0, 50, extra=extra, reach=reach, frames=torch.arange(T), rows_per_pass=16
    )
    captum_ig = captum.attr.IntegratedGradients(strided)
    alone = torch.cat([captum_ig.attribute(x[:1], baseline, (0, t), additional_forward_args=extra) for t in range(T)])
    torch.testing.assert_close(together[0], alone, rtol=0, atol=ATOL)


@pytest.mark.parametrize("method", ["saliency", "occlusion"])
def test_dense_passes_give_the_same_as_shared_ones(strided, x, observed, method):
    frames, baseline = torch.arange(T), torch.full_like(x[:1], 0.3)
    shared = temporal_reach(strided, x[:1], (torch.ones_like(observed[:1]),), 16)
    dense = FrameReach.everything(T, x.device)
    one, other = (matrix(method, strided, x, baseline, 1, (observed,), reach, frames, 16) for reach in (shared, dense))
    assert shared.width < T / 3
    torch.testing.assert_close(one, other, rtol=0, atol=1e-14)


@pytest.mark.parametrize("window", [1, 6])
def test_windows_share_passes_as_far_as_they_reach_no_frame_in_common(strided, x, observed, window):
    reach = temporal_reach(strided, x[:1], (torch.ones_like(observed[:1]),), 16)
    runs = []

    def counted(points, *extra):
        runs.append(len(points))
        return strided(points, *extra)

    given = {"extra": (observed,), "reach": reach, "frames": torch.arange(T), "rows_per_pass": 8}
    all_frames.occlusion_matrix(counted, x, torch.zeros_like(x[:1]), 0, window, **given)
    occluded = all_frames.occlusion_windows(T, window)
    outputs = reach.transposed()
    overlapping = max(
        sum(bool(((outputs.first <= t) & (t <= outputs.last) & frames).any()) for frames in occluded) for t in range(T)
    )
    assert sum(runs) == len(x) * (1 + overlapping)
    assert overlapping < len(occluded)


def test_filter_has_its_kernel_in_every_row(fir):
    x = torch.randn(1, 2, 30, dtype=torch.float64)
    reach = temporal_reach(fir, x, (), 16)
    frames = torch.tensor([3, 10, 29])
    gradient = all_frames.saliency_matrix(fir, x, 1, extra=(), reach=reach, frames=frames, rows_per_pass=4)
    for row, t in enumerate(frames.tolist()):
        for lag in range(6):
            if t >= lag:
                torch.testing.assert_close(gradient[0, row, :, t - lag], 2 * fir.kernel[:, lag])
        assert (gradient[0, row] != 0).sum() == 2 * min(t + 1, 6)


def test_parameters_and_random_state_are_left_alone(strided, x, observed):
    before = torch.random.get_rng_state()
    reach = temporal_reach(strided, x[:1], (torch.ones_like(observed[:1]),), 16)
    for method in ("saliency", "noise_tunnel(saliency)"):
        matrix(method, strided, x, None, 0, (observed,), reach, torch.arange(T), 16)
    assert all(parameter.grad is None and parameter.requires_grad for parameter in strided.parameters())
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize("name", ["strided", "pooled"])
@pytest.mark.parametrize("rows", [3, 64])
def test_frame_by_frame_matrix_is_the_sum_over_channels_of_captums_loop(request, name, rows, x, observed):
    model = request.getfixturevalue(name)
    reach = temporal_reach(model, x[:1], (torch.ones_like(observed[:1]),), 16)
    baseline = torch.full_like(x[:1], 0.3)
    together = frame_by_frame.integrated_gradients_frames(
        model, x, baseline, STEPS, 2, extra=(observed,), reach=reach, rows_per_pass=rows
    )
    assert together.shape == (2, 2, T, T)
    for channel in (0, 1):
        for t in range(0, T, 4):
            alone = method_named("integrated_gradients")(model, x, baseline, (channel, t), (observed,), SETTINGS)
            torch.testing.assert_close(together[:, channel, t], alone[:, :2].sum(dim=1), rtol=0, atol=ATOL)
