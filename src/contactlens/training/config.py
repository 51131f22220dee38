"""Settings of the training loop of both branches; imports no torch, so that reading params stays quick."""

from contactlens.base.settings import NonNegativeFloat, PositiveFloat, PositiveInt, rule, settings

USUAL_DEVICES = ("auto", "cpu", "cuda")  # any other one is left to torch


def is_device(name: str) -> bool:
    """Whether `resolve_device` knows the name, wherever there may be such a device."""
    if name in USUAL_DEVICES:
        return True
    import torch

    try:
        return bool(torch.device(name).type)
    except RuntimeError:
        return False


@settings
class LoopConfig:
    """How a model is trained, with AdamW and a learning rate that falls as half a cosine.

    learning_rate: largest, from which it falls
    weight_decay: of AdamW
    batch_size: rows per backward pass
    max_epochs: epochs unless training stops before
    patience: epochs without a better validation score after which training stops
    gradient_clip: largest norm of the gradient
    amp: mixed precision (bfloat16), on a GPU only
    device: `auto` takes a GPU where there is one
    threads: CPU threads; the same number gives the same bytes
    """

    learning_rate: PositiveFloat
    weight_decay: NonNegativeFloat
    batch_size: PositiveInt
    max_epochs: PositiveInt
    patience: PositiveInt
    gradient_clip: PositiveFloat
    amp: bool
    device: str
    threads: PositiveInt

    @rule
    def _device_is_known(self) -> None:
        if not is_device(self.device):
            raise ValueError(f"device must be auto or a device of torch, such as cuda, got {self.device!r}")
