"""The nonlinear steps of the network, in one replaceable place: attribution rules override them one by one."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from contactlens.dna.models.caduceus.convolution import depthwise, depthwise_silu
from contactlens.dna.models.caduceus.scan import Backend, selective_scan


class Operations:
    """The network as it is. A subclass may change what flows backwards, never the values."""

    def __init__(self, backend: Backend = "auto") -> None:
        self.backend: Backend = backend

    def convolution_silu(self, x: Tensor, weight: Tensor, bias: Tensor | None, reverse: bool) -> Tensor:
        """SiLU of a depthwise convolution: x (B, L, D), weight (D, 1, K), bias (D,) -> (B, L, D).

        In one pass where nothing in it is overridden.
        """
        mine, theirs = type(self), Operations
        if mine.silu is theirs.silu and mine.add_bias is theirs.add_bias:
            return depthwise_silu(x, weight, bias, reverse)
        total = depthwise(x, weight, reverse)
        return self.silu(total if bias is None else self.add_bias(total, bias))

    def silu(self, x: Tensor) -> Tensor:
        return F.silu(x)

    def rms_norm(self, x: Tensor, weight: Tensor, eps: float) -> Tensor:
        """x / rms(x) * weight over the last axis."""
        return F.rms_norm(x, weight.shape, weight, eps)

    def layer_norm(self, x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
        return F.layer_norm(x, weight.shape, weight, bias, eps)

    def add_bias(self, x: Tensor, bias: Tensor) -> Tensor:
        """x (B, ..., D) + bias (D,): where relevance may leak."""
        return x + bias

    def product(self, a: Tensor, b: Tensor) -> Tensor:
        """Elementwise product of two factors that both depend on the input."""
        return a * b

    def scan(self, u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor, reverse: bool) -> Tensor:
        """The selective scan, in float32 at least, as its state loses too much in half precision."""
        dtype, wide = u.dtype, torch.promote_types(u.dtype, torch.float32)
        # Autocast leaves arguments of several dtypes.
        u, delta, A, B, C, D = (value.to(wide) for value in (u, delta, A, B, C, D))
        return selective_scan(u, delta, A, B, C, D, reverse, self.backend).to(dtype)


class UsesOperations:
    """A module whose nonlinear steps can be replaced through `replaced_operations`."""

    operations: Operations = Operations()


class replaced_operations:  # noqa: N801 - used like a function
    """Context in which every part of `model` computes with `operations`."""

    def __init__(self, model: torch.nn.Module, operations: Operations) -> None:
        self._parts = [part for part in model.modules() if isinstance(part, UsesOperations)]
        self._operations = operations

    def __enter__(self) -> Operations:
        self._before = [part.operations for part in self._parts]
        for part in self._parts:
            part.operations = self._operations
        return self._operations

    def __exit__(self, *_: Any) -> None:
        for part, before in zip(self._parts, self._before, strict=True):
            part.operations = before
