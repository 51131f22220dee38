"""Contributions computed in fewer digits, where a sample of the windows shows that they stay the same."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from torch import nn

from contactlens.attribution.centring import centred
from contactlens.dna.data.batch import Windows
from contactlens.dna.explanation.methods import FLOAT32, AttributionSettings, attribute

SAMPLE = 16  # windows, evenly from all
LEAST_AGREEMENT = 0.99


def agreed(
    model: nn.Module, several: Sequence[Windows], method: str, settings: AttributionSettings
) -> AttributionSettings:
    """The settings, in float32 where fewer digits would change what is explained; says so on standard output.

    Contributions of a sample of the windows are made in both, and compared by `agreement`.
    several: sets of windows, each of one length
    """
    if settings.precision == FLOAT32:
        return settings
    device, total = next(model.parameters()).device, sum(map(len, several))
    found = []
    for windows in several:
        count = min(len(windows), -(-SAMPLE * len(windows) // total))
        batch = windows.read(np.linspace(0, len(windows) - 1, count).astype(int).tolist()).to(device)
        both = (
            attribute(model, batch.ids, batch.regions, method, replace(settings, precision=precision))
            for precision in (settings.precision, FLOAT32)
        )
        found.append(agreement(*both))
    least = float(np.concatenate(found).min())
    what = f"{method} in {settings.precision}: r of its contributions with those in float32 is {least:.3f} or more"
    if least >= LEAST_AGREEMENT:
        print(f"{what}, in {sum(map(len, found))} windows")
        return settings
    print(
        f"{what}, where {LEAST_AGREEMENT} is asked of each of {sum(map(len, found))} windows: float32 takes its place"
    )
    return replace(settings, precision=FLOAT32)


def agreement(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Pearson's r (N,) of two sets of hypothetical contributions (N, L, 4), centred as motif discovery sees them; 1
    where they are equal, 0 where one of them is constant."""
    flat = [centred(part).reshape(len(part), -1).astype(np.float64) for part in (one, other)]
    flat = [part - part.mean(axis=1, keepdims=True) for part in flat]
    scale = np.sqrt(np.prod([(part**2).sum(axis=1) for part in flat], axis=0))
    product = (flat[0] * flat[1]).sum(axis=1)
    r = np.divide(product, scale, out=np.zeros_like(product), where=scale > 0)
    return np.where((flat[0] == flat[1]).all(axis=1), 1.0, r)
