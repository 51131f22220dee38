"""Every bad table, FASTA or list of peaks is refused at the command line, in one message that says where."""

import gzip
from pathlib import Path
from typing import NamedTuple

import pytest
from window_inputs import (
    BED,
    BENGI,
    GOOD,
    HEAD,
    NARROW,
    RECORDS,
    ROW,
    WINDOW,
    WINDOWS,
    bgzipped,
    columns,
    fasta,
    not_utf8,
    parquet,
)

from contactlens.dna.data.window_set import WindowSet
from refusal import fill, refused, refused_in_one_line, run


class Bad(NamedTuple):
    files: dict[str, str | bytes]
    command: tuple[object, ...]
    says: tuple[str, ...]


def table(content: str | bytes, *says: str, name: str = "pairs.tsv", flags: tuple[object, ...] = ()) -> Bad:
    """A bad table beside a sound FASTA."""
    return pairs({name: content, "g.fa": fasta(RECORDS)}, name, "g.fa", says, flags)


def genome(content: str | bytes, *says: str, name: str = "g.fa") -> Bad:
    """A bad FASTA beside a sound table."""
    return pairs({"pairs.tsv": GOOD, name: content}, "pairs.tsv", name, says)


def pairs(
    files: dict[str, str | bytes], table: str, fasta: str, says: tuple[str, ...], flags: tuple[object, ...] = ()
) -> Bad:
    given = () if "--window-bp" in flags else ("--window-bp", 300)
    return Bad(files, ("import", "windows", f"@{table}", "--fasta", f"@{fasta}", "--out", "@out", *given, *flags), says)


def bengi(content: str, *says: str) -> Bad:
    files = {"list.tsv": content, "g.fa": fasta(RECORDS)}
    return Bad(files, ("import", "bengi", "@list.tsv", "--fasta", "@g.fa", "--window-bp", 300, "--out", "@out"), says)


def regions(content: str | bytes, *says: str, name: str = "p.bed", flags: tuple[object, ...] = ()) -> Bad:
    given = ("--genome", "@g.fa", "--window-bp", 100, "--out", "@out")
    return Bad({name: content, "g.fa": fasta(RECORDS)}, ("import", "regions", f"@{name}", *given, *flags), says)


