"""What it takes to read a window from its FASTA, as a share of a training step on a GPU.

    python benchmarks/dna_reading.py [--windows 100]

Windows of random bases at random places of one FASTA, whose pages the system has in memory, are read one by one as a
training reads its batches, and made into the tensors that a network takes. The steps of the published network are
those that one H200 measured (`benchmarks/gpu_checks_h200.json`); one of 50 ms stands for a network that is much
faster. Last, what its frozen layers give for a window (`dna.fine_tune.cache_frozen`, float32) is read from a file in
the system's memory.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from contactlens.dna.data.batch import StoredWindows
from contactlens.dna.data.genome import Genome
from contactlens.dna.models.caduceus import Caduceus, CaduceusConfig
from contactlens.dna.training.frozen import FrozenStates, base_bytes

MEASURED = Path(__file__).with_name("gpu_checks_h200.json")
FAST_STEP_S = 0.05
D_MODEL, FEW = 256, 5  # of the published network; windows whose states are read


def seconds_of_reading(folder: Path, n: int, length: int) -> float:
    """Median over windows of `length` bases, for pairs."""
    windows = _windows(folder, n, length)
    windows.read([0])
    return _median([_seconds(lambda row=row: windows.read([row])) for row in range(n)])  # type: ignore[misc]


def _windows(folder: Path, n: int, length: int) -> StoredWindows:
    rng = np.random.default_rng(0)
    fasta = folder / f"{length}.fa"
    bases = "".join(rng.choice(list("ACGT"), 10 * length))
    lines = "\n".join(bases[first : first + 60] for first in range(0, len(bases), 60))
    fasta.write_text(f">chr1\n{lines}\n")
    starts = rng.integers(0, 9 * length, n).tolist()
    bounds = np.tile([[[0, length // 8], [length // 2, length // 2 + 100]]], (n, 1, 1))
    places = [("chr1", start, start + length) for start in starts]
    return StoredWindows(Genome.open(fasta), places, bounds, torch.ones(n), [f"w{i}" for i in range(n)])


def seconds_of_states(folder: Path, length: int) -> tuple[float, int]:
    """Median over a few windows, and the bytes of one."""
    backbone, path = Caduceus(CaduceusConfig(d_model=D_MODEL, n_layer=1)), folder / "states"
    n_bytes = base_bytes(backbone, torch.float32) * length
    with path.open("wb") as file:
        for _ in range(FEW):
            file.write(bytes(n_bytes))
    lengths = np.full((FEW, 1), length)
    states = FrozenStates(path, _windows(folder, FEW, length), lengths, None, torch.float32, backbone, 0, 1)
    return _median([_seconds(lambda row=row: states.read(torch.tensor([row]))) for row in range(FEW)]), n_bytes  # type: ignore[misc]


def _seconds(work: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _median(values: list[float]) -> float:
    return float(np.median(values))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--windows", type=int, default=100)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        for step in json.loads(MEASURED.read_text())["caduceus_131k"]:
            read = seconds_of_reading(Path(name), options.windows, step["length_bp"])
            shares = (f"{100 * read / seconds:.2f} % of {seconds:.2f} s" for seconds in (step["step_s"], FAST_STEP_S))
            print(f"{step['length_bp']:6,} bp: {1000 * read:.2f} ms a window, {', '.join(shares)}")
        read, n_bytes = seconds_of_states(Path(name), step["length_bp"])
        print(f"frozen states of {step['length_bp']:,} bp: {1000 * read:.0f} ms a window of {n_bytes / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
