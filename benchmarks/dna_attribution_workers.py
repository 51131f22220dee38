"""`contactlens dna attribute` in one process, by several workers, and struck by two kills: time, and the same bytes.

    python benchmarks/dna_attribution_workers.py [--windows 2000] [--workers 2] [--table dna_attribution_workers.csv]

Windows are random bases, the classifier a dilated CNN with random weights: it is about the work, not about what is
found. Each process and each worker computes on one thread. Of the run that is struck, one worker gets a SIGKILL once a
third of the parts are there, the command itself once two thirds are; the same command then goes on to the end. Every
file must have the bytes of one process.

seconds: of the whole command, its start and its files included; windows_per_s: while parts are made, from the first to
the last; load: mean number of running processes in the minute before, as other work takes from every worker.
"""

import argparse
import csv
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
import torch

from contactlens.dna.explanation.parts import LEAST_PART
from contactlens.dna.models.classifier import HeadConfig, WindowClassifier, save_classifier
from contactlens.dna.models.dilated_cnn import DilatedCnn, DilatedCnnConfig

COLUMNS = ("way", "processes", "windows", "length_bp", "seconds", "windows_per_s", "load")
POLL_S = 0.1
GONE_S = 60
WORKER = "ray::_Worker"  # as the system names the process of a worker


def make_inputs(folder: Path, n: int, length: int) -> None:
    rng = np.random.default_rng(0)
    bases = "".join(rng.choice(list("ACGT"), max(4, n // 4) * length))
    (folder / "genome.fa").write_text(f">chr1\n{bases}\n")
    starts = rng.integers(0, len(bases) - length, n)
    (folder / "places.bed").write_text("".join(f"chr1\t{start}\t{start + length}\n" for start in starts))
    torch.manual_seed(0)
    backbone = DilatedCnn(DilatedCnnConfig(d_model=64, n_layer=4, kernel_size=9))
    save_classifier(WindowClassifier(backbone, "region", HeadConfig(32)), folder / "classifier")


class Command:
    """`contactlens dna attribute` on the inputs in a folder, started."""

    def __init__(self, folder: Path, out: str, workers: int) -> None:
        self.out = folder / out
        places = {"--checkpoint": "classifier", "--fasta": "genome.fa", "--bed": "places.bed", "--out": out}
        paths = [word for option, name in places.items() for word in (option, str(folder / name))]
        passes = ["--rows-per-pass", str(LEAST_PART)]  # a part is one pass
        settings = ["--method", "saliency", "--context-bp", "0", *passes, "--workers", str(workers)]
        words = [sys.executable, "-m", "contactlens.cli.main", "dna", "attribute", *paths, *settings]
        self.begun, self.load = time.perf_counter(), os.getloadavg()[0]
        one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(words, env=one_thread, stdout=subprocess.DEVNULL)

    def parts(self) -> Iterator[tuple[float, int]]:
        """Seconds since the start, and parts of contributions that are whole, until the command ends."""
        while self.process.poll() is None:
            there = sum(1 for _ in self.out.glob(".attributions.parts/*/saliency/*/part"))
            yield time.perf_counter() - self.begun, there
            time.sleep(POLL_S)
        if self.process.returncode:
            raise SystemExit(f"{self.out.name}: the command ended with {self.process.returncode}")

    def finished(self) -> tuple[float, float]:
        """Seconds to its end; windows per second from the first part to the last."""
        seen = [(at, there) for at, there in self.parts() if there]
        first, last = seen[0], max(seen, key=lambda one: one[1])  # the first of equals; parts go once all is written
        rate = LEAST_PART * (last[1] - first[1]) / max(last[0] - first[0], POLL_S)
        return time.perf_counter() - self.begun, rate

    def wait_for(self, parts: int) -> int:
        for _, there in self.parts():
            if there >= parts:
                return there
        raise SystemExit(f"{self.out.name}: the command ended before it could be killed")

    def family(self) -> list[psutil.Process]:
        """All that it has started."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def workers(self) -> list[psutil.Process]:
        return [one for one in self.family() if one.name().startswith(WORKER)]

    def kill_worker(self) -> None:
        self.workers()[0].kill()

    def kill(self) -> float:
        """The command alone; seconds until its workers were gone too. What else of Ray outlives it is ended here."""
        family, workers, begun = self.family(), self.workers(), time.perf_counter()
        self.process.kill()
        self.process.wait()
        _, alive = psutil.wait_procs(workers, timeout=GONE_S)
        if alive:
            raise SystemExit(f"{len(alive)} workers outlived the command by {GONE_S} s")
        seconds = time.perf_counter() - begun
        for one in family:
            with suppress(psutil.NoSuchProcess):
                one.kill()
        return seconds


def struck_twice(folder: Path, out: str, workers: int, parts: int) -> None:
    """A worker, and then the command."""
    command = Command(folder, out, workers)
    there = command.wait_for(parts // 3)
    command.kill_worker()
    print(f"a worker killed at {there:,} of {parts:,} parts", flush=True)
    there = command.wait_for(2 * parts // 3)
    print(
        f"the command killed at {there:,} of {parts:,} parts; its workers were gone {command.kill():.1f} s later",
        flush=True,
    )


def differing(folder: Path, out: str, other: str) -> list[str]:
    names = sorted(path.name for path in (folder / out).iterdir())
    if names != sorted(path.name for path in (folder / other).iterdir()):
        return ["the names of the files"]
    return [name for name in names if (folder / out / name).read_bytes() != (folder / other / name).read_bytes()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--windows", type=int, default=2000)
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--table", type=Path, default=Path("dna_attribution_workers.csv"))
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as name, options.table.open("w", newline="") as file:
        folder, table = Path(name), csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        make_inputs(folder, options.windows, options.length)
        for way, processes in (("one process", 1), ("workers", options.workers), ("continued", options.workers)):
            if way == "continued":
                struck_twice(folder, way, processes, -(-options.windows // LEAST_PART))
            command = Command(folder, way, processes)
            seconds, rate = command.finished()
            rows.append((seconds, rate))
            measured = (f"{seconds:.1f}", f"{rate:.1f}", f"{command.load:.1f}")
            table.writerow((way, processes, options.windows, options.length, *measured))
            print(f"{way:12s} {processes} processes  {measured[0]:>6s} s  {measured[1]:>6s} windows/s", flush=True)
            wrong = differing(folder, "one process", way)
            if wrong:
                raise SystemExit(f"{way}: not the bytes of one process: {', '.join(wrong)}")
    (one, one_rate), (several, several_rate) = rows[:2]
    print(
        f"{options.workers} workers on {len(os.sched_getaffinity(0))} processors: parts {several_rate / one_rate:.2f} "
        f"times as fast, the whole command {one / several:.2f} times; all files have the same bytes"
    )


if __name__ == "__main__":
    main()
