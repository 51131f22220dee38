"""The Ray cluster that sweeps would use."""

import logging
from pathlib import Path
from typing import Any

from contactlens.ops.cluster_address import cluster_address
from contactlens.ops.doctor.check import Check, first_line
from contactlens.ops.doctor.reach import unreachable

START = "start the cluster, or unset RAY_ADDRESS to sweep on this machine"


def examine(root: Path) -> list[Check]:
    address = cluster_address()
    if address is None:
        return [Check("cluster", "ok", "RAY_ADDRESS is not set: a sweep starts a Ray of its own on this machine")]
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon and port.isdigit() and (why := unreachable(host.strip("[]"), int(port))):
        return [Check("cluster", "problem", f"RAY_ADDRESS={address} cannot be reached: {why}", START)]
    return [_joined(address)]


def _joined(address: str) -> Check:
    """As a sweep joins it. What listens there may be no Ray: this process's time limit ends the wait."""
    import ray

    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.CRITICAL)
    except Exception as error:  # Ray raises its own, and those of gRPC and of its start-up checks
        said = f"RAY_ADDRESS={address}: {first_line(error)}"
        remedy = "this machine must be a node of the cluster, with the same Ray, Python and token (RAY_AUTH_TOKEN_PATH)"
        return Check("cluster", "problem", said, remedy)
    alive = [node for node in ray.nodes() if node["Alive"]]
    return Check("cluster", "ok", f"RAY_ADDRESS={address}: {described(alive, ray.cluster_resources())}")


def described(nodes: list[Any], resources: dict[str, float]) -> str:
    count = f"{len(nodes)} node{'s' * (len(nodes) != 1)}"
    return f"{count}, {resources.get('CPU', 0):g} CPUs, {resources.get('GPU', 0):g} GPUs"
