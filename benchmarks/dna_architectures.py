"""Caduceus, a dilated CNN given the same, and scans of known motifs on simulated windows: AUROC over training seeds.

python benchmarks/dna_architectures.py --seeds 3 --table architectures.csv

The windows are those of `seed` in params.yaml. Each training seed pre-trains and fine-tunes anew; a training that is in
the folder --states is not repeated. Intervals resample test windows and seeds: each replicate is the mean over as many
seeds as there are, drawn with replacement, of the AUROC on one resample of clusters of windows that all models share.
"""

import argparse
import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit

from contactlens.base.files import write_aside
from contactlens.base.torch_setup import seed_everything
from contactlens.calibration.bootstrap import resample_counts
from contactlens.calibration.classification import auroc_score, ece_score, logit_of
from contactlens.dna.data.batch import batch_of
from contactlens.dna.data.clusters import window_clusters
from contactlens.dna.data.dataset import split_by_chromosome
from contactlens.dna.data.names import CEILING
from contactlens.dna.data.window_set import WindowSet
from contactlens.dna.evaluation.baselines.motif_arrangement import ArrangedScan
from contactlens.dna.evaluation.baselines.motif_scan import MotifScan
from contactlens.dna.evaluation.config import EvaluateConfig
from contactlens.dna.models.classifier import WindowClassifier
from contactlens.dna.simulation.arrangement import RULES
from contactlens.dna.simulation.ceiling import ceiling_logits, config_of, has_ceiling, read_arrangement
from contactlens.dna.simulation.simulate import simulate_windows
from contactlens.dna.training.fit import auroc, fine_tune, predict
from contactlens.dna.training.pretrain import pretrain
from contactlens.ops.params import Params
from contactlens.ops.params.strict import from_mapping
from contactlens.ops.workspace import overlaid
from contactlens.training.state import source_digest

ROOT = Path(__file__).parents[1]
NETWORKS: Mapping[str, list[Path]] = {"caduceus": [], "dilated_cnn": [ROOT / "profiles" / "dilated_cnn.yaml"]}
SCANS: Mapping[str, type[MotifScan | ArrangedScan]] = {"motif_scan": MotifScan, "motif_arrangement": ArrangedScan}
DECIDES = (
    "simulate",
    "split",
    "backbone",
    "pretrain",
    "head",
    "context_bp",
    "fine_tune",
)  # of params.yaml, a network's logits
CODE = ("simulation/*.py", "models/**/*.py", "training/*.py")
Array = np.ndarray
Splits = Mapping[str, WindowSet]


def trained_logits(params: Params, parts: Splits, seed: int) -> Array:
    """Of the test windows, after pre-training and fine-tuning from this seed."""
    dna = params.dna
    train, validation = parts["train"], parts["validation"]
    seed_everything(seed, dna.pretrain.trainer.threads)
    backbone = pretrain(train.records(), validation.records(), dna.backbone.network, dna.pretrain, seed).model.backbone
    seed_everything(seed, dna.fine_tune.trainer.threads)
    model = WindowClassifier(backbone, train.task, dna.head, dna.context_bp)
    fine_tune(model, batch_of(train), batch_of(validation), dna.fine_tune, seed)
    return predict(model, batch_of(parts["test"]), dna.fine_tune.trainer.batch_size)


def kept(path: Path, described: Any, compute: Callable[[], Array]) -> Array:
    """What `compute` gives, from the file `path` where that was made with the same `described`."""
    text = json.dumps(described, sort_keys=True)
    if path.is_file():
        with np.load(path) as file:
            if str(file["described"]) == text:
                return np.asarray(file["logits"])
    logits = compute()
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_aside(path) as aside, aside.open("wb") as file:
        np.savez(file, logits=logits, described=text)
    return logits


def replicates(y: Array, logits: Array, weights: Array, seeds: Array) -> Array:
    """(1 + R,): the mean AUROC of the rows of logits (S, N), then that over each replicate's windows and seeds.

    weights: (1 + R, N), the first all 1; seeds: (R, S), how often each replicate draws each; of a model without seeds
    (S = 1) there is one to draw
    """
    scores = np.stack([auroc_score(y, row)(weights) for row in logits], axis=1)  # (1 + R, S)
    drawn = np.vstack([np.ones(seeds.shape[1]), seeds]) if len(logits) > 1 else np.ones((len(weights), 1))
    return np.asarray((drawn * scores).sum(axis=1) / drawn.sum(axis=1))


