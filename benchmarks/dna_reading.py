"""What it takes to read a window from its FASTA, as a share of a training step on a GPU.

    python benchmarks/dna_reading.py [--windows 100]

Windows of random bases at random places of one FASTA, whose pages the system has in memory, are read one by one as a
training reads its batches, and made into the tensors that a network takes. The steps of the published network are those
that one H200 measured (`benchmarks/gpu_checks_h200.json`); one of 50 ms stands for a network that is much faster.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from contactlens.dna.data.batch import StoredWindows
from contactlens.dna.data.genome import Genome

MEASURED = Path(__file__).with_name("gpu_checks_h200.json")
FAST_STEP_S = 0.05


def seconds_of_reading(folder: Path, n: int, length: int) -> float:
    """Median over windows of `length` bases, for pairs."""
    rng = np.random.default_rng(0)
    fasta = folder / f"{length}.fa"
    bases = "".join(rng.choice(list("ACGT"), 10 * length))
    lines = "\n".join(bases[first : first + 60] for first in range(0, len(bases), 60))
    fasta.write_text(f">chr1\n{lines}\n")
    starts = rng.integers(0, 9 * length, n).tolist()
    bounds = np.tile([[[0, length // 8], [length // 2, length // 2 + 100]]], (n, 1, 1))
    places = [("chr1", start, start + length) for start in starts]
    windows = StoredWindows(Genome.open(fasta), places, bounds, torch.ones(n), [f"w{i}" for i in range(n)])
    windows.read([0])
    taken = []
    for row in range(n):
        begun = time.perf_counter()
        windows.read([row])
        taken.append(time.perf_counter() - begun)
    return float(np.median(taken))


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


if __name__ == "__main__":
    main()
