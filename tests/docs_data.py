"""The small files that the documentation's commands name, and a checkout of links to run them in."""

import gzip
from pathlib import Path

import numpy as np
import pandas as pd

from contactlens.dna.models.caduceus import CaduceusConfig, CaduceusForMaskedLM, SsmConfig, save_caduceus

ROOT = Path(__file__).parents[1]
LINKED = ("dvc.yaml", "params.yaml", "profiles", "pipelines", "src", "systems.yaml", "MLproject", "Makefile")
CHROMOSOME_BP = 200_000
SIZES = CaduceusConfig(d_model=8, n_layer=1, ssm_cfg=SsmConfig(d_state=4))


def make_checkout(folder: Path) -> Path:
    """A project folder that runs this code on the files that the pages name."""
    for name in LINKED:
        (folder / name).symlink_to(ROOT / name)
    rng = np.random.default_rng(11)
    _tracks(folder, rng)
    _genomes(folder, rng)
    _pairs(folder)
    _peaks(folder, rng)
    save_caduceus(CaduceusForMaskedLM(SIZES), folder / "caduceus-ps_131k")
    return folder


def _walks(rng: np.random.Generator, n: int, frames: int, axes: int) -> np.ndarray:
    """Bounded walks (n, frames, axes) in um."""
    steps = rng.normal(0, 0.05, size=(n, frames, axes))
    position = np.zeros_like(steps)
    for t in range(1, frames):
        position[:, t] = 0.9 * position[:, t - 1] + steps[:, t]
    return position


def _tracks(folder: Path, rng: np.random.Generator) -> None:
    frames, cells = 61, 8
    rows = pd.MultiIndex.from_product([range(cells), range(frames)], names=["cell", "frame"]).to_frame(index=False)
    separation = np.linalg.norm(_walks(rng, cells, frames, 3) + 0.2, axis=2).ravel()
    lab = rows.assign(t_s=30.0 * rows["frame"], embryo=rows["cell"] % 4, ep_nm=1000 * separation)
    lab.assign(ms2=rng.gamma(2.0, 50.0, len(lab))).to_csv(folder / "lab.csv", index=False)

    yeast = rows.assign(
        **{"tp.s": 30 * rows["frame"], "genotype": "wt", "exp.rep": 1, "meiosis": "t0", "locus": "URA3"}
    )
    for locus in ("1", "2"):
        walk = _walks(rng, cells, frames, 3) + (1.0 if locus == "1" else 1.2)
        for axis, name in enumerate("XYZ"):
            yeast[name + locus] = walk[..., axis].ravel()
    yeast.to_csv(folder / "yeast_two_locus.csv.gz", index=False)

    knirps = rows.rename(columns={"cell": "nucleus"}).assign(embryo=rows["cell"] % 4, time_s=20.0 * rows["frame"])
    knirps = knirps.assign(knirps_au=rng.uniform(0, 12, len(rows)), ms2_au=rng.gamma(2.0, 5e4, len(rows)))
    knirps.to_csv(folder / "knirps_ms2.csv.gz", index=False)


def _genomes(folder: Path, rng: np.random.Generator) -> None:
    for name in ("hg38.fa", "hg19.fa"):
        bases = {f"chr{i}": "".join(rng.choice(list("ACGT"), CHROMOSOME_BP)) for i in (1, 2, 8, 9)}
        (folder / name).write_text("".join(f">{chrom}\n{sequence}\n" for chrom, sequence in bases.items()))


def _pairs(folder: Path) -> None:
    """Per chromosome six positives and six negatives at like distances, as a table and as a BENGI list."""
    rows = [
        (chrom, 80_000 + 3_000 * i, 81_000 + 5_000 * (i // 2) + 20_000, i % 2)
        for chrom in ("chr1", "chr2", "chr8", "chr9")
        for i in range(12)
    ]
    table = pd.DataFrame(rows, columns=["chrom", "enh_start", "prom_start", "label"])
    table = table.assign(enh_end=table["enh_start"] + 400, prom_end=table["prom_start"] + 1_000)
    table.to_csv(folder / "pairs.tsv", sep="\t", index=False)
    table[["chrom", "enh_start", "enh_end"]].head(3).to_csv(folder / "places.bed", sep="\t", header=False, index=False)
    bengi = [
        (label, 10_000, chrom, enh, enh + 400, f"{chrom}:{enh}-{enh + 400}|GM12878|EH38E{i}", chrom, tss, tss + 1,
         f"{chrom}:{tss}-{tss + 1}|GM12878|GENE{i}|ENST{i}|+")
        for i, (chrom, enh, tss, label) in enumerate(rows)
    ]  # fmt: skip
    for name in ("GM12878.RNAPII-ChIAPET.tsv.gz", "list.tsv.gz"):
        pd.DataFrame(bengi).to_csv(folder / name, sep="\t", header=False, index=False)


def _peaks(folder: Path, rng: np.random.Generator) -> None:
    for name, first in (("ctcf_gm12878.fa.gz", 5_000), ("tap73_peaks.fa.gz", 5_500)):
        with gzip.open(folder / name, "wt") as file:
            for i in range(40):
                chrom, start = f"chr{(1, 2, 8, 9)[i % 4]}", 1_000 * i + first
                file.write(f">{chrom}:{start}-{start + 200}\n{''.join(rng.choice(list('ACGT'), 200))}\n")
    peaks = [("chr1", 4_000 * i + 10_000, 4_000 * i + 10_400, f"p{i}", 100, ".", 5.0, 3.0, 2.0, 200) for i in range(12)]
    pd.DataFrame(peaks).to_csv(folder / "peaks.narrowPeak", sep="\t", header=False, index=False)
    unbound = [("chr2", start, end) for _, start, end, *_ in peaks]
    pd.DataFrame(unbound).to_csv(folder / "unbound.bed", sep="\t", header=False, index=False)
