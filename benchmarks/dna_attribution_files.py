"""Attributions in one file: NPZ against HDF5 in chunks of one window, both compressed.

    python benchmarks/dna_attribution_files.py [--sizes 2000x512 1000x65536] [--table dna_attribution_files.csv]

Contributions are random and dense in all four bases, the worst case for compression; they come from parts of 16 windows
as a finished attribution's do.

mib: of the file; write_s: from the parts; read_all_s; read_one_s: the contributions of one window from a file that has
just been opened, or from its part by memory map (the parts are there until the file is whole). All files are in the
system's memory by then.

Last, a process that writes HDF5 gets a SIGKILL halfway: plain HDF5 that is never flushed, that is flushed after each
part, and for a single writer with readers (SWMR). What h5py then says of the file is printed.
"""

import argparse
import csv
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from contactlens.dna.explanation.attributions import read_attributions, write_attributions, write_hdf5
from contactlens.dna.explanation.parts import LEAST_PART, PART, AttributionParts

COLUMNS = ("windows", "length_bp", "file", "mib", "write_s", "read_all_s", "read_one_s")
METHOD = "saliency"


def make_parts(folder: Path, n: int, length: int) -> AttributionParts:
    rng = np.random.default_rng(0)
    sizes = [len(rows) for rows in np.split(np.arange(n), range(LEAST_PART, n, LEAST_PART))]
    folders = [folder / f"{number:04d}" for number in range(len(sizes))]
    for own, size in zip(folders, sizes, strict=True):
        (own / PART).mkdir(parents=True)
        values = rng.standard_normal((size, length, 4), dtype=np.float32)
        np.save(own / PART / "hypothetical.npy", values)
        np.save(own / PART / "one_hot.npy", np.eye(4, dtype=np.uint8)[rng.integers(0, 4, (size, length))])
    names = np.array([f"w{i}" for i in range(n)])
    return AttributionParts(folders, sizes, names, np.zeros(n), length, None)  # type: ignore[arg-type]


def read_hdf5(path: Path, row: int | None) -> Any:
    with h5py.File(path) as file:
        if row is not None:
            return file[METHOD][row]
        return [file[name][:] for name in (METHOD, "one_hot")]


def seconds(work: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def measured(folder: Path, n: int, length: int) -> Iterator[dict[str, Any]]:
    parts, row = make_parts(folder / "parts", n, length), n // 2
    size = sum(file.stat().st_size for file in (folder / "parts").rglob("*.npy"))
    yield {"file": "parts", "mib": size / 2**20, "read_one_s": seconds(lambda: parts.row(row))}
    npz = folder / "a.npz"
    written = seconds(lambda: write_attributions(npz, {METHOD: parts}))
    whole = seconds(lambda: read_attributions(npz))
    one = seconds(lambda: np.load(npz, allow_pickle=False)[METHOD][row])
    yield dict(zip(COLUMNS[2:], ("npz", npz.stat().st_size / 2**20, written, whole, one), strict=True))
    hdf5 = folder / "a.h5"
    written = seconds(lambda: write_hdf5(hdf5, {METHOD: parts}))
    whole, one = seconds(lambda: read_hdf5(hdf5, None)), seconds(lambda: read_hdf5(hdf5, row))
    yield dict(zip(COLUMNS[2:], ("hdf5", hdf5.stat().st_size / 2**20, written, whole, one), strict=True))


def write_and_die(path: Path, way: str) -> None:
    """After half of 64 windows of 512 bases."""
    swmr = way == "swmr"
    with tempfile.TemporaryDirectory() as name:
        parts = make_parts(Path(name), 64, 512)
        with h5py.File(path, "w", libver="latest" if swmr else None) as file:
            values = file.create_dataset(METHOD, (64, 512, 4), np.float32, chunks=(1, 512, 4), compression="gzip")
            if swmr:
                file.swmr_mode = True
            done = 0
            for piece in parts.pieces():
                values[done : (done := done + len(piece.logits))] = piece.hypothetical
                if way != "unflushed":
                    file.flush()
                if done >= 32:
                    os.kill(os.getpid(), signal.SIGKILL)


def after_a_kill(path: Path) -> str:
    said = []
    for mode in ("r", "r+"):
        try:
            with h5py.File(path, mode) as file:
                said.append(f"{mode}: {np.count_nonzero(file[METHOD][:].any(axis=(1, 2)))} of 64 windows")
        except OSError as error:
            said.append(f"{mode}: {error}")
    return "; ".join(said)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", default=["2000x512", "1000x65536"])
    parser.add_argument("--table", type=Path, default=Path("dna_attribution_files.csv"))
    parser.add_argument("--die", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.die:
        write_and_die(Path(options.die[0]), options.die[1])
    with options.table.open("w", newline="") as out:
        table = csv.DictWriter(out, COLUMNS, lineterminator="\n")
        table.writeheader()
        for size in options.sizes:
            n, length = map(int, size.split("x"))
            with tempfile.TemporaryDirectory() as name:
                for found in measured(Path(name), n, length):
                    row = {key: f"{value:.3g}" if isinstance(value, float) else value for key, value in found.items()}
                    table.writerow({"windows": n, "length_bp": length, **row})
                    print(size, row, flush=True)
    with tempfile.TemporaryDirectory() as name:
        for way in ("unflushed", "flushed", "swmr"):
            path = Path(name) / f"{way}.h5"
            subprocess.run([sys.executable, __file__, "--die", str(path), way], check=False)
            print(f"{way}, killed: {after_a_kill(path)}", flush=True)


if __name__ == "__main__":
    main()
