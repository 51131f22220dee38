"""Methods that attribute a model's score to bases, behind one signature.

Every method gives *hypothetical* contributions (B, L, 4): what each of A, C, G, T would contribute at each place of a
window. The contribution of the base that is there is its own entry. Only bases have any: rows of N are zero.

A further method is a module of this folder with a function of the method's name, and its line in `METHODS`. This file
imports no torch, so that reading params stays quick.

A model here is a module with `forward(ids, regions)` and `forward_one_hot(x, regions)`, both -> (B,).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Literal, get_args

from contactlens.base.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

METHODS = {
    "saliency": "gradients",
    "input_x_gradient": "gradients",
    "integrated_gradients": "integrated_gradients",
    "region_integrated_gradients": "integrated_gradients",
    "shuffled_integrated_gradients": "shuffled_references",
    "region_shuffled_integrated_gradients": "shuffled_references",
    "gradient_shap": "shuffled_references",
    "lrp": "lrp",
    "mutagenesis": "mutagenesis",
}
"""Method -> the module of this folder that has it."""
BEST = "best"
Precision = Literal["float32", "tf32", "bfloat16"]
FLOAT32, TF32, BFLOAT16 = PRECISIONS = get_args(Precision)
YARDSTICK = "mutagenesis"
"""What the model does when a base changes: what others are measured by, at three passes a base too dear for all."""
BEST_FIRST = (
    "region_integrated_gradients",
    "region_shuffled_integrated_gradients",
    "saliency",
    "integrated_gradients",
    "lrp",
)
"""Methods by how well they find planted bases in the default run, for models that come without a table of their own."""


@dataclass(frozen=True)
class AttributionSettings:
    """ig_steps: nodes of a path integral; rows_per_pass: most windows in one pass of the model (bounds memory);
    references: shuffles of a window that paths begin at; precision: one of `PRECISIONS`, of the model's passes
    """

    ig_steps: int
    rows_per_pass: int
    references: int = 2
    precision: str = FLOAT32


AttributionFunction = Callable[["nn.Module", "Tensor", "Tensor", AttributionSettings], "Tensor"]
"""(model, ids (B, L), regions (B, R, L), settings) -> hypothetical contributions (B, L, 4)."""


def method_named(name: str) -> AttributionFunction:
    """The method of that name, one of `METHODS`."""
    function: AttributionFunction = getattr(import_module(f"{__name__}.{METHODS[name]}"), name)
    return function


def require_method(name: str) -> None:
    """Raises InputError unless `name` is one of `METHODS`, or `best`."""
    if name not in (BEST, *METHODS):
        raise InputError(f"no attribution method {name!r}; there are {', '.join((BEST, *METHODS))}")


def attribute(
    model: "nn.Module", ids: "Tensor", regions: "Tensor", method: str, settings: AttributionSettings
) -> "np.ndarray":
    """Hypothetical contributions (N, L, 4) float32 of any number of windows, a batch at a time."""
    import torch

    parts = list(zip(ids.split(settings.rows_per_pass), regions.split(settings.rows_per_pass), strict=True))
    function = method_named(method)
    with computing(settings.precision, ids.device.type):
        return torch.cat([function(model, *part, settings).float().cpu() for part in parts]).numpy()


def require_precision(name: str) -> None:
    """Raises InputError unless `name` is one of `PRECISIONS`."""
    if name not in PRECISIONS:
        raise InputError(f"no precision {name!r}; there are {', '.join(PRECISIONS)}")


@contextmanager
def computing(precision: str, device_type: str) -> Iterator[None]:
    """tf32: products of float32 numbers by the first 10 bits of their fractions, on GPUs that can; bfloat16: torch's
    automatic mixed precision."""
    import torch

    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("high" if precision == TF32 else "highest")
    torch.backends.cudnn.allow_tf32 = precision == TF32
    try:
        with torch.autocast(device_type, dtype=torch.bfloat16, enabled=precision == BFLOAT16):
            yield
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]
