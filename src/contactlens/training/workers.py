"""Processes that train one model together: each takes a part of every step's rows, and all take the same step.

Gradients are summed once a step, by their shares of its rows. DistributedDataParallel would average them in the
backward pass of a model that is called as a whole: here a loss calls parts of it, and shares of a step may differ.
Needs torch alone; what starts the processes and joins them into torch's process group is not known here.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

T = TypeVar("T")


@dataclass(frozen=True)
class Workers:
    """This process is number `rank`, from 0, of `count`; alone, nothing below does anything.

    What is summed is the same in every process afterwards, to the bit. Tensors must lie where the process group takes
    them: on the GPU for NCCL.
    """

    rank: int = 0
    count: int = 1

    @classmethod
    def of_process_group(cls) -> "Workers":
        """Those of torch's default process group, alone where there is none."""
        if not (dist.is_available() and dist.is_initialized()):
            return cls()
        return cls(dist.get_rank(), dist.get_world_size())

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def part(self, rows: Tensor) -> Tensor:
        """This process's share of `rows` (n,), in their order; parts differ by one row at most."""
        return rows.tensor_split(self.count)[self.rank]

    def turns(self, items: Sequence[T]) -> Sequence[T]:
        """The items that this process does."""
        return items[self.rank :: self.count]

    def sum(self, value: Tensor) -> Tensor:
        """`value` with what the others have added, in place."""
        if self.count > 1:
            dist.all_reduce(value)
        return value

    def sum_named(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The sum of each scalar; every process has the same names, in the same order."""
        if self.count == 1:
            return dict(values)
        return dict(zip(values, self.sum(torch.stack(list(values.values()))), strict=True))

    def sum_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """The sum of each parameter's gradients; one that has none in any process keeps none."""
        if self.count == 1:
            return
        has = torch.tensor([p.grad is not None for p in parameters], dtype=parameters[0].dtype)
        gradients = [(torch.zeros_like(p) if p.grad is None else p.grad).reshape(-1) for p in parameters]
        *sums, having = self.sum(torch.cat([*gradients, has.to(gradients[0].device)])).split(
            [*(p.numel() for p in parameters), len(parameters)]
        )
        for parameter, total, n in zip(parameters, sums, having.tolist(), strict=True):
            parameter.grad = total.view_as(parameter).to(parameter.dtype) if n else None

    def share_weights(self, model: nn.Module) -> None:
        """Every process starts from the first one's weights, whatever its machine makes of a seed."""
        if self.count > 1:
            for tensor in model.state_dict().values():
                dist.broadcast(tensor, 0)

    def from_first(self, value: Any, device: torch.device | str = "cpu") -> Any:
        """The first process's `value`, made of what JSON can hold: no process runs what another sends it."""
        if self.count == 1:
            return value
        sent = torch.frombuffer(bytearray(json.dumps(value).encode()), dtype=torch.uint8).to(device)
        length = torch.tensor(len(sent), device=device)
        dist.broadcast(length, 0)
        text = sent if self.is_first else torch.empty(int(length), dtype=torch.uint8, device=device)
        dist.broadcast(text, 0)
        return json.loads(text.cpu().numpy().tobytes())

    @contextmanager
    def first_before_others(self) -> Iterator[None]:
        """The first process runs the body, then the others."""
        if not self.is_first:
            self._meet()
        yield
        if self.is_first:
            self._meet()

    def _meet(self) -> None:
        if self.count > 1:
            dist.barrier()


ALONE = Workers()
