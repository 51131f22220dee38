"""Do predicted effects tell variants in planted motif sites from variants beside them?

    python benchmarks/variant_effects.py [MODEL WINDOWS] [--splits FILE] [--variants 500] [--seed 0]

MODEL: a trained classifier such as models/dna; WINDOWS: a simulated window set with the truth of its sites; FILE: of a
run, such as models/dna/splits.json, so that the windows of its test split alone are taken. Without a model a small one
is trained here on simulated peaks, each with one CTCF site (minutes).
Half of the variants lie in sites of elements, half in the same elements outside of any site; they go through a VCF, as
`contactlens dna variants` reads it. Printed: AUROC of the absolute change of the logit, with a bootstrap interval over
windows, of the model and of its control, the same architecture with random weights.
"""

import argparse
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import torch
from torch import nn

from contactlens.base.files import read_json
from contactlens.base.torch_setup import seed_everything
from contactlens.dna.data.batch import ELEMENT_BOUNDS, REGIONS, batch_of
from contactlens.dna.data.genome import Genome
from contactlens.dna.data.motif_database import motif
from contactlens.dna.data.window_set import WindowSet
from contactlens.dna.models.caduceus import Caduceus, CaduceusConfig, SsmConfig
from contactlens.dna.models.classifier import WindowClassifier
from contactlens.dna.models.config import HeadConfig
from contactlens.dna.serving.variants import SCORED, variant_effects
from contactlens.dna.serving.vcf import read_variants
from contactlens.dna.serving.windows import intervals_of
from contactlens.dna.simulation.grammar import HUMAN_GC, background, draw_instances, reverse_complement
from contactlens.dna.training.config import TrainerConfig
from contactlens.dna.training.fit import auroc, fine_tune, predict
from contactlens.ops.params import PARAMS_FILE, load_params

ROOT = Path(__file__).parents[1]
CTCF, WINDOW_BP = "MA0139.2", 120
LETTERS = np.array(list("ACGT"))
HEADER = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", help="folder of a trained classifier")
    parser.add_argument("windows", nargs="?", type=Path, help="folder of a simulated window set")
    parser.add_argument("--splits", type=Path, help="splits.json of the run that trained the model")
    parser.add_argument("--variants", type=int, default=500)
    parser.add_argument("--train-windows", type=int, default=1200)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--replicates", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def simulated_peaks(n: int, seed: int) -> WindowSet:
    """Regions of human-like DNA, every second one with one site of CTCF on either strand."""
    rng = np.random.default_rng(seed)
    factor = motif(CTCF)
    codes = background(np.full(n, HUMAN_GC), WINDOW_BP, rng)
    sites = draw_instances(factor, n, 0.1, rng)
    planted = []
    for row in range(0, n, 2):
        start, reverse = int(rng.integers(WINDOW_BP - len(factor) + 1)), bool(rng.random() < 0.5)
        codes[row, start : start + len(factor)] = reverse_complement(sites[row]) if reverse else sites[row]
        strand = "-" if reverse else "+"
        planted.append((f"w{row}", CTCF, factor.name, start, start + len(factor), strand, "region"))
    names = [f"w{row}" for row in range(n)]
    table = pd.DataFrame({"window_id": names, "chrom": names, "win_start": 0, "win_end": WINDOW_BP})
    table = table.assign(label=1 - np.arange(n) % 2, record=names, record_start=0)
    truth = pd.DataFrame(planted, columns=["window_id", "motif_id", "name", "start", "end", "strand", "element"])
    genome = Genome.of({name: "".join(LETTERS[row]) for name, row in zip(names, codes, strict=True)})
    return WindowSet("region", table, genome, "simulated peaks", {}, truth)


def small_classifier(seed: int) -> WindowClassifier:
    torch.manual_seed(seed)
    config = CaduceusConfig(d_model=24, n_layer=2, ssm_cfg=SsmConfig(d_state=4))
    return WindowClassifier(Caduceus(config), "region", HeadConfig(32))


