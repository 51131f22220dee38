"""The distance half way between a frame and the one before: where a straight path between the two passes the locus.

Two frames at one distance may lie on the same side or on opposite ones, which the distances do not tell and the vectors
do: a contact between frames leaves a trace here alone. No rotation changes it.
"""

import torch
from torch import Tensor

LEAST_NM = 1.0  # below it, where a length has no useful gradient, it is this


def halfway_distance(driver: Tensor, observed: Tensor) -> Tensor:
    """|s(t) + s(t - 1)| / 2 in nm, (N, T), from the lengths of both and of the step between them (parallelogram law): a
    separation that is long and has no direction, as in an explanation's reference, is as long half way.

    driver: (N, 4, T) x, y, z and distance; observed: (N, T). After a gap, and at the first frame, it is the distance
    """
    vector, distance = driver[:, :3], driver[:, 3]
    step = (vector[..., 1:] - vector[..., :-1]).square().sum(dim=1)
    square = (distance[:, 1:].square() + distance[:, :-1].square()) / 2 - step / 4
    between = square.clamp(min=LEAST_NM**2).sqrt()
    before = torch.where(observed[:, :-1], between, distance[:, 1:])
    return torch.cat([distance[:, :1], before], dim=1)
