"""The model of tracks as the registry serves it: one tensor in, one out, and an archive that runs no code."""

import copy
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from mlflow.models.model import ModelInfo


class ServedModel(nn.Module):
    """A model of (x, observed) as one of x alone, NaN for a missing frame: (B, C, T) -> (B, K, T)."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        return self.model(torch.nan_to_num(x), torch.isfinite(x).all(dim=1))


def log_served_model(model: nn.Module, example: np.ndarray) -> "ModelInfo":
    """Log `ServedModel(model)` to the active run as a torch.export archive and give MLflow's description of it.

    model: takes x (B, C, T) and observed (B, T), as the pipeline's models do
    example: (B, C, T) float32 with B >= 2 and the T that the served model will take; NaN where a frame is missing

    The archive holds a graph and raw tensors, and MLflow refuses one with pickles in it, so loading it runs no code.
    B is free, T is the example's: pad shorter tracks with NaN.
    """
    import mlflow.pytorch
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    _, C, T = example.shape
    number = np.dtype("float32")
    served = ServedModel(copy.deepcopy(model)).cpu().eval()
    with torch.no_grad():
        K = served(torch.from_numpy(example[:1])).size(1)
    return mlflow.pytorch.log_model(
        served,
        name="model",
        signature=ModelSignature(
            inputs=Schema([TensorSpec(number, (-1, C, T))]), outputs=Schema([TensorSpec(number, (-1, K, T))])
        ),
        input_example=example.astype(np.float32),
        serialization_format="pt2",
        pip_requirements=[f"torch=={torch.__version__.split('+')[0]}", f"numpy=={np.__version__}"],
    )
