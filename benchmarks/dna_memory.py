"""Peak memory of import, check, fine-tuning and attribution of windows of pairs, as the number of windows grows.

    python benchmarks/dna_memory.py [--windows 1000 10000] [--stages import check ...] [--length 65536]
        [--table dna_memory.csv]

Each stage runs in a process of its own, whose peak resident memory the kernel gives. The genome is made up, four
chromosomes of 5 Mbp; the backbone is a dilated CNN of one layer, so that what is measured is the data and not the
model. Attribution is measured twice: by integrated gradients of one element at a time, which run whole windows five
times, and by saliency of a classifier that sees 1,000 bp around each element, for many windows in less time. Rows that
are in the table are not measured again.
"""

import argparse
import csv
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

STAGES = ("import", "check", "fine_tune", "attribution", "short_attribution")
COLUMNS = ("stage", "windows", "length_bp", "peak_mib", "seconds", "cpu_seconds")
CHROMOSOME_BP, CHROMOSOMES, ELEMENT_BP = 5_000_000, 4, 400
SPLITS = ("train", "validation", "calibration", "test")
BATCH, LIMIT = 4, 1.2
CONTEXT_BP = 1000
# The sub-process alone imports the library: a child starts with the peak of the process that made it.


def make_inputs(folder: Path, n: int, length: int) -> None:
    """A FASTA, and a table of `n` pairs whose labels say nothing."""
    import numpy as np

    rng = np.random.default_rng(0)
    with (folder / "genome.fa").open("w") as fasta:
        for number in range(CHROMOSOMES):
            bases = np.frombuffer(b"ACGT", dtype=np.uint8)[rng.integers(0, 4, CHROMOSOME_BP)]
            lines = bases.reshape(-1, 100)
            fasta.write(f">chr{number + 1}\n" + "\n".join(line.tobytes().decode() for line in lines) + "\n")
    least = 2 * ELEMENT_BP
    with (folder / "pairs.tsv").open("w") as table:
        table.write("chrom\tenh_start\tenh_end\tprom_start\tprom_end\tlabel\n")
        for row in range(n):
            distance = int(rng.integers(least, length - least))
            start = int(rng.integers(length, CHROMOSOME_BP - 2 * length))
            bounds = (start, start + ELEMENT_BP, start + distance, start + distance + ELEMENT_BP)
            table.write("\t".join(map(str, (f"chr{1 + row % CHROMOSOMES}", *bounds, row // CHROMOSOMES % 2))) + "\n")


def run_import(folder: Path, length: int) -> None:
    from contactlens.dna.data.importing.windows import import_windows

    found = import_windows(folder / "pairs.tsv", folder / "genome.fa", window_bp=length, max_n_fraction=0.1)
    found.window_set.write(folder / "windows")


def splits_of(windows: Any) -> dict[str, list[str]]:
    table = windows.windows
    chroms = zip(SPLITS, sorted(table["chrom"].unique()), strict=True)
    return {name: table.loc[table["chrom"] == chrom, "window_id"].tolist() for name, chrom in chroms}


def run_check(folder: Path, length: int) -> None:
    from contactlens.dna.data.checks import validate_windows
    from contactlens.dna.data.config import CheckLimits
    from contactlens.dna.data.window_set import WindowSet

    windows = WindowSet.read(folder / "windows")
    limits = CheckLimits(0.05, 0.05, 1.0, 0.0, 1)
    validate_windows(windows, limits, "windows", splits=splits_of(windows), data_docs=folder / "data_docs")


def tiny_classifier(context_bp: int | None = None) -> Any:
    import torch

    from contactlens.dna.models.classifier import WindowClassifier
    from contactlens.dna.models.config import HeadConfig
    from contactlens.dna.models.dilated_cnn import DilatedCnn, DilatedCnnConfig

    torch.manual_seed(0)
    return WindowClassifier(DilatedCnn(DilatedCnnConfig(2, 1, 3)), "pair", HeadConfig(4), context_bp)


def run_fine_tune(folder: Path, length: int) -> None:
    """One epoch on three quarters of the windows, the frozen layer's states on disk; a quarter validates."""
    from contactlens.base.torch_setup import seed_everything
    from contactlens.dna.data.batch import stored
    from contactlens.dna.data.window_set import WindowSet
    from contactlens.dna.training.config import FineTuneConfig, TrainerConfig
    from contactlens.dna.training.fit import fine_tune

    seed_everything(0, 1)
    windows = WindowSet.read(folder / "windows")
    splits = splits_of(windows)
    train = stored(windows, [one for name in SPLITS[:3] for one in splits[name]])
    trainer = TrainerConfig(0.01, 0.0, BATCH, 1, 1, 1.0, False, "cpu", 1, accumulate=1, warmup_share=0.0)
    config = FineTuneConfig(
        workers=1,
        checkpoint_steps=0,
        trainer=trainer,
        unfrozen_layers=0,
        adapter_rank=0,
        layer_decay=1.0,
        class_weights="none",
        cache_frozen=True,
        cache_bfloat16=False,
        dropout=0.0,
        label_smoothing=0.0,
    )
    fine_tune(tiny_classifier(), train, stored(windows, splits["test"]), config, 0, folder / "checkpoints")


def run_attribution(folder: Path, length: int) -> None:
    """Of every window, by integrated gradients of one element at a time."""
    attribute(folder, tiny_classifier().eval(), "region_integrated_gradients")


def run_short_attribution(folder: Path, length: int) -> None:
    """Of every window, by saliency of a classifier with a short context."""
    attribute(folder, tiny_classifier(CONTEXT_BP).eval(), "saliency")


def attribute(folder: Path, model: Any, method: str) -> None:
    """Into one NPZ file, on one thread as the others."""
    from contactlens.base.torch_setup import seed_everything
    from contactlens.dna.data.batch import stored
    from contactlens.dna.data.window_set import WindowSet
    from contactlens.dna.explanation.attributions import write_attributions
    from contactlens.dna.explanation.methods import AttributionSettings
    from contactlens.dna.explanation.parts import attribute_parts, digest, scored

    seed_everything(0, 1)
    windows = stored(WindowSet.read(folder / "windows"))
    settings = AttributionSettings(ig_steps=1, rows_per_pass=BATCH)
    home = folder / "parts" / digest(model, windows, settings)
    logits = scored(model, windows, settings)
    (found,) = attribute_parts(model, [windows], [logits], method, settings, [home])
    write_attributions(folder / "attributions.npz", {method: found})


RUN: dict[str, Callable[[Path, int], None]] = {
    "import": run_import,
    "check": run_check,
    "fine_tune": run_fine_tune,
    "attribution": run_attribution,
    "short_attribution": run_short_attribution,
}


def measured(stage: str, folder: Path, length: int) -> tuple[float, float, float]:
    """Peak memory (MiB) of a stage in a process of its own, its seconds, and those of the processor."""
    start = time.perf_counter()
    command = [sys.executable, __file__, "--stage", stage, "--folder", str(folder), "--length", str(length)]
    child = subprocess.Popen(command)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{stage} ended with {child.returncode}")
    return usage.ru_maxrss / 1024, time.perf_counter() - start, usage.ru_utime + usage.ru_stime


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.open())) if path.exists() else []


def measure(sizes: list[int], stages: list[str], length: int, path: Path) -> None:
    for n in sizes:
        done = {row["stage"] for row in rows_of(path) if (row["windows"], row["length_bp"]) == (str(n), str(length))}
        asked = [stage for stage in stages if stage not in done]
        if not asked:
            continue
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            subprocess.run(
                [sys.executable, __file__, "--folder", name, "--windows", str(n), "--length", str(length)], check=True
            )
            for stage in ("import", *(one for one in asked if one != "import")):  # all later ones need its windows
                peak, seconds, cpu = measured(stage, folder, length)
                if stage not in asked:
                    continue
                new = not path.exists()
                with path.open("a", newline="") as file:
                    out = csv.writer(file, lineterminator="\n")
                    row = (stage, n, length, f"{peak:.1f}", f"{seconds:.1f}", f"{cpu:.1f}")
                    out.writerows([COLUMNS, row] if new else [row])
                print(
                    f"{stage:17s} {n:7,} windows of {length:,} bp  {peak:8,.1f} MiB  {seconds:7.1f} s"
                    f" ({cpu:.1f} s of a processor)",
                    flush=True,
                )


def report(path: Path, stages: list[str], length: int) -> None:
    """How peak memory grows from the fewest to the most windows, beside what the windows themselves would take."""
    for stage in stages:
        rows = [row for row in rows_of(path) if (row["stage"], row["length_bp"]) == (stage, str(length))]
        peaks = {int(row["windows"]): float(row["peak_mib"]) for row in rows}
        few, many = min(peaks), max(peaks)
        ratio, held = peaks[many] / peaks[few], (many - few) * length * 8 / 2**20
        flat = "flat" if ratio <= LIMIT else "NOT FLAT"
        print(
            f"{stage:17s} {few:,} -> {many:,} windows: {ratio:.2f}x ({flat}); their int64 tokens: {held:,.0f} MiB more"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--windows", type=int, nargs="+", default=[1000, 10_000])
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=list(STAGES))
    parser.add_argument("--length", type=int, default=65_536)
    parser.add_argument("--table", type=Path, default=Path("dna_memory.csv"))
    parser.add_argument("--stage", choices=STAGES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.stage:
        RUN[options.stage](options.folder, options.length)
    elif options.folder:
        make_inputs(options.folder, options.windows[0], options.length)
    else:
        measure(options.windows, options.stages, options.length, options.table)
        report(options.table, options.stages, options.length)


if __name__ == "__main__":
    main()
