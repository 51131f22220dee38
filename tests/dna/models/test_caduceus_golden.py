"""Agreement with outputs and gradients of the published code, for every variant of the architecture."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from contactlens.dna.data.tokens import reverse_complement_ids
from contactlens.dna.models.caduceus import CaduceusForMaskedLM, load_caduceus
from contactlens.dna.models.caduceus.checkpoint import published_names
from reference_files import SMALL, caduceus

VARIANTS = ("ph", "ps", "untied", "ps_unfused", "ps_even", "ph_mul")
GOLDEN = [
    pytest.param(*folder.values, case, id=f"{folder.id}-{case}")
    for case in ("L64", "special48", "L257")
    for folder in caduceus(*VARIANTS, holding=f"golden_{case}.npz")
]


def read(folder: Path, name: str) -> dict[str, np.ndarray]:
    with np.load(folder / f"{name}.npz") as content:
        return dict(content)


def assert_exact(ours: Tensor, golden: np.ndarray) -> None:
    """Float64 to a relative 1e-8; the absolute part is for entries that cancel."""
    torch.testing.assert_close(ours.detach(), torch.from_numpy(golden), rtol=1e-8, atol=1e-11)


def relative(ours: Tensor, golden: np.ndarray) -> float:
    return float(np.linalg.norm(ours.double().numpy() - golden) / np.linalg.norm(golden))


def with_gradients(
    model: CaduceusForMaskedLM, golden: dict[str, np.ndarray]
) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """Hidden states, logits, and the gradients of two scalars with respect to the embedding layer's output."""
    dtype = model.backbone.embedding.weight.dtype
    embeddings = model.backbone.embeddings(torch.from_numpy(golden["input_ids"])).detach().requires_grad_()
    hidden = model.backbone(embeddings=embeddings)
    logits = model.head(hidden)
    gradients = {}
    for name, value in (("hidden", hidden), ("logits", logits)):
        scalar = (value * torch.from_numpy(golden[f"W_{name}"]).to(dtype)).sum()
        (gradients[name],) = torch.autograd.grad(scalar, embeddings, retain_graph=True)
    return hidden.detach(), logits.detach(), gradients


@pytest.mark.parametrize(("folder", "case"), GOLDEN)
def test_float64_agrees_in_states_logits_and_gradients(folder: Path, case: str) -> None:
    golden = read(folder, f"golden_{case}")
    model = load_caduceus(folder, torch.float64)
    hidden, logits, gradients = with_gradients(model, golden)
    assert_exact(hidden, golden["last_hidden_state_f64"])
    assert_exact(logits, golden["logits_f64"])
    assert_exact(gradients["hidden"], golden["grad_emb_scalar_hidden_f64"])
    assert_exact(gradients["logits"], golden["grad_emb_scalar_logits_f64"])
    assert_exact(model(torch.from_numpy(golden["input_ids"])), golden["logits_f64"])


@pytest.mark.parametrize(("folder", "case"), GOLDEN)
def test_float32_agrees_within_its_rounding(folder: Path, case: str) -> None:
    golden = read(folder, f"golden_{case}")
    hidden, _, gradients = with_gradients(load_caduceus(folder), golden)
    np.testing.assert_allclose(hidden.numpy(), golden["last_hidden_state"], rtol=0, atol=1e-4)
    np.testing.assert_allclose(hidden.numpy(), golden["last_hidden_state_f64"], rtol=0, atol=1e-4)
    for name, gradient in gradients.items():
        assert relative(gradient, golden[f"grad_emb_scalar_{name}_f64"]) < 2e-5
    if "grad_emb_scalar_hidden_f32" in golden:
        assert relative(gradients["hidden"], golden["grad_emb_scalar_hidden_f32"]) < 2e-5


