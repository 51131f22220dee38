"""Methods with a rule for each module, on a model with a gate: they begin behind it.

The gate multiplies inputs that it is itself computed from, which no such rule covers. It works on each frame alone, or
on the place half way to the frame before, so what is found for the channels behind it belongs to the frame, and among
the frame's channels to the one it came from.
"""

import torch
from torch import Tensor, nn

from contactlens.attribution.any_method import SummedFrames
from contactlens.attribution.captum_methods import AttributionFunction, MethodSettings, Target
from contactlens.attribution.reach import Model
from contactlens.tracks.models.track_model import TrackModel


class PastGate(nn.Module):
    """A gated model as a function of what its gate lets through.

    Takes z (B, Z, T) from `opened` and observed (B, T), gives what the model gives.
    """

    def __init__(self, model: TrackModel) -> None:
        super().__init__()
        self.model = model

    def opened(self, x: Tensor, observed: Tensor) -> Tensor:
        """(B, Z, T): the backbone's input at x (B, C, T), then MS2 where that conditions the decoder."""
        gated = x.size(1) - int(self.model.task.conditioned)
        behind = self.model.gated_input(x[:, :gated], self.model.gate(x), observed)
        return torch.cat([behind, x[:, gated:]], dim=1)

    def to_channels(self, attributions: Tensor, channels: int) -> Tensor:
        """(B, C, T) from attributions (B, Z, T): contact, and what lies half way to the frame before, go to the channel
        that the gate reads, and the mask of observed frames, which is no measurement, to none. A channel that the model
        does not see has 0."""
        hidden = self.model.hidden_channels
        seen = channels - int(self.model.task.conditioned) - hidden
        mask = seen + 1 + 2 * self.model.sees_between_frames
        none = torch.zeros_like(attributions[:, :hidden])
        folded = torch.cat([none, attributions[:, :seen], attributions[:, mask + 1 :]], dim=1)
        folded[:, self.model.driver_channels - 1] += attributions[:, seen:mask].sum(dim=1)
        return folded

    def forward(self, z: Tensor, observed: Tensor) -> Tensor:
        model = self.model
        if model.context is None:
            return model.in_units(model.head(model.backbone(z, observed).features))
        context = model.context((z[:, -1] - model.signal_mean) / model.signal_sd, observed)
        return model.in_units(model.head(model.backbone(z[:, :-1], observed, context).features))


def behind_gate(method: AttributionFunction) -> AttributionFunction:
    """`method` for a gated `TrackModel` (or sums of its output frames), applied behind the gate."""

    def attribute(
        model: Model,
        x: Tensor,
        baseline: Tensor,
        target: Target,
        extra: tuple[Tensor, ...],
        settings: MethodSettings,
    ) -> Tensor:
        inner = model.model if isinstance(model, SummedFrames) else model
        assert isinstance(inner, TrackModel)
        past = PastGate(inner)
        with torch.no_grad():
            here, start = past.opened(x, *extra), past.opened(baseline.expand_as(x), *extra)
        applied = model.of(past) if isinstance(model, SummedFrames) else past
        return past.to_channels(method(applied, here, start, target, extra, settings), x.size(1))

    return attribute
