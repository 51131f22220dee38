"""What several Ray Train workers make of a fine-tuning: the same AUROC, in how much time?

python benchmarks/dna_training_workers.py --workspace . --workers 1 2

In a folder where `contactlens dna run` has ended: its windows, splits, pre-trained backbone and params.yaml are read,
and nothing there is changed. The classifier is fine-tuned anew by each number of workers, from the same seed: one is
the stage's own process, without Ray. AUROC is that of the test chromosomes. Time on the wall clock: of all, Ray's start
included, and of an epoch with its validation, the first one left out. Workers that share a core gain nothing.
"""

import argparse
import tempfile
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from contactlens.base.files import read_json
from contactlens.base.torch_setup import seed_everything
from contactlens.dna.data.batch import stored
from contactlens.dna.data.window_set import WindowSet
from contactlens.dna.models.backbone import load_backbone
from contactlens.dna.models.classifier import WindowClassifier
from contactlens.dna.training.fit import auroc, fine_tune, predict
from contactlens.ops.params import Params, load_params
from contactlens.ops.ray_training import run_training


def measure(workspace: Path, params: Params, count: int) -> tuple[float, int, float, float]:
    """AUROC, epochs, seconds of all and of an epoch."""
    windows, splits = WindowSet.read(workspace / "data/dna"), read_json(workspace / "models/dna/splits.json")
    train, validation, test = (stored(windows, splits[name]) for name in ("train", "validation", "test"))
    config = replace(params.dna.fine_tune, workers=count)
    seed_everything(params.seed, config.trainer.threads)
    backbone = load_backbone(workspace / "models/dna/pretrained").backbone
    model = WindowClassifier(backbone, windows.task, params.dna.head, params.dna.context_bp)
    tune = partial(fine_tune, model, train, validation, config, params.seed)
    began, ended = time.monotonic(), []
    with tempfile.TemporaryDirectory() as folder:
        done = run_training(
            tune, config, params.seed, Path(folder), lambda _: ended.append(time.monotonic()), "--workers"
        )
    whole, epochs = time.monotonic() - began, len(ended)
    logits = predict(done.model, test, config.trainer.batch_size)
    return auroc(test.label.numpy(), logits), epochs, whole, (ended[-1] - ended[0]) / (epochs - 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workspace", type=Path, default=Path(), help="where `contactlens dna run` has ended")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    options = parser.parse_args()
    params = load_params(options.workspace / "params.yaml")
    first = np.nan
    for count in options.workers:
        score, epochs, whole, epoch = measure(options.workspace, params, count)
        first = epoch if np.isnan(first) else first
        print(
            f"{count} workers: AUROC {score:.4f}, {epochs} epochs, {whole:.1f} s with the start, "
            f"{epoch:.2f} s an epoch, {first / epoch:.2f}x the throughput of {options.workers[0]}",
            flush=True,
        )


if __name__ == "__main__":
    main()