@pytest.mark.parametrize("folder", caduceus(*VARIANTS, holding="param_grads_L64_f64.npz"))
def test_gradients_of_every_parameter_agree(folder: Path) -> None:
    ids = torch.from_numpy(read(folder, "golden_L64")["input_ids"])
    weight = torch.from_numpy(read(folder, "golden_L64")["W_hidden"])
    golden = read(folder, "param_grads_L64_f64")
    model = load_caduceus(folder, torch.float64)
    (model.backbone(ids) * weight).sum().backward()
    names = [name for name in published_names(model) if not name.endswith("complement_map")]
    gradients = {n: p.grad for n, p in zip(names, model.backbone.parameters(), strict=True)}
    assert set(gradients) == set(golden)
    for name, gradient in gradients.items():
        assert relative(gradient, golden[name]) < 1e-8, name


def published_layout(model: CaduceusForMaskedLM, strands: Tensor, blocks: int) -> Tensor:
    """Two strands (2 B, L, d) after some blocks as (B, L, 2 d); each block of a fused rcps model exchanges them."""
    forward, reverse = strands.chunk(2)
    if not model.config.rcps:
        return forward
    first, second = (reverse, forward) if model.config.fused_add_norm and blocks % 2 else (forward, reverse)
    return torch.cat([first, second.flip(1, 2)], dim=-1)


@pytest.mark.parametrize("folder", caduceus(*VARIANTS))
def test_every_block_agrees(folder: Path) -> None:
    golden = read(folder, "golden_L64")
    model = load_caduceus(folder, torch.float64)
    ids = torch.from_numpy(golden["input_ids"])[: golden["streams_f64"].shape[1]]
    assert_exact(model.backbone.embeddings(ids), golden["streams_f64"][0])
    both = model.backbone.embedding(torch.cat([ids, reverse_complement_ids(ids)]))
    stages = list(model.backbone.stages(both))
    assert len(stages) == len(golden["residuals_f64"])
    for i, (mixed, residual) in enumerate(stages):
        assert_exact(published_layout(model, mixed, i + 1), golden["streams_f64"][i + 1])
        assert_exact(published_layout(model, residual, i + 1), golden["residuals_f64"][i])


@pytest.mark.parametrize("folder", caduceus(*VARIANTS, holding="debug_layer0_L64_f64.npz"))
def test_each_direction_of_the_first_mixer_agrees(folder: Path) -> None:
    golden = {name.removeprefix("layer0_"): value for name, value in read(folder, "debug_layer0_L64_f64").items()}
    mixer = load_caduceus(folder, torch.float64).backbone.layers[0].mixer
    calls = (0, 1) if folder.name == "ps" else (0,)
    for call in calls:
        for name, mamba in (("mamba_fwd", mixer.mamba_fwd), ("mamba_rev", mixer.mamba_rev)):
            x, z = mamba.split(torch.from_numpy(golden[f"{name}_in_call{call}"]))
            assert_exact(
                mamba.out_proj(mamba.gated(mamba.scanned(x, reverse=False), z)), golden[f"{name}_out_call{call}"]
            )
            # The published code flips the input of its second Mamba; here the scan itself runs backwards.
            back = mamba.out_proj(mamba.gated(mamba.scanned(x.flip(1), reverse=True), z.flip(1)))
            assert_exact(back.flip(1), golden[f"{name}_out_call{call}"])


def test_the_two_rcps_paths_are_different_functions_of_the_same_weights() -> None:
    fused = load_caduceus(SMALL / "caduceus" / "ps", torch.float64)
    unfused = CaduceusForMaskedLM(replace(fused.config, fused_add_norm=False)).double()
    unfused.load_state_dict(fused.state_dict())
    ids = torch.from_numpy(read(SMALL / "caduceus" / "ps", "golden_L64")["input_ids"])
    assert (fused.backbone(ids) - unfused.backbone(ids)).abs().max() > 1


@pytest.mark.parametrize("folder", caduceus(*VARIANTS, holding="pytorch_model.bin"))
def test_old_weight_files_give_the_same_model(folder: Path, tmp_path: Path) -> None:
    for name in ("config.json", "pytorch_model.bin"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    old, new = published_names(load_caduceus(tmp_path)), published_names(load_caduceus(folder))
    assert old.keys() == new.keys()
    assert all(torch.equal(old[name], new[name]) for name in new)
