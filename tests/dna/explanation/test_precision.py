"""Fewer digits in the passes of the model: where they are used, and where a sample says that they may not be."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from contactlens.base.errors import InputError
from contactlens.dna.data.batch import StoredWindows
from contactlens.dna.data.genome import Genome
from contactlens.dna.explanation.methods import (
    BFLOAT16,
    FLOAT32,
    TF32,
    AttributionSettings,
    attribute,
    computing,
    require_precision,
)
from contactlens.dna.explanation.precision import agreed, agreement
from contactlens.dna.models.caduceus import Caduceus, CaduceusConfig, SsmConfig
from contactlens.dna.models.classifier import WindowClassifier
from contactlens.dna.models.config import HeadConfig
from contactlens.dna.models.dilated_cnn import DilatedCnn, DilatedCnnConfig

L = 48
SETTINGS = AttributionSettings(ig_steps=2, rows_per_pass=5)
HALVED = replace(SETTINGS, precision=BFLOAT16)
BACKBONES = {
    "caduceus": lambda: Caduceus(CaduceusConfig(d_model=8, n_layer=2, ssm_cfg=SsmConfig(d_state=2))),
    "dilated_cnn": lambda: DilatedCnn(DilatedCnnConfig(8, 2, 5)),
}


def stored_windows(n: int) -> StoredWindows:
    rng = np.random.default_rng(0)
    genome = Genome.of({"c": "".join(rng.choice(list("ACGT"), 1_000))})
    starts = rng.integers(0, 1_000 - L, n).tolist()
    bounds = np.tile([[[2, 12], [20, 40]]], (n, 1, 1))
    places = [("c", start, start + L) for start in starts]
    return StoredWindows(genome, places, bounds, torch.ones(n), [f"w{i}" for i in range(n)])


def classifier(backbone: str) -> WindowClassifier:
    torch.manual_seed(0)
    return WindowClassifier(BACKBONES[backbone](), "pair", HeadConfig(4)).eval()


class Shifted(nn.Module):
    """A score that is squared after a large number was added and taken away: 8 bits of a fraction lose the sequence."""

    def __init__(self, shift: float) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer, self.shift = nn.Linear(4, 1), shift
        nn.init.constant_(self.layer.bias, shift)

    def forward_one_hot(self, x: Tensor, regions: Tensor) -> Tensor:
        return ((self.layer(x[..., 7:11]).squeeze(-1) - self.shift) ** 2).sum(-1)


def test_agreement_is_pearsons_r_of_centred_contributions() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.standard_normal((2, 3, 6, 4))
    other[1] = one[1] + 5.0  # the same once the mean of the four is taken away
    other[2] = 1.0
    found = agreement(one.copy(), other.copy())
    flat = [(part[0] - part[0].mean(-1, keepdims=True)).ravel() for part in (one, other)]
    np.testing.assert_allclose(found, [np.corrcoef(*flat)[0, 1], 1.0, 0.0], atol=1e-6)
    assert agreement(other[2:], other[2:]).tolist() == [1.0]


def test_each_precision_is_torchs_own_and_is_put_back() -> None:
    layer, x = nn.Linear(3, 3), torch.ones(1, 3)
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    seen = {}
    for precision in (FLOAT32, TF32, BFLOAT16):
        with computing(precision, "cpu"):
            tf32 = torch.backends.cudnn.allow_tf32
            seen[precision] = torch.get_float32_matmul_precision(), tf32, layer(x).dtype
        assert (torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32) == before
    assert seen == {
        FLOAT32: ("highest", False, torch.float32),
        TF32: ("high", True, torch.float32),
        BFLOAT16: ("highest", False, torch.bfloat16),
    }
    assert layer(x).dtype == torch.float32


@pytest.mark.parametrize("method", ["saliency", "region_integrated_gradients", "lrp", "mutagenesis"])
@pytest.mark.parametrize("backbone", list(BACKBONES))
def test_contributions_in_bfloat16_are_near_those_in_float32(backbone: str, method: str) -> None:
    model, batch = classifier(backbone), stored_windows(6).read(range(6))
    whole, halved = (attribute(model, batch.ids, batch.regions, method, one) for one in (SETTINGS, HALVED))
    assert halved.dtype == np.float32 and np.abs(halved - whole).max() > 0
    assert agreement(whole, halved).min() > 0.95


def test_fewer_digits_stay_where_a_sample_agrees(capsys: pytest.CaptureFixture[str]) -> None:
    model, several = Shifted(0.0), [stored_windows(60), stored_windows(4)]
    assert agreed(model, several, "saliency", HALVED) == HALVED
    said = capsys.readouterr().out
    assert said.startswith("saliency in bfloat16: r of its contributions with those in float32 is ")
    assert said.endswith("or more, in 16 windows\n")
    assert agreed(model, several, "saliency", SETTINGS) == SETTINGS
    assert capsys.readouterr().out == ""


def test_float32_takes_the_place_of_fewer_digits_that_change_contributions(capsys: pytest.CaptureFixture[str]) -> None:
    assert agreed(Shifted(3000.0), [stored_windows(30)], "saliency", HALVED) == SETTINGS
    assert "where 0.99 is asked of each of 16 windows: float32 takes its place" in capsys.readouterr().out


def test_an_unknown_precision_is_named() -> None:
    with pytest.raises(InputError, match="no precision 'float16'; there are float32, tf32, bfloat16"):
        require_precision("float16")