def trained(options: argparse.Namespace) -> tuple[WindowClassifier, WindowSet]:
    """A small classifier of simulated peaks, and peaks that it has not seen."""
    n, seed = options.train_windows, options.seed
    train, validation, test = (simulated_peaks(size, seed + i) for i, size in enumerate((n, n // 4, 2 * n // 3)))
    model = small_classifier(seed)
    trainer = TrainerConfig(
        learning_rate=0.005,
        weight_decay=0.01,
        batch_size=16,
        accumulate=1,
        max_epochs=options.epochs,
        patience=options.epochs,
        warmup_share=0.1,
        gradient_clip=1.0,
        amp=False,
        device="cpu",
        threads=options.threads,
    )
    defaults = load_params(ROOT / PARAMS_FILE).dna.fine_tune
    config = replace(defaults, trainer=trainer, unfrozen_layers=2, cache_frozen=False, dropout=0.0)
    fine_tune(model, batch_of(train), batch_of(validation), config, seed)
    held_out = batch_of(test)
    print(f"AUROC of {len(held_out)} held-out peaks: {auroc(held_out.label.numpy(), predict(model, held_out, 16)):.3f}")
    return model.eval(), test


def draw_variants(windows: WindowSet, n: int, seed: int) -> pd.DataFrame:
    """n SNVs, half of them in planted sites of elements: chrom, pos (from 1), ref, alt, in_site, window_id."""
    if windows.planted is None:
        raise SystemExit(f"{windows.source}: the truth of its sites is not known; give a simulated window set")
    rng = np.random.default_rng(seed)
    table = windows.windows.set_index("window_id")
    sites = windows.planted[windows.planted["element"] != "background"]
    inside, beside = [], []
    for window_id, rows in sites.groupby("window_id", sort=True):
        window = table.loc[window_id]
        site, element = np.zeros(windows.length, dtype=bool), np.zeros(windows.length, dtype=bool)
        for start, end in rows[["start", "end"]].to_numpy():
            site[start:end] = True
        columns = [ELEMENT_BOUNDS[name] for name in REGIONS[windows.task] if name in ELEMENT_BOUNDS]
        for start, end in [(window[a], window[b]) for a, b in columns] or [(0, windows.length)]:
            element[start:end] = True
        decoys = windows.planted[windows.planted["window_id"] == window_id]
        for start, end in decoys[["start", "end"]].to_numpy():
            element[start:end] = False
        inside += [(window_id, int(at)) for at in np.flatnonzero(site)]
        beside += [(window_id, int(at)) for at in np.flatnonzero(element)]
    chosen = [(*places[i], kind) for kind, places in ((True, inside), (False, beside))
              for i in rng.permutation(len(places))[: n // 2].tolist()]  # fmt: skip
    found = []
    for window_id, at, in_site in chosen:
        window = table.loc[window_id]
        place = int(window["win_start"]) + at
        first = place - int(window["record_start"])
        ref = windows.genome.fetch(str(window["record"]), first, first + 1)
        alt = "ACGT".replace(ref, "")[rng.integers(3)] if ref in "ACGT" else "A"
        found.append((window["chrom"], place + 1, ref, alt, in_site, window_id))
    return pd.DataFrame(found, columns=["chrom", "pos", "ref", "alt", "in_site", "window_id"])


def effects(model: nn.Module, windows: WindowSet, variants: pd.DataFrame) -> pd.DataFrame:
    """Effects of the variants, read from a VCF, in the window that each was drawn from."""
    cells = variants[["chrom", "pos", "ref", "alt"]].itertuples(index=False)
    lines = [f"{c.chrom}\t{c.pos}\t.\t{c.ref}\t{c.alt}\t.\t.\t.\n" for c in cells]
    with TemporaryDirectory() as folder:
        vcf = Path(folder) / "variants.vcf"
        vcf.write_text(HEADER + "".join(lines))
        names = REGIONS[windows.task]
        found = variant_effects(model, windows.genome, read_variants(vcf), intervals_of(windows), element_names=names)
    print(found)
    truth = variants.assign(line=np.arange(len(variants)) + HEADER.count("\n") + 1)
    scored = found.table[found.table["status"] == SCORED].merge(truth[["line", "in_site", "window_id"]], on="line")
    return scored[scored["window"] == scored["window_id"]]


def interval(found: pd.DataFrame, replicates: int, seed: int) -> str:
    """AUROC of |change| for being in a site, with its 95 % interval over resampled windows."""
    label, size = found["in_site"].to_numpy(dtype=np.float64), found["score_change"].abs().to_numpy()
    rows = list(found.groupby("window_id").indices.values())
    rng = np.random.default_rng(seed)
    drawn = []
    for _ in range(replicates):
        chosen = np.concatenate([rows[i] for i in rng.integers(len(rows), size=len(rows))])
        drawn.append(auroc(label[chosen], size[chosen]))
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    return f"AUROC {auroc(label, size):.3f} [{low:.3f}, {high:.3f}], {int(label.sum())} in sites of {len(label)}"


def main() -> None:
    options = arguments()
    seed_everything(options.seed, options.threads)
    if options.model is None:
        model, windows = trained(options)
        control = small_classifier(options.seed + 1).eval()
    else:
        from contactlens.api.load import load_windows

        model, windows = load_windows(options.model).classifier, WindowSet.read(options.windows)
        if options.splits is not None:
            windows = windows.select(read_json(options.splits)["test"])
        torch.manual_seed(options.seed + 1)
        control = WindowClassifier(Caduceus(model.backbone.config), model.task, model.head.config).eval()
    variants = draw_variants(windows, options.variants, options.seed)
    for name, one in (("trained model", model), ("random weights", control)):
        print(f"{name}: {interval(effects(one, windows, variants), options.replicates, options.seed)}")


if __name__ == "__main__":
    main()
