"""What a network loses and saves that sees a pair's elements with short flanks in place of the whole window.

python benchmarks/dna_context.py --workspace . --context-bp 0 32 --table context.csv

In a folder where `contactlens dna run` has ended: its windows, splits, pre-trained backbone and params.yaml are read,
and nothing there is changed. The classifier is fine-tuned anew with each context, and with the whole window, from the
same seed. AUROC is that of the test chromosomes; intervals, and those of the paired difference from the whole window,
resample clusters of windows. Times are of one process: wall clock, and processor time, which other work on the machine
hardly changes.
"""

import argparse
import csv
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

from contactlens.base.files import read_json, write_aside
from contactlens.base.torch_setup import resolve_device, seed_everything
from contactlens.calibration.bootstrap import resample_counts
from contactlens.calibration.classification import auroc_score
from contactlens.dna.data.batch import StoredWindows, stored
from contactlens.dna.data.clusters import window_clusters
from contactlens.dna.data.window_set import WindowSet
from contactlens.dna.models.backbone import load_backbone
from contactlens.dna.models.classifier import WindowClassifier
from contactlens.dna.training.fit import fine_tune, predict
from contactlens.dna.training.frozen import cached_lengths
from contactlens.ops.params import Params, load_params

SCORES = ["auroc", "low", "high", "minus_whole", "minus_low", "minus_high"]
TIMES = ["fine_tune_s", "fine_tune_cpu_s", "predict_s", "predict_cpu_s"]
COLUMNS = ["context_bp", "seen_bp", *SCORES, "epochs", *TIMES]


class Trained(NamedTuple):
    """logits (N,) of the test windows; seconds of the fine-tuning and of the test windows' pass, each on the wall clock
    and of the processor; bases seen of each of them, on average."""

    logits: np.ndarray
    epochs: int
    seconds: list[float]
    seen_bp: float


def trained(workspace: Path, params: Params, windows: WindowSet, context_bp: int | None) -> Trained:
    splits, dna = read_json(workspace / "models/dna/splits.json"), params.dna
    trainer = dna.fine_tune.trainer
    train, validation, test = (stored(windows, splits[name]) for name in ("train", "validation", "test"))
    seed_everything(params.seed, trainer.threads)
    backbone = load_backbone(workspace / "models/dna/pretrained").backbone
    model = WindowClassifier(backbone, windows.task, dna.head, context_bp).to(resolve_device(trainer.device))
    at = [_now()]
    done = fine_tune(model, train, validation, dna.fine_tune, params.seed)
    at.append(_now())
    logits = predict(model, test, trainer.batch_size)
    at.append(_now())
    seconds = [float(value) for value in np.diff(at, axis=0).ravel()]
    return Trained(logits, len(done.training.history), seconds, seen(test, context_bp))


def _now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def seen(windows: StoredWindows, context_bp: int | None) -> float:
    """Bases that the network runs on, of each window on average."""
    return float(cached_lengths(windows, context_bp, batch_size=64).sum() / len(windows))


def measure(workspace: Path, contexts: list[int], table: Path) -> None:
    params, windows = load_params(workspace / "params.yaml"), WindowSet.read(workspace / "data/dna")
    test = windows.select(read_json(workspace / "models/dna/splits.json")["test"])
    y, cluster = test.windows["label"].to_numpy(dtype=np.float64), window_clusters(test)
    counts = resample_counts(int(cluster.max()) + 1, params.dna.evaluate.bootstrap_replicates, params.seed)
    weights = np.vstack([np.ones(len(y)), counts[:, cluster]])
    tail = (1 - params.dna.evaluate.confidence) / 2
    rows, whole = [], np.empty(0)
    for context_bp in (None, *contexts):
        found = trained(workspace, params, windows, context_bp)
        scores = np.asarray(auroc_score(y, found.logits)(weights))
        whole = scores if context_bp is None else whole
        intervals = [[values[0], *np.nanquantile(values[1:], [tail, 1 - tail])] for values in (scores, scores - whole)]
        rows.append(
            ["whole window" if context_bp is None else context_bp, f"{found.seen_bp:.1f}"]
            + [f"{value:.4f}" for values in intervals for value in values]
            + [found.epochs, *(f"{value:.1f}" for value in found.seconds)]
        )
        print(", ".join(f"{name} {value}" for name, value in zip(COLUMNS, rows[-1], strict=True)), flush=True)
    with write_aside(table) as aside, aside.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([COLUMNS, *rows])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workspace", type=Path, default=Path(), help="where `contactlens dna run` has ended")
    parser.add_argument("--context-bp", type=int, nargs="+", default=[0, 32], help="bases beside each element")
    parser.add_argument("--table", type=Path, default=Path("dna_context.csv"))
    options = parser.parse_args()
    measure(options.workspace, options.context_bp, options.table)


if __name__ == "__main__":
    main()
