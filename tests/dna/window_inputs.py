"""Small sound tables, genomes and window sets of the DNA branch, for tests that spoil them."""

import io
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from Bio import bgzf

from contactlens.dna.data.genome import Genome
from contactlens.dna.data.window_set import WindowSet

RNG = np.random.default_rng(5)
RECORDS = {name: "".join(RNG.choice(list("ACGT"), 1500)) for name in ("chr1", "chr2")}
HEAD = "chrom\tenh_start\tenh_end\tprom_start\tprom_end\tlabel\n"
ROW = "chr1\t200\t250\t330\t390\t1\n"
GOOD = HEAD + ROW + "chr1\t700\t750\t800\t860\t0\nchr2\t200\t250\t330\t390\t1\nchr2\t700\t750\t800\t860\t0\n"
WINDOWS = "window_id\tchrom\twin_start\twin_end\tenh_rel_start\tenh_rel_end\tprom_rel_start\tprom_rel_end\tlabel\n"
WINDOW = "w\tchr1\t100\t400\t0\t50\t280\t290\t1\n"
BENGI = "1\t9\tchr1\t200\t250\te\tchr1\t330\t390\tp\n"
NARROW = "chr1\t500\t600\tn\t9\t.\t1\t1\t1\t{}\n"
BED = "chr1\t500\t600\nchr2\t500\t600\n"


def fasta(records: dict[str, str], end: str = "\n", width: int = 60) -> str:
    lines = [
        [f">{name}", *(bases[i : i + width] for i in range(0, len(bases), width))] for name, bases in records.items()
    ]
    return end.join(line for record in lines for line in record) + end


@cache
def bgzipped() -> bytes:
    sink = io.BytesIO()
    writer = bgzf.BgzfWriter(fileobj=sink)
    writer.write(fasta({name: 60 * bases for name, bases in RECORDS.items()}).encode())
    writer.flush()
    sink.write(b"\x1f\x8b\x08\x04\0\0\0\0\0\xff\x06\0BC\x02\0\x1b\0\x03\0\0\0\0\0\0\0\0\0")
    return sink.getvalue()


def parquet(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return sink.getvalue().to_pybytes()


def columns(**changes: Any) -> pa.Table:
    """The good table with some columns replaced."""
    table = pa.Table.from_pandas(pd.read_csv(io.StringIO(GOOD), sep="\t"), preserve_index=False)
    for name, values in changes.items():
        table = table.set_column(table.column_names.index(name), name, pa.array(values))
    return table


def not_utf8() -> pa.Array:
    return pa.Array.from_buffers(pa.string(), 4, pa.array([b"chr1", b"chr\xff", b"a", b"b"]).buffers())


def write_set(folder: Path) -> None:
    rows = pd.read_csv(io.StringIO(GOOD), sep="\t")
    start = rows["enh_start"] - 50
    places = {f"{e}_rel_{s}": rows[f"{e}_{s}"] - start for e in ("enh", "prom") for s in ("start", "end")}
    named = {
        "window_id": [f"{r.chrom}:{r.enh_start}-{r.enh_end}_{r.prom_start}-{r.prom_end}" for r in rows.itertuples()]
    }
    windows = pd.DataFrame({**named, "chrom": rows["chrom"], "win_start": start, "win_end": start + 300, **places})
    windows = windows.assign(label=rows["label"], record=rows["chrom"], record_start=0)
    windows = windows.astype(dict.fromkeys(("window_id", "chrom", "record"), "str"))
    WindowSet("pair", windows, Genome.of(RECORDS), "made here", {}, None).write(folder)