def table_of(
    test: WindowSet, logits: Mapping[str, Array], config: EvaluateConfig, seed: int, against: str
) -> pd.DataFrame:
    """A row for each model and part of the windows (all, those of each rule): AUROC, lead over the model `against`,
    each with its interval, and the mean ECE of the logits as they are."""
    y = test.windows["label"].to_numpy(dtype=np.float64)
    cluster = window_clusters(test)
    counts = resample_counts(int(cluster.max()) + 1, config.bootstrap_replicates, seed)
    weights = np.vstack([np.ones(len(y)), counts[:, cluster]])
    n_seeds = max(map(len, logits.values()))
    seeds = resample_counts(n_seeds, config.bootstrap_replicates, seed)
    parts = {"all": np.arange(len(y))}
    if has_ceiling(test):
        rules = read_arrangement(test, config_of(test.settings))["rule"].to_numpy()
        parts |= {rule: np.flatnonzero(rules == rule) for rule in RULES}
    rows = []
    for part, inside in parts.items():
        found = {name: replicates(y[inside], one[:, inside], weights[:, inside], seeds) for name, one in logits.items()}
        for name, values in found.items():
            intervals = [*_interval(values, config.confidence), *_interval(values - found[against], config.confidence)]
            ece = [_ece(y[inside], row[inside], config.calibration_bins) for row in logits[name]]
            rows.append([name, part, len(logits[name]), *intervals, float(np.mean(ece))])
    columns = ["auroc", "auroc_low", "auroc_high", "lead", "lead_low", "lead_high", "ece"]
    return pd.DataFrame(rows, columns=["model", "windows", "seeds", *columns])


def _interval(values: Array, confidence: float) -> list[float]:
    tail = (1 - confidence) / 2
    return [float(values[0]), *np.nanquantile(values[1:], [tail, 1 - tail]).tolist()]


def _ece(y: Array, logit: Array, bins: int) -> float:
    return float(ece_score(y, expit(logit), bins)(np.ones((1, len(y))))[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", type=Path, action="append", default=[], help="laid over params.yaml, in order")
    parser.add_argument("--seeds", type=int, default=3, help="training seeds of each network")
    parser.add_argument("--networks", nargs="+", choices=list(NETWORKS), default=list(NETWORKS))
    parser.add_argument("--against", default="motif_scan", choices=[*NETWORKS, *SCANS], help="which the lead is over")
    parser.add_argument("--states", type=Path, default=Path(".checkpoints/architectures"), help="what is done is there")
    parser.add_argument("--table", type=Path, required=True)
    options = parser.parse_args()
    raw = {name: overlaid(ROOT / "params.yaml", [*options.profile, *NETWORKS[name]]) for name in options.networks}
    sections = {name: from_mapping(content, Params, "", "params.yaml") for name, content in raw.items()}
    params = sections[options.networks[0]]
    windows = simulate_windows(params.dna.simulate, params.seed)
    splits = split_by_chromosome(windows, params.dna.split, params.seed)
    parts = {name: windows.select(ids) for name, ids in splits.items()}
    y = parts["test"].windows["label"].to_numpy()
    code = source_digest(ROOT / "src" / "contactlens" / "dna", CODE)
    logits = {}
    for name in options.networks:
        described = [code, {part: raw[name]["dna"][part] for part in DECIDES}]
        runs = []
        for seed in range(params.seed, params.seed + options.seeds):
            train = partial(trained_logits, sections[name], parts, seed)
            runs.append(kept(options.states / f"{name}_{seed}.npz", described, train))
            print(f"{name}, seed {seed}: AUROC {auroc(y, runs[-1]):.4f}", flush=True)
        logits[name] = np.stack(runs)
    for name, kind in SCANS.items():
        scan = kind.fit(parts["train"], parts["validation"], params.dna.baselines.motif_scan, params.seed)
        logits[name] = logit_of(scan.predict(parts["test"]))[None]
    if has_ceiling(windows):
        logits[CEILING] = ceiling_logits(parts["test"])[None]
    table = table_of(parts["test"], logits, params.dna.evaluate, params.seed, options.against)
    with write_aside(options.table) as aside:
        table.to_csv(aside, index=False, float_format="%.4f", lineterminator="\n")
    print(table.to_string(index=False, float_format="%.3f"))


if __name__ == "__main__":
    main()
