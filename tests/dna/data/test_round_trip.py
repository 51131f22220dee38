"""Any pairs on any genome come back from import, Parquet and reading with their own coordinates and bases."""

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from window_inputs import fasta

from contactlens.dna.data.batch import batch_of
from contactlens.dna.data.importing.windows import import_windows
from contactlens.dna.data.window_set import WindowSet

OTHER_STRAND = str.maketrans("ACGTN", "TGCAN")


@st.composite
def labs(draw: st.DrawFn) -> dict[str, Any]:
    """A genome, pairs that fit in its windows, and how both are written down."""
    window = draw(st.integers(30, 60))
    seed = draw(st.integers(0, 10**6))
    sizes = draw(st.lists(st.integers(window, 4 * window), min_size=1, max_size=3))
    rng = np.random.default_rng(seed)
    genome = {f"chr{i}": "".join(rng.choice(list("ACGTacgtN"), size)) for i, size in enumerate(sizes)}
    pairs = {}
    for _ in range(draw(st.integers(1, 6))):
        chrom = draw(st.sampled_from(sorted(genome)))
        start = draw(st.integers(0, len(genome[chrom]) - window))
        a, b, c, d = sorted(draw(st.lists(st.integers(0, window), min_size=4, max_size=4, unique=True)))
        first, second = draw(st.permutations([(start + a, start + b), (start + c, start + d)]))
        pairs[chrom, *first, *second] = draw(st.integers(0, 1))
    return {
        "window": window,
        "genome": genome,
        "pairs": [(*place, label) for place, label in pairs.items()],
        "file": draw(st.sampled_from(["p.tsv", "p.csv", "p.txt.gz", "p.bedpe", "p.bedpe.gz", "p.parquet"])),
        "width": draw(st.integers(1, 70)),
        "end": draw(st.sampled_from(["\n", "\r\n"])),
    }


def write(folder: Path, lab: dict[str, Any]) -> Path:
    names = ["chrom", "enh_start", "enh_end", "prom_start", "prom_end", "label"]
    path, rows = folder / lab["file"], lab["pairs"]
    if lab["file"] == "p.parquet":
        pd.DataFrame(rows, columns=names).to_parquet(path)
        return path
    if "bedpe" in lab["file"]:
        lines = [(chrom, a, b, chrom, c, d, "name", label) for chrom, a, b, c, d, label in rows]
    else:
        lines = [tuple(names), *rows]
    separator = "," if lab["file"] == "p.csv" else "\t"
    text = "".join(separator.join(map(str, line)) + lab["end"] for line in lines).encode()
    path.write_bytes(gzip.compress(text) if lab["file"].endswith(".gz") else text)
    return path


@settings(max_examples=15)
@given(lab=labs())
def test_any_lab_s_pairs_come_back(tmp_path_factory: pytest.TempPathFactory, lab: dict[str, Any]) -> None:
    folder = tmp_path_factory.mktemp("lab")
    (folder / "g.fa").write_bytes(fasta(lab["genome"], lab["end"], lab["width"]).encode())
    table = write(folder, lab)
    imported, report = import_windows(table, folder / "g.fa", window_bp=lab["window"], max_n_fraction=1.0)
    imported.write(folder / "set")
    back = WindowSet.read(folder / "set")
    pd.testing.assert_frame_equal(back.windows, imported.windows)
    assert (report.windows, report.rows) == (len(lab["pairs"]), len(lab["pairs"]))
    bases = back.sequences()
    for row, sequence, (chrom, *places, label) in zip(back.windows.itertuples(), bases, lab["pairs"], strict=True):
        relative = (row.enh_rel_start, row.enh_rel_end, row.prom_rel_start, row.prom_rel_end)
        assert [row.win_start + place for place in relative] == places
        assert (row.chrom, row.label, row.win_end - row.win_start) == (chrom, label, lab["window"])
        assert sequence == lab["genome"][chrom][row.win_start : row.win_end].upper()
        for start, end in (places[:2], places[2:]):
            own = sequence[start - row.win_start : end - row.win_start]
            assert own == lab["genome"][chrom][start:end].upper()
    check_strands(back, bases)


def check_strands(windows: WindowSet, bases: list[str]) -> None:
    """Read from the other strand twice, every window is itself; read once, it is Python's own reverse complement."""
    batch = batch_of(windows)
    once = batch.reverse_complement()
    twice = once.reverse_complement()
    assert torch.equal(twice.ids, batch.ids) and torch.equal(twice.regions, batch.regions)
    other = [sequence[::-1].translate(OTHER_STRAND) for sequence in bases]
    turned = windows.windows.assign(win_start=0, win_end=windows.length, record=[str(i) for i in range(len(other))])
    mirrored = WindowSet("region", turned, type(windows.genome).of(dict(enumerated(other))), "", {}, None)
    assert torch.equal(batch_of(mirrored).ids, once.ids)


def enumerated(sequences: list[str]) -> list[tuple[str, str]]:
    return [(str(i), sequence) for i, sequence in enumerate(sequences)]
