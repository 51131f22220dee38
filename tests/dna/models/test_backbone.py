"""The settings of the backbone as the published configuration."""

from dataclasses import replace

import pytest

from contactlens.dna.models.caduceus import Caduceus, CaduceusConfig, SsmConfig
from contactlens.dna.models.config import BackboneConfig, DilatedCnnSizes

CONFIG = BackboneConfig("caduceus", "pretrain", 12, 3, 5, True, False, DilatedCnnSizes(n_layer=2, kernel_size=3))


def test_every_size_arrives() -> None:
    expected = CaduceusConfig(d_model=12, n_layer=3, rcps=True, fused_add_norm=False, ssm_cfg=SsmConfig(d_state=5))
    assert CONFIG.network == expected
    assert replace(CONFIG, rcps=False, fused_add_norm=True).network == replace(
        expected, rcps=False, fused_add_norm=True
    )
    model = Caduceus(CONFIG.network)
    assert len(model.layers) == 3 and model.embedding.weight.shape == (16, 12)
    assert model.layers[0].mixer.mamba_fwd.A_log.shape == (24, 5)


@pytest.mark.parametrize(
    ("name", "value"), [("d_model", 0), ("n_layer", 0), ("d_state", -1), ("source", ""), ("source", "  ")]
)
def test_nonsense_is_refused(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"{name} must"):
        replace(CONFIG, **{name: value})
