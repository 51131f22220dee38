"""The selective scan on the CPU: this package's path against a plain PyTorch loop and mambapy's parallel scan.

    python benchmarks/selective_scan.py [--length 4096] [--channels 512] [--states 16] [--threads 2] [--rounds 5]

Forward and backward, float32, every argument with a gradient. Each way runs in a process of its own, which reports its
best times and by how much its peak memory grew; the loop is the recurrence over `unbind`, in time linear in the
length. On a machine that does other work the ratio of CPU seconds, over all threads, is the steadier one.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor

from contactlens.dna.models.caduceus.scan import scan_reference, selective_scan

WAYS = ("numba", "loop", "mambapy")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--length", type=int, default=4096)
    parser.add_argument("--channels", type=int, default=512)
    parser.add_argument("--states", type=int, default=16)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--way", choices=WAYS, help="measure one way and print JSON (used for the processes)")
    return parser.parse_args()


def mambapy(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor) -> Tensor:
    """As `MambaBlock.selective_scan` of the package calls its own scan."""
    from mambapy.pscan import pscan

    decay = torch.exp(delta.unsqueeze(-1) * A)
    states = pscan(decay, delta.unsqueeze(-1) * B.unsqueeze(2) * u.unsqueeze(-1))
    return (states @ C.unsqueeze(-1)).squeeze(3) + D * u


def numba(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor) -> Tensor:
    return selective_scan(u, delta, A, B, C, D, backend="numba")


def inputs(options: argparse.Namespace) -> tuple[list[Tensor], Tensor]:
    """u, delta, A, B, C, D as a network gives them, and the gradient of y."""
    torch.manual_seed(0)
    batch, L, D, N = options.batch, options.length, options.channels, options.states
    values = [torch.randn(batch, L, D), torch.nn.functional.softplus(torch.randn(batch, L, D) - 2)]
    values += [-torch.exp(torch.randn(D, N)), torch.randn(batch, L, N), torch.randn(batch, L, N), torch.randn(D)]
    return [value.requires_grad_() for value in values], torch.randn(batch, L, D)


def measure(scan: Callable[..., Tensor], options: argparse.Namespace) -> dict[str, float]:
    torch.set_num_threads(options.threads)
    values, gy = inputs(options)
    small = [value[:, :64] if value.ndim == 3 else value for value in values]
    scan(*small).sum().backward()  # compiles
    rounds, before = [], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(options.rounds):
        start, busy = time.perf_counter(), time.process_time()
        y = scan(*values)
        half = time.perf_counter()
        torch.autograd.grad(y, values, gy)
        rounds.append((half - start, time.perf_counter() - half, time.process_time() - busy))
    forward, backward, cpu = (min(times) for times in zip(*rounds, strict=True))
    memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    checksum = y.detach().double().square().sum().item()
    return {"forward": forward, "backward": backward, "cpu": cpu, "memory": memory, "checksum": checksum}


def relative(result: dict[str, float], ours: dict[str, float], kinds: tuple[str, ...]) -> float:
    return sum(result[kind] for kind in kinds) / sum(ours[kind] for kind in kinds)


def main() -> None:
    options = arguments()
    if options.way:
        scans: dict[str, Callable[..., Tensor]] = {"numba": numba, "loop": scan_reference, "mambapy": mambapy}
        print(json.dumps(measure(scans[options.way], options)))
        return
    results = {}
    for way in WAYS:
        done = subprocess.run([sys.executable, *sys.argv, "--way", way], check=True, capture_output=True, text=True)
        results[way] = json.loads(done.stdout)
    print(
        f"batch {options.batch}, length {options.length}, {options.channels} channels, {options.states} states, "
        f"float32, {options.threads} threads; best of {options.rounds}"
    )
    for way, result in results.items():
        wall, busy = (relative(result, results["numba"], kinds) for kinds in (("forward", "backward"), ("cpu",)))
        agreement = abs(result["checksum"] / results["loop"]["checksum"] - 1)
        print(
            f"{way:8s} forward {result['forward'] * 1e3:7.1f} ms  backward {result['backward'] * 1e3:7.1f} ms  "
            f"CPU {result['cpu']:6.3f} s  {wall:5.1f}x the time and {busy:5.1f}x the CPU seconds of numba  "
            f"peak memory +{result['memory']:6.0f} MiB  off by {agreement:.0e}"
        )


if __name__ == "__main__":
    main()