BAD: dict[str, Bad] = {
    # pairs: the file
    "table missing": pairs({"g.fa": fasta(RECORDS)}, "pairs.tsv", "g.fa", ("pairs.tsv: no such file",)),
    "folder for a table": pairs(
        {"d.tsv/x": "", "g.fa": fasta(RECORDS)}, "d.tsv", "g.fa", ("d.tsv: is a folder, where a file is expected",)
    ),
    "name too long": pairs(
        {"g.fa": fasta(RECORDS)}, f"{'x' * 300}.tsv", "g.fa", ("x.tsv: not readable (File name too long)",)
    ),
    "table empty": table("", "pairs.tsv: the file is empty"),
    "table of zeros": table(b"\0" * 500, "pairs.tsv: the table has no rows"),
    "table binary": table(b"\x89PNG\r\n\x1a\n" + bytes(99), "pairs.tsv: not UTF-8 text (invalid start byte at byte 0)"),
    "table UTF-16": table(GOOD.encode("utf-16"), "pairs.tsv: not UTF-8 text"),
    "table of no known kind": table(GOOD, "pairs.xlsx: not a known kind of table", name="pairs.xlsx"),
    "gzip cut short": table(gzip.compress((GOOD * 99).encode())[:-9], "t.tsv.gz: not a readable", name="t.tsv.gz"),
    "a cell too long": table(GOOD.replace("chr2", "c" * 200_000, 1), "pairs.tsv: not a readable table", "131072"),
    # pairs: the columns
    "columns by spaces": table(GOOD.replace("\t", " "), "no column 'chrom', 'enh_start'", "separated by tabs?"),
    "BEDPE by commas": table("chr1,200,250,chr1,330,390,x,1\n", "no column 'start1'", "by tabs?", name="p.bedpe"),
    "BEDPE without label": table("chr1\t200\t250\tchr1\t330\t390\n", "p.bedpe: no column 'score'", name="p.bedpe"),
    "label column absent": table(GOOD, "no column 'active'; the table has chrom", flags=("--label-column", "active")),
    "column twice": table(GOOD.replace("prom_end", "prom_start", 1), "column 'prom_start' appears 2 times"),
    "a row too long": table(GOOD + ROW.replace("\n", "\t9\n"), "pairs.tsv: line 6 has 7 cells, line 1 has 6"),
    "Parquet column twice": table(
        parquet(columns().append_column("label", columns()["label"])),
        "p.parquet: column 'label' appears 2 times",
        name="p.parquet",
    ),
    "Parquet text not UTF-8": table(
        parquet(columns(chrom=not_utf8())), "p.parquet: not a readable Parquet", "UTF8", name="p.parquet"
    ),
    "Parquet of lists": table(
        parquet(columns(enh_start=[[1], [2], [3], [4]])), "'enh_start': 4 cells are not whole", name="p.parquet"
    ),
    "Parquet cut short": table(parquet(columns())[:-9], "p.parquet: not a readable Parquet file", name="p.parquet"),
    # pairs: the cells
    "half a base": table(GOOD + ROW.replace("250", "250.5"), "column 'enh_end': 1 cells are not", "line 6 ('250.5')"),
    "NaN": table(GOOD + ROW.replace("330", "NaN"), "column 'prom_start': 1 cells are not whole", "line 6 ('NaN')"),
    "hexadecimal": table(GOOD + ROW.replace("200", "0xC8"), "column 'enh_start'", "line 6 ('0xC8')"),
    "thousands": table(GOOD + ROW.replace("200", "1,200"), "column 'enh_start'", "line 6 ('1,200')"),
    "negative": table(GOOD + ROW.replace("200", "-200"), "'enh_start': 1 coordinates are negative", "line 6 ('-200')"),
    "too large": table(GOOD + ROW.replace("250", "9" * 30), "'enh_end': 1 coordinates are too large", "line 6"),
    "end before start": table(GOOD + ROW.replace("390", "320"), "'prom_end': 1 ends are not above", "line 6 ('320')"),
    "label 2": table(GOOD + ROW.replace("\t1\n", "\t2\n"), "column 'label': 1 labels are not 0 or 1", "line 6 ('2')"),
    "label of text": table(GOOD + ROW.replace("\t1\n", "\tyes\n"), "column 'label': 1 labels", "line 6 ('yes')"),
    # pairs: nothing left
    "1 for chr1": table(
        GOOD.replace("chr1", "1").replace("chr2", "2"), "no window is left of 4", "2, 1:200", "FASTA calls '1' 'chr1'"
    ),
    "overlapping elements": table(HEAD + ROW.replace("330", "240"), "1 with overlapping elements (first: line 2"),
    "beyond the chromosome": table(
        HEAD + ROW.replace("390", "1501").replace("330", "1400").replace("250", "1300").replace("200", "1250"),
        "1 outside of the FASTA's sequence (first: line 2",
    ),
    "too far apart": table(HEAD + ROW.replace("390", "900"), "1 that don't fit in the window (first: line 2"),
    "window beyond chromosome": table(GOOD, "4 on a sequence shorter than the window", flags=("--window-bp", 1501)),
    "both labels": table(HEAD + ROW + ROW.replace("\t1\n", "\t0\n"), "2 given with both labels (first: line 2"),
    "no negatives to match": table(HEAD + ROW, "1 positives without negatives", flags=("--match-distance", 1)),
    # windows given as they are
    "element outside its window": table(WINDOWS + WINDOW.replace("290", "310"), "1 that don't fit in the window"),
    "window of another length": table(WINDOWS + WINDOW.replace("400", "390"), "1 windows are not of 300", "('390')"),
    "window twice": table(WINDOWS + WINDOW + WINDOW.replace("290", "291"), "'window_id': 1 ids are repeated", "line 3"),
    # options
    "no bases": table(GOOD, "window_bp must be at least 1", "got 0", flags=("--window-bp", 0)),
    "window of astronomy": table(GOOD, "window_bp must be at least 1 and at most", flags=("--window-bp", 10**20)),
    "N beyond all": table(GOOD, "max_n_fraction must lie between 0 and 1", flags=("--max-n-fraction", 2)),
    "seed below 0": table(GOOD, "seed must be at least 0, got -1", flags=("--match-distance", 1, "--seed", -1)),
    # FASTA
    "FASTA missing": pairs({"pairs.tsv": GOOD}, "pairs.tsv", "g.fa", ("g.fa: no such file",)),
    "folder for a FASTA": pairs({"pairs.tsv": GOOD, "d/x": ""}, "pairs.tsv", "d", ("d: is a folder, where a file",)),
    "FASTA empty": genome("", "g.fa: the file is empty"),
    "not FASTA": genome("LOCUS x\nORIGIN\n1 acgt\n", "g.fa: not a readable FASTA", "before the first sequence"),
    "FASTA binary": genome(bytes(range(256)), "g.fa: not a readable FASTA"),
    "name twice": genome(fasta(RECORDS) + ">chr1\nACGT\n", "g.fa: not a readable FASTA", 'Duplicate key "chr1"'),
    "lines of all lengths": genome(">chr1\nAC\nACGT\nAC\n", "g.fa: not a readable FASTA", "Inconsistent line"),
    "two kinds of line ends": genome(fasta(RECORDS).replace("\n", "\r\n", 9), "g.fa: not a readable FASTA", "line 10"),
    "carriage returns": genome(fasta(RECORDS, "\r"), "g.fa: its lines end in carriage returns alone"),
    "protein": genome(fasta({"chr1": 250 * "MELTPQ", "chr2": ""}), "g.fa: record 'chr1' holds 'E', which is no base"),
    "protein after DNA": genome(
        fasta({"chr1": RECORDS["chr1"][:1400] + "MELT", "chr2": ""}), "'chr1' holds 'E', which is no", "at base 1,402"
    ),
    "spaces among bases": genome(
        fasta({name: " ".join(bases[i : i + 10] for i in range(0, 1500, 10)) for name, bases in RECORDS.items()}),
        "g.fa: record 'chr1' holds ' ', which is no base of DNA",
    ),
    "RNA": genome(fasta(RECORDS).replace("T", "U"), "g.fa: record 'chr1' holds 'U', which is no base of DNA"),
    "gaps": genome(fasta(RECORDS).replace("T", "-"), "g.fa: record 'chr1' holds '-', which is no base of DNA"),
    "N alone": genome(fasta(dict.fromkeys(RECORDS, 1500 * "N")), "4 with too many unknown bases (first: line 2"),
    "FASTA without chr": genome(fasta(RECORDS).replace("chr", ""), "the FASTA calls 'chr1' '1'"),
    "gzip without its end": genome(gzip.compress(fasta(RECORDS).encode())[:-9], "cut short", name="g.fa.gz"),
    "gzip of what is no FASTA": genome(gzip.compress(b"ACGT\n"), "g.fa.gz: not a readable FASTA", name="g.fa.gz"),
    "bgzip in name alone": genome(fasta(RECORDS), "g.fa.gz: can't be opened or indexed", "BGZF", name="g.fa.gz"),
    "bgzip cut in half": genome(bgzipped()[: len(bgzipped()) // 2], "g.fa.gz: not a readable bgzip", name="g.fa.gz"),
    "bgzip without its end": genome(bgzipped()[:-28], "g.fa.gz: can't be opened", "EOF marker", name="g.fa.gz"),
    "bgzip damaged": genome(
        bgzipped()[:900] + b"\xff\x3f" + bgzipped()[902:], "g.fa.gz: not a readable bgzip file", name="g.fa.gz"
    ),
    "name against its length": genome(">chr1:100-900\nACGT\n", "g.fa: record 'chr1:100-900': its name spans 800 bases"),
    "coordinates of astronomy": genome(
        f">chr1:{10**25}-{10**25 + 4}\nACGT\n", "g.fa: record 'chr1:1000", "the coordinates in its name are too large"
    ),
    # BENGI lists
    "BENGI with header": bengi("label\td\tc\ts\te\tn\tc\ts\te\tn\n" + BENGI, "column 'enh_start'", "line 1 ('s')"),
    "BENGI by commas": bengi(BENGI.replace("\t", ","), "list.tsv: no column 'enh_chrom'", "separated by tabs?"),
    "BENGI of six columns": bengi(GOOD, "list.tsv: no column 'prom_chrom', 'prom_start', 'prom_end'"),
    "BENGI label": bengi(BENGI.replace("1\t", "0.5\t", 1), "column 'label': 1 labels are not 0 or 1", "line 1 ('0.5')"),
    # peaks
    "BED by spaces": regions(BED.replace("\t", " "), "p.bed: no column 'start', 'end'", "separated by tabs?"),
    "BED of two columns": regions("chr1\t5\n", "p.bed: no column 'end'; the table has chrom, start"),
    "BED with header": regions("chrom\tstart\tend\n" + BED, "column 'start': 1 cells", "line 1 ('start')"),
    "BED end before start": regions("chr1\t600\t500\n", "column 'end': 1 ends are not above 'start'", "line 1 ('500')"),
    "BED beyond the end": regions("chr1\t1490\t1500\n", "1 whose window leaves the FASTA's sequence (first: line 1"),
    "BED without chr": regions(BED.replace("chr", ""), "2 on a chromosome that the FASTA lacks", "calls '1' 'chr1'"),
    "BED without genome": Bad(
        {"p.bed": BED},
        ("import", "regions", "@p.bed", "--window-bp", 100, "--out", "@out"),
        ("p.bed: intervals need a genome FASTA",),
    ),
    "folder for a BED": Bad(
        {"d.bed/x": "", "g.fa": fasta(RECORDS)},
        ("import", "regions", "@d.bed", "--genome", "@g.fa", "--window-bp", 100, "--out", "@out"),
        ("d.bed: is a folder, where a file is expected",),
    ),
    "narrowPeak of three columns": regions(BED, "p.narrowPeak: no column '10'", name="p.narrowPeak"),
    "summit beyond peak": regions(NARROW.format(100), "'10': 1 summits are not in", "('100')", name="p.narrowPeak"),
    "half a summit": regions(NARROW.format(3.5), "'10': 1 summits are not whole", "('3.5')", name="p.narrowPeak"),
    "summit NaN": regions(NARROW.format("nan"), "'10': 1 summits are not whole", "('nan')", name="p.narrowPeak"),
    "peaks of protein": regions(">a\nMELT\n", "p.fa: line 2 holds 'E', which is no base", name="p.fa"),
    "peaks in FASTQ": regions("@a\nACGT\n+\nIIII\n", "p.fa: line 1 comes before the first record", name="p.fa"),
    "peaks that don't shuffle": regions(f">a\n{200 * 'A'}\n", "p.fa, its shuffles: no window is left", name="p.fa"),
    "peaks as negatives": regions(BED, "p.bed: no window", "2 negatives on a", flags=("--negatives", "@p.bed")),
    "negatives missing": regions(BED, "n.bed: no such file", flags=("--negatives", "@n.bed")),
    "no shuffles": regions(BED, "p.bed: without negatives `shuffles` must be", flags=("--shuffles", 0)),
    "seed of shuffles": regions(BED, "seed must be at least 0, got -2", flags=("--seed", -2)),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_input(tmp_path: Path, name: str) -> None:
    fill(tmp_path, BAD[name].files)
    message = refused_in_one_line(tmp_path, *BAD[name].command)
    for part in BAD[name].says:
        assert part in message


def test_a_bad_fasta_leaves_no_index(tmp_path: Path) -> None:
    for name in ("bgzip cut in half", "bgzip without its end", "bgzip damaged", "not FASTA", "name twice"):
        folder = tmp_path / name
        fill(folder, BAD[name].files)
        refused(folder, *BAD[name].command)
        assert not [path for path in folder.iterdir() if path.suffix in {".fai", ".gzi"}], name


def test_the_sound_inputs_are_taken(tmp_path: Path) -> None:
    """The harness itself: without a fault the same commands write."""
    sound = {
        "pairs": table(GOOD),
        "windows": table(WINDOWS + WINDOW),
        "crlf": genome(fasta(RECORDS, "\r\n")),
        "bgzip": genome(bgzipped(), name="g.fa.gz"),
        "gzip": genome(gzip.compress(fasta(RECORDS).encode()), name="g.fa.gz"),
        "parquet": table(parquet(columns()), name="p.parquet"),
        "binary": table(parquet(columns(chrom=[b"chr1", b"chr1", b"chr2", b"chr2"])), name="b.parquet"),
        "bengi": bengi(BENGI),
        "bed": regions(BED),
        "narrow": regions(NARROW.format(-1), name="p.narrowPeak"),
    }
    for name, one in sound.items():
        fill(tmp_path / name, one.files)
        code, _, message = run(tmp_path / name, *one.command)
        assert (code, message) == (0, "")
        found = WindowSet.read(tmp_path / name / "out")
        known = {record: 60 * bases if name == "bgzip" else bases for record, bases in RECORDS.items()}
        for row, bases in zip(found.windows.itertuples(), found.sequences(), strict=True):
            assert row.label == 0 or bases == known[row.chrom][row.win_start : row.win_end], name
