"""`contactlens dna attribute` in one process, by several workers, and killed twice: time, and the same bytes.

python benchmarks/dna_attribution_workers.py --windows 2000 --workers 2

Windows are random bases, the classifier a small Caduceus with random weights: it is about the work, not about what is
found. Each process and each worker computes on one thread. A kill is a SIGKILL of the command and of all that it
started, once a third, and once two thirds, of the parts are there. Time is that of the whole command, its start and its
files included; beside it is the load of the machine before (mean number of running processes over a minute), as other
work on the same cores takes from every worker.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
import torch

from contactlens.dna.explanation.parts import LEAST_PART
from contactlens.dna.models.caduceus import Caduceus, CaduceusConfig, SsmConfig
from contactlens.dna.models.classifier import HeadConfig, WindowClassifier, save_classifier

PASS = 16  # windows: a part is one pass
POLL_S = 0.05


def make_inputs(folder: Path, n: int, length: int) -> None:
    rng = np.random.default_rng(0)
    bases = "".join(rng.choice(list("ACGT"), max(4, n // 4) * length))
    (folder / "genome.fa").write_text(f">chr1\n{bases}\n")
    starts = rng.integers(0, len(bases) - length, n)
    (folder / "places.bed").write_text("".join(f"chr1\t{start}\t{start + length}\n" for start in starts))
    torch.manual_seed(0)
    backbone = Caduceus(CaduceusConfig(d_model=32, n_layer=2, ssm_cfg=SsmConfig(d_state=8)))
    save_classifier(WindowClassifier(backbone, "region", HeadConfig(32)), folder / "classifier")


def command(folder: Path, out: str, workers: int, method: str) -> list[str]:
    places = {"--checkpoint": "classifier", "--fasta": "genome.fa", "--bed": "places.bed", "--out": out}
    paths = [word for option, name in places.items() for word in (option, str(folder / name))]
    settings = ["--method", method, "--context-bp", "0", "--rows-per-pass", str(PASS), "--workers", str(workers)]
    return [sys.executable, "-m", "contactlens.cli.main", "dna", "attribute", *paths, *settings]


def start(words: list[str]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(words, env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL)


def finished(folder: Path, out: str, workers: int, method: str) -> float:
    """Seconds of the command, to its end."""
    load, begun = os.getloadavg()[0], time.perf_counter()
    process = start(command(folder, out, workers, method))
    if process.wait():
        raise SystemExit(f"{out} ended with {process.returncode}")
    seconds = time.perf_counter() - begun
    print(f"{out:22s} {workers} processes  {seconds:7.1f} s  load before {load:.1f}", flush=True)
    return seconds


def killed(folder: Path, out: str, workers: int, method: str, parts: int) -> None:
    """Once so many parts are there."""
    process = start(command(folder, out, workers, method))
    while (there := parts_of(folder / out)) < parts:
        if process.poll() is not None:
            raise SystemExit(f"{out} ended with {process.returncode} before it could be killed")
        time.sleep(POLL_S)
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    for one in family:
        with suppress(psutil.NoSuchProcess):
            one.send_signal(signal.SIGKILL)
    process.wait()
    psutil.wait_procs(family, timeout=60)
    print(f"{out:22s} {workers} processes  killed at {there:,} parts", flush=True)


def parts_of(out: Path) -> int:
    """Of contributions, whole."""
    return sum(1 for _ in out.glob(".attributions.parts/*/*/*/part/references.npy"))


def differing(folder: Path, out: str, other: str) -> list[str]:
    names = sorted(path.name for path in (folder / out).iterdir())
    if names != sorted(path.name for path in (folder / other).iterdir()):
        return ["the names of the files"]
    return [name for name in names if (folder / out / name).read_bytes() != (folder / other / name).read_bytes()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--windows", type=int, default=2000)
    parser.add_argument("--length", type=int, default=512)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--method", default="saliency")
    options = parser.parse_args()
    workers, method, parts = options.workers, options.method, -(-options.windows // LEAST_PART)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_inputs(folder, options.windows, options.length)
        one = finished(folder, "one process", 1, method)
        several = finished(folder, "workers", workers, method)
        for thirds in (1, 2):
            killed(folder, "killed twice", workers, method, thirds * parts // 3)
        finished(folder, "killed twice", workers, method)
        wrong = [
            f"{out}: {found}" for out in ("workers", "killed twice") for found in differing(folder, "one process", out)
        ]
        if wrong:
            raise SystemExit(f"not the bytes of one process: {'; '.join(wrong)}")
    cores = len(os.sched_getaffinity(0))
    print(f"{one / several:.2f} times as fast by {workers} workers on {cores} cores; all files have the same bytes")


if __name__ == "__main__":
    main()
