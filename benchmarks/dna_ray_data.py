"""Parts of an attribution by the pool of workers that `--workers` starts, and by Ray Data (`map_batches` with a pool of
actors): time, memory, and what happens where a worker is lost.

    python benchmarks/dna_ray_data.py [--parts 200] [--lengths 2] [--table dna_ray_data.csv]

Parts of 16 windows of 128 random bases by saliency of a dilated CNN with random weights, by two workers, through the
same `attribute_windows`: it has a call for the scores and one for the contributions. Each way runs in a process of its
own on one thread a worker, once as it is, and once with a worker that gets a SIGKILL in the middle. All must give the
bytes of one process.

first_s: from a call, Ray being there, to its first part, the mean of both calls; part_ms: between later parts, of both
calls; seconds: all, Ray's start included; memory_mib: of the command and all that it started, shared pages counted
once, at most; said: lines on standard error, those about a lost worker aside; load: mean number of running
processes in the minute before.
"""

import argparse
import csv
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from contactlens.base.progress import Count, counting, shown_by
from contactlens.dna.explanation.attribute import attribute_windows
from contactlens.dna.explanation.methods import AttributionSettings
from contactlens.dna.explanation.parts import LEAST_PART, Runner, Work, in_turn
from contactlens.ops.parallel import ASKED, MAX_RETRIES, Workers, on_workers
from contactlens.ops.ray_session import ray_session
from dna_attribution_workers import make_inputs

LENGTH, POLL_S = 128, 0.2
NAMES = {"pool": "ray::_Worker", "ray_data": "ray::MapWorker"}  # of a worker's process
COLUMNS = ("way", "struck", "seconds", "first_s", "part_ms", "memory_mib", "said", "load")
LOST = ("(raylet)",)


class Actor:
    """What Ray Data keeps in each worker."""

    def __init__(self, work: Work, shared: Any) -> None:
        self.work, self.shared = work, shared

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        for set_number, rows, folder in zip(batch["set"], batch["rows"], batch["folder"], strict=True):
            self.work((int(set_number), [int(row) for row in rows]), self.shared, Path(folder))
        return {"folder": batch["folder"]}


@contextmanager
def on_ray_data(workers: Workers, state: Path) -> Iterator[Runner]:
    """As `on_workers`: one row a part, in a block of its own."""
    state.mkdir(parents=True, exist_ok=True)
    with ray_session(workers, state.absolute(), ASKED):
        from ray.data import ActorPoolStrategy, DataContext, from_items

        context = DataContext.get_current()
        context.enable_progress_bars, context.print_on_execution_start = False, False
        logging.getLogger("ray.data").setLevel(logging.CRITICAL)

        def run(work: Work, pieces: Sequence[tuple[Any, Path]], shared: Any, what: str) -> None:
            rows = [{"set": number, "rows": own, "folder": str(folder)} for (number, own), folder in pieces]
            data = from_items(rows, override_num_blocks=len(rows)).map_batches(
                Actor,
                fn_constructor_args=(work, shared),
                batch_size=1,
                compute=ActorPoolStrategy(size=workers.count),
                num_cpus=workers.cpus,
                num_gpus=workers.gpus,
                max_restarts=MAX_RETRIES,
                max_task_retries=MAX_RETRIES,
            )
            with counting(what, len(rows)) as count:
                for done, _ in enumerate(data.iter_rows(), start=1):
                    count.to(done)

        yield run


class Clock:
    """Notes when parts are done, instead of showing it."""

    def __init__(self) -> None:
        self.calls: list[list[tuple[float, float]]] = []

    @contextmanager
    def counting(self, what: str, total: float) -> Iterator[Count]:
        own = [(time.perf_counter(), 0.0)]
        if what.startswith("parts"):
            self.calls.append(own)

        class Noting:
            def to(self, done: float, note: str = "") -> None:
                own.append((time.perf_counter(), done))

        yield Noting()

    def measured(self) -> dict[str, float]:
        """first_s and part_ms."""
        first, later, n = 0.0, 0.0, 0.0
        for call in self.calls:
            start = next(place for place in call if place[1] > 0)
            first += (start[0] - call[0][0]) / len(self.calls)
            later, n = later + call[-1][0] - start[0], n + call[-1][1] - start[1]
        return {"first_s": first, "part_ms": 1000 * later / n}


