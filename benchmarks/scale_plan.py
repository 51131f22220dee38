"""What Caduceus at 65,536 bp takes on 1, 8 and 64 GPUs, from the constants measured on one: the table of docs/scale.md.

    python benchmarks/scale_plan.py [--checks benchmarks/gpu_checks_h200.json] [--train-windows 18158] [--price 3]

Training is data-parallel, as it would be: the package trains on one GPU today. Attribution is cut into parts of 16
windows, which a simulation hands to whichever GPU is free; a GPU that fails loses the part it is at.
"""

import argparse
import heapq
import json
import math
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
GPUS = (1, 8, 64)
D_MODEL, WEIGHT_BYTES = 256, 30_937_760  # of the published checkpoint
FLOAT, BASES, ELEMENTS = 4, 4, 2
PART = 16


@dataclass(frozen=True)
class Plan:
    """length: bases of a window; step_s, attribution_s: seconds of a forward and backward pass of one window, training
    and explaining; mtbf_h, restart_s: mean hours between failures of a GPU, and what one costs beside its part
    """

    length: int
    step_s: float
    attribution_s: float
    step_mib: float
    attribution_mib: float
    train_windows: int
    epochs: int
    explained: int
    ig_steps: int
    mtbf_h: float
    restart_s: float

    def training_hours(self, gpus: int) -> float:
        """Epochs over the windows; the exchange of gradients takes under 1 % of a step and is left out."""
        return self.epochs * math.ceil(self.train_windows / gpus) * self.step_s / 3600

    @property
    def window_s(self) -> float:
        """Of region integrated gradients: a pass a node and element, and a forward pass, a third of one, for the score
        and for the reference of each element."""
        return self.attribution_s * (ELEMENTS * self.ig_steps + (1 + ELEMENTS) / 3)

    def attribution_hours(self, gpus: int, seed: int = 0) -> float:
        """Until the last part is done, as simulated."""
        rng, part_s = random.Random(seed), PART * self.window_s
        free = [0.0] * gpus
        fails = [rng.expovariate(1 / (self.mtbf_h * 3600)) for _ in free]
        queue = [(0.0, gpu) for gpu in range(gpus)]
        last = 0.0
        for _ in range(math.ceil(self.explained / PART)):
            at, gpu = heapq.heappop(queue)
            while at + part_s > fails[gpu]:
                at = fails[gpu] + self.restart_s
                fails[gpu] = at + rng.expovariate(1 / (self.mtbf_h * 3600))
            last = max(last, at + part_s)
            heapq.heappush(queue, (at + part_s, gpu))
        return last / 3600

    @property
    def frozen_bytes(self) -> int:
        """What `dna.fine_tune.cache_frozen` keeps of a window: both strands' states."""
        return 2 * self.length * D_MODEL * FLOAT

    @property
    def part_bytes(self) -> int:
        """Contributions and bases of one window in the parts of an attribution."""
        return self.length * BASES * (FLOAT + 1)

    def gradient_mb_per_s(self, gpus: int) -> float:
        """What one GPU sends in a ring all-reduce of every step of one window."""
        return 2 * (gpus - 1) / gpus * WEIGHT_BYTES / self.step_s / 1e6

    def written_mb_per_s(self, gpus: int) -> float:
        return gpus * self.part_bytes / self.window_s / 1e6


def plan_of(checks: dict[str, Any], options: argparse.Namespace) -> Plan:
    row = max(checks["caduceus_131k"], key=lambda one: one["length_bp"])
    speeds = (row["step_s"], row["attribution_s"], row["step_peak_mib"], row["attribution_peak_mib"])
    sizes = (options.train_windows, options.epochs, options.explained, options.ig_steps)
    return Plan(row["length_bp"], *speeds, *sizes, options.mtbf_h, options.restart_s)


def table(plan: Plan, price: float) -> str:
    rows = [("", *(f"{n} GPU{'s' * (n > 1)}" for n in GPUS))]
    training, explaining = ([hours(n) for n in GPUS] for hours in (plan.training_hours, plan.attribution_hours))
    cost = [[f"{n * h * price:,.0f}" for n, h in zip(GPUS, hours, strict=True)] for hours in (training, explaining)]
    rows += [
        (f"fine-tuning, {plan.train_windows:,} windows, {plan.epochs} epochs: hours", *(f"{h:,.1f}" for h in training)),
        (f"the same: cost at {price:g} a GPU-hour", *cost[0]),
        ("gradients sent by each GPU, MB/s", *(f"{plan.gradient_mb_per_s(n):,.0f}" for n in GPUS)),
        (f"attribution of {plan.explained:,} regions: hours", *(f"{h:,.0f}" for h in explaining)),
        (f"the same: cost at {price:g} a GPU-hour", *cost[1]),
        ("attributions written, MB/s of all", *(f"{plan.written_mb_per_s(n):,.1f}" for n in GPUS)),
        ("memory of a GPU, a window at a time, GiB", *(f"{plan.step_mib / 1024:,.1f}" for _ in GPUS)),
        ("parts of the attribution on disk, TB", *(f"{plan.explained * plan.part_bytes / 1e12:,.2f}" for _ in GPUS)),
        (
            "frozen states on disk (`cache_frozen`), TB",
            *(f"{plan.train_windows * plan.frozen_bytes / 1e12:,.2f}" for _ in GPUS),
        ),
    ]
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|---|" + "---|" * len(GPUS), *lines[1:]])


def options_of(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checks", type=Path, default=ROOT / "benchmarks" / "gpu_checks_h200.json")
    parser.add_argument("--train-windows", type=int, default=18_158, help="windows trained on")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--explained", type=int, default=1_000_000, help="regions attributed")
    parser.add_argument("--ig-steps", type=int, default=8)
    parser.add_argument("--mtbf-h", type=float, default=500.0, help="assumed: mean hours between failures of a GPU")
    parser.add_argument("--restart-s", type=float, default=300.0, help="assumed: to have it back")
    parser.add_argument("--price", type=float, default=1.0, help="of a GPU-hour; 1 gives GPU-hours")
    return parser.parse_args(words)


def main() -> None:
    options = options_of()
    print(table(plan_of(json.loads(options.checks.read_text()), options), options.price))


if __name__ == "__main__":
    main()
