"""Does marginalisation show a rule of spacing, where a network has learned it?

    python benchmarks/spacing_curve.py --workspace . [--windows 2400] [--epochs 10] [--table spacing_curve.csv]

Regions of human-like DNA hold a site of SPI1 and one of HNF4A, close to each other or wide apart by the bases of
`dna.simulate` (close_gap_bp, wide_gap_bp). Close ones are the positives. Half of the negatives are wide apart, the
others lack one of the two sites. The pre-trained backbone of a workspace where `contactlens dna run` has ended is
fine-tuned on them, and both motifs are put into random backgrounds at every spacing, as `contactlens dna marginalize`
does. Printed: effect and interaction over the close and over the wide spacings, of the network and of its control, the
same one fine-tuned on shuffled labels; the table has the curves with their intervals.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from contactlens.base.torch_setup import seed_everything
from contactlens.dna.data.batch import batch_of
from contactlens.dna.data.genome import Genome
from contactlens.dna.data.motif_database import motif
from contactlens.dna.data.window_set import WindowSet
from contactlens.dna.models.backbone import load_backbone
from contactlens.dna.models.classifier import WindowClassifier
from contactlens.dna.serving.marginalize import insert_of, marginalize, random_backgrounds
from contactlens.dna.simulation.config import SimulationConfig
from contactlens.dna.simulation.grammar import HUMAN_GC, background, draw_instances, reverse_complement
from contactlens.dna.training.fit import auroc, fine_tune, predict
from contactlens.ops.params import Params, load_params

FACTORS = ("MA0080.7", "MA1494.2")  # SPI1, HNF4A
LENGTH = 160
SPACINGS = range(10, 81, 2)
LETTERS = np.array(list("ACGT"))


def spaced_regions(n: int, config: SimulationConfig, seed: int) -> WindowSet:
    """Regions with both factors on either strand: close pairs, labelled 1, and in turn with them wide ones and those of
    one factor."""
    rng = np.random.default_rng(seed)
    codes = background(np.full(n, HUMAN_GC), LENGTH, rng)
    sites = [draw_instances(motif(name), n, 0.1, rng) for name in FACTORS]
    widths = [part.shape[1] for part in sites]
    for row in range(n):
        low, high = config.wide_gap_bp if row % 2 else config.close_gap_bp
        gap = int(rng.integers(low, high + 1))
        start = int(rng.integers(LENGTH - sum(widths) - gap + 1))
        starts, missing = (start, start + widths[0] + gap), row // 4 % 2 if row % 4 == 3 else None
        for number, (at, width) in enumerate(zip(starts, widths, strict=True)):
            if number != missing:
                codes[row, at : at + width] = sites[number][row]
        if rng.random() < 0.5:
            codes[row] = reverse_complement(codes[row])
    names = [f"w{row}" for row in range(n)]
    table = pd.DataFrame({"window_id": names, "chrom": names, "win_start": 0, "win_end": LENGTH})
    table = table.assign(label=1 - np.arange(n) % 2, record=names, record_start=0)
    genome = Genome.of({name: "".join(LETTERS[row]) for name, row in zip(names, codes, strict=True)})
    return WindowSet("region", table, genome, "simulated regions", {}, None)


def trained(pretrained: Path, sets: list[WindowSet], epochs: int, params: Params, name: str) -> WindowClassifier:
    """Fine-tuned on the first set, its epoch chosen on the second; AUROC of the third is printed."""
    train, validation, test = map(batch_of, sets)
    torch.manual_seed(params.seed)
    model = WindowClassifier(load_backbone(pretrained).backbone, "region", params.dna.head)
    own = params.dna.fine_tune
    config = replace(own, workers=1, trainer=replace(own.trainer, max_epochs=epochs, patience=epochs))
    fine_tune(model, train, validation, config, params.seed)
    found = auroc(test.label.numpy(), predict(model, test, config.trainer.batch_size))
    print(f"{name}: AUROC {found:.3f} on {len(test):,} regions that it has not seen", flush=True)
    return model.eval()


def shuffled(windows: WindowSet, seed: int) -> WindowSet:
    """The same regions, their labels dealt anew."""
    labels = np.random.default_rng(seed).permutation(windows.windows["label"].to_numpy())
    return replace(windows, windows=windows.windows.assign(label=labels))


def curve(model: WindowClassifier, seed: int) -> pd.DataFrame:
    backgrounds = random_backgrounds(LENGTH, 100, seed)
    return marginalize(model, backgrounds, [insert_of(one) for one in FACTORS], list(SPACINGS)).table


def said(table: pd.DataFrame, config: SimulationConfig) -> str:
    """Ranges over the spacings of either kind: lowest lower end, mean estimate, highest upper end."""
    parts = []
    for quantity in ("effect", "interaction"):
        for kind, (low, high) in (("close", config.close_gap_bp), ("wide", config.wide_gap_bp)):
            rows = table[(table["quantity"] == quantity) & table["spacing_bp"].between(low, high)]
            ends = f"[{rows['low'].min():+.2f}, {rows['high'].max():+.2f}]"
            parts.append(f"{quantity} at {kind} spacings {rows['estimate'].mean():+.2f} {ends}")
    return "; ".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workspace", type=Path, default=Path(), help="where `contactlens dna run` has ended")
    parser.add_argument("--windows", type=int, default=2400)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--table", type=Path, default=Path("spacing_curve.csv"))
    options = parser.parse_args()
    params, pretrained = load_params(options.workspace / "params.yaml"), options.workspace / "models/dna/pretrained"
    config, n = params.dna.simulate, options.windows
    seed_everything(params.seed, params.dna.fine_tune.trainer.threads)
    sets = [spaced_regions(size, config, params.seed + i) for i, size in enumerate((n, n // 4, n // 2))]
    dealt = [shuffled(sets[0], params.seed), shuffled(sets[1], params.seed), sets[2]]
    curves = []
    for name, of in (("spacing", sets), ("shuffled labels", dealt)):
        table = curve(trained(pretrained, of, options.epochs, params, name), params.seed)
        print(f"{name}: {said(table, config)}", flush=True)
        curves.append(table.assign(model=name))
    pd.concat(curves, ignore_index=True).to_csv(options.table, index=False)


if __name__ == "__main__":
    main()
