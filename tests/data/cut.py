"""Cuts the files of this folder out of the whole ones: `python tests/data/cut.py FOLDER`.

FOLDER holds `caduceus` (references made by the published code), `cases` (made-up exports) and `data` (public tables).
A rerun gives the same bytes.
"""

import gzip
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from safetensors.torch import load_file, save_file

HERE = Path(__file__).parent
NARROW = {128: 32, 64: 16, 34: 9, 32: 8, 16: 4, 2: 1}  # in_proj, d_inner, x_proj, d_model, d_state, dt_rank


def caduceus(source: Path, out: Path) -> None:
    """Two of the reference models whole; of their states what a test reads, blocks of the first sequence alone."""
    out.mkdir(parents=True, exist_ok=True)
    for name in ("tokenizer_golden", "ps131k_keys", "ph131k_keys", "ph1k_keys", "config_ps131k", "config_ph1k"):
        shutil.copyfile(source / f"{name}.json", out / f"{name}.json")
    for variant in ("ps", "ph"):
        (out / variant).mkdir(exist_ok=True)
        large = ("pytorch_model.bin", "param_grads_L64_f64.npz") if variant == "ps" else ()
        for name in ("config.json", "model.safetensors", "lrp_L64_f64.npz", "debug_layer0_L64_f64.npz", *large):
            shutil.copyfile(source / variant / name, out / variant / name)
        with np.load(source / variant / "golden_L64.npz") as whole:
            np.savez_compressed(out / variant / "golden_L64.npz", **dict(states(whole)))
        with np.load(source / variant / "golden_special48.npz") as whole:
            first = {key: value[:1] for key, value in states(whole).items() if not key.startswith(("streams", "resid"))}
            np.savez_compressed(out / variant / "golden_special48.npz", **first)


def states(whole: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What the tests read, without single precision of blocks; states of blocks for the first sequence alone."""
    read = ("input_ids", "last_hidden_state", "last_hidden_state_f64", "logits_f64", "W_hidden", "W_logits")
    read += ("grad_emb_scalar_hidden_f64", "grad_emb_scalar_logits_f64", "grad_emb_scalar_hidden_f32")
    blocks = {key: whole[key][:, :1] for key in ("streams_f64", "residuals_f64")}
    return {key: whole[key] for key in read if key in whole} | blocks


def checkpoints(source: Path, out: Path) -> None:
    """The layouts of checkpoints, four times narrower: the leading entries of every axis of every tensor."""
    for folder in sorted(source.iterdir()):
        (out / folder.name).mkdir(parents=True, exist_ok=True)
        for path in sorted(folder.iterdir()):
            to = out / folder.name / path.name
            if path.name == "config.json":
                to.write_text(
                    path.read_text().replace('"d_model": 32', '"d_model": 8').replace('"d_state": 16', '"d_state": 4')
                )
            elif path.suffix == ".safetensors":
                save_file({name: narrow(name, value) for name, value in load_file(path).items()}, to)
            elif path.suffix in (".bin", ".ckpt"):
                torch.save(narrowed(torch.load(path, weights_only=True)), to)
            else:
                shutil.copyfile(path, to)


def narrowed(held: dict) -> dict:
    kinds: dict[type, Callable] = {dict: lambda name, value: narrowed(value), torch.Tensor: narrow}
    return {name: kinds.get(type(value), lambda name, value: value)(name, value) for name, value in held.items()}


def narrow(name: str, value: torch.Tensor) -> torch.Tensor:
    """The leading part of every axis but the vocabulary's and the classes'."""
    if name.endswith("complement_map"):
        return value
    kept = (
        slice(None)
        if name.endswith(("embedding.weight", "score.weight", "lm_head.weight"))
        else slice(NARROW[len(value)])
    )
    return value[(kept, *(slice(NARROW.get(n, n)) for n in value.shape[1:]))].clone()


def cases(source: Path, out: Path) -> None:
    for kind in ("tracks", "dna"):
        shutil.copytree(source / kind, out / kind, dirs_exist_ok=True, copy_function=shutil.copyfile)
    checkpoints(source / "checkpoints", out / "checkpoints")


def tables(source: Path, out: Path) -> None:
    """The two files that are small enough, and some rows of the tables, byte by byte."""
    out.mkdir(parents=True, exist_ok=True)
    for name in ("ctcf_gm12878.fa.gz", "hg19_chr20_1-2Mb.fa.gz"):
        shutil.copyfile(source / name, out / name)
    chosen = {
        "knirps_ms2.csv.gz": lambda table: first(table, ["embryo"], "nucleus", 2),
        "knirps_cphmm_states.csv.gz": lambda table: first(table, ["embryo"], "fragment", 8),
        "yeast_two_locus.csv.gz": lambda table: first(table, ["locus", "genotype", "exp.rep", "meiosis"], "cell", 2),
        "bengi_rnapii.tsv.gz": lambda table: table[2].isin(["chr20", "chr22"]),
    }
    for name, choose in chosen.items():
        lines = gzip.decompress((source / name).read_bytes()).splitlines(keepends=True)
        header = [] if ".tsv" in name else [lines.pop(0)]
        table = pd.read_csv(source / name, **({} if header else {"sep": "\t", "header": None}))
        kept = [line for line, wanted in zip(lines, choose(table), strict=True) if wanted]
        (out / name).write_bytes(gzip.compress(b"".join(header + kept), mtime=0))


def first(table: pd.DataFrame, groups: list[str], unit: str, n: int) -> pd.Series:
    """Whether a row is of the first n units of its group, in the order of the table."""
    return table.groupby(groups)[unit].transform(lambda own: own.isin(own.unique()[:n]))


if __name__ == "__main__":
    whole = Path(sys.argv[1])
    caduceus(whole / "caduceus", HERE / "caduceus")
    cases(whole / "cases", HERE / "cases")
    tables(whole / "data", HERE / "data")