RUNNERS: dict[str, Callable[[Workers, Path], Any]] = {
    "one": lambda workers, state: nullcontext(in_turn),
    "pool": on_workers,
    "ray_data": on_ray_data,
}


def run_one(way: str, folder: Path, out: str) -> None:
    """In a process of its own; writes what it measured beside the files."""
    clock, kept = Clock(), folder / f"{out}_parts"
    with shown_by(clock), RUNNERS[way](Workers(2, 1, 0.0), kept) as run:
        found = attribute_windows(
            folder / "classifier",
            folder / "genome.fa",
            folder / "places.bed",
            "saliency",
            context_bp=0,
            settings=AttributionSettings(1, rows_per_pass=LEAST_PART),
            kept=kept,
            run=run,
        )
    found.write(folder / out)
    (folder / f"{out}.json").write_text(json.dumps(clock.measured()))


def memory_mib(process: psutil.Process) -> float:
    total = 0
    for one in (process, *process.children(recursive=True)):
        with suppress(psutil.Error):
            total += one.memory_full_info().pss
    return total / 2**20


def watched(way: str, folder: Path, out: str, struck: bool, parts: int) -> dict[str, Any]:
    """Start a run, strike it where asked, and measure it."""
    words = [sys.executable, __file__, "--run", way, str(folder), out]
    load, begun, peak = os.getloadavg()[0], time.perf_counter(), 0.0
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(words, env={**os.environ, "OMP_NUM_THREADS": "1"}, stderr=errors)
        while process.poll() is None:
            with suppress(psutil.NoSuchProcess):
                family = psutil.Process(process.pid)
                peak = max(peak, memory_mib(family))
                there = sum(1 for _ in (folder / f"{out}_parts").glob("*/saliency/*/part"))
                if struck and there >= parts // 3:
                    struck = False
                    workers = [one for one in family.children(recursive=True) if one.name().startswith(NAMES[way])]
                    workers[0].kill()
            time.sleep(POLL_S)
        errors.seek(0)
        said = [line for line in errors if line.strip() and not any(word in line for word in LOST)]
    if process.returncode or struck:
        raise SystemExit(f"{out}: ended with {process.returncode}, {'not struck' if struck else ''}\n{''.join(said)}")
    measured = json.loads((folder / f"{out}.json").read_text())
    seconds = time.perf_counter() - begun
    return {"seconds": seconds, **measured, "memory_mib": peak, "said": len(said), "load": load}


def make_lengths(folder: Path, parts: int, lengths: int) -> None:
    """Intervals of so many lengths, the parts shared out among them."""
    make_inputs(folder, LEAST_PART * parts, LENGTH)
    rows = [line.split("\t") for line in (folder / "places.bed").read_text().splitlines()]
    shorter = np.arange(len(rows)) * lengths // len(rows)
    lines = (f"{chrom}\t{start}\t{int(end) - less}\n" for (chrom, start, end), less in zip(rows, shorter, strict=True))
    (folder / "places.bed").write_text("".join(lines))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", type=int, default=200)
    parser.add_argument("--lengths", type=int, default=2)
    parser.add_argument("--table", type=Path, default=Path("dna_ray_data.csv"))
    parser.add_argument("--run", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        way, folder, out = options.run
        run_one(way, Path(folder), out)
        return
    with tempfile.TemporaryDirectory() as name, options.table.open("w", newline="") as file:
        folder, table = Path(name), csv.DictWriter(file, COLUMNS, lineterminator="\n")
        table.writeheader()
        make_lengths(folder, options.parts, options.lengths)
        for way, struck in (("one", False), *((way, struck) for struck in (False, True) for way in NAMES)):
            out = f"{way}_struck" if struck else way
            found = watched(way, folder, out, struck, options.parts)
            row = {key: f"{value:.1f}" if isinstance(value, float) else value for key, value in found.items()}
            table.writerow({"way": way, "struck": struck, **row})
            print(way, "struck" if struck else "", row, flush=True)
            for path in sorted((folder / "one").iterdir()):
                if (folder / out / path.name).read_bytes() != path.read_bytes():
                    raise SystemExit(f"{out}: {path.name} has not the bytes of one process")


if __name__ == "__main__":
    main()
