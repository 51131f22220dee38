"""Pairs of any table become windows that hold them, and what is left out is counted by reason."""

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contactlens.base.errors import InputError
from contactlens.dna.data.genome import Genome
from contactlens.dna.data.importing.report import ImportedWindows
from contactlens.dna.data.importing.windows import import_windows
from contactlens.dna.data.negatives import DistanceMatching
from contactlens.dna.data.window_set import WindowSet

HEADER = ["chrom", "enh_start", "enh_end", "prom_start", "prom_end", "label"]
GENOME = {"chr1": 2000, "chr2": 500, "chr3": 90}


@pytest.fixture(scope="module")
def fasta(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """chr1 with N in [1000, 1100), chr2, and chr3, which is shorter than the windows."""
    rng = np.random.default_rng(0)
    sequences = {name: "".join(rng.choice(list("ACGT"), length)) for name, length in GENOME.items()}
    sequences["chr1"] = sequences["chr1"][:1000] + "N" * 100 + sequences["chr1"][1100:]
    path = tmp_path_factory.mktemp("genome") / "genome.fa"
    Genome.of(sequences).write(path, sequences)
    return path


def write(folder: Path, rows: list[tuple[object, ...]], header: list[str] = HEADER, name: str = "pairs.tsv") -> Path:
    path = folder / name
    path.write_text("\n".join("\t".join(map(str, row)) for row in [header, *rows]) + "\n")
    return path


def imported(path: Path, fasta: Path, **options: object) -> ImportedWindows:
    return import_windows(path, fasta, **{"window_bp": 100, "max_n_fraction": 0.2, **options})


def test_windows_are_centred_and_stay_on_the_chromosome(tmp_path: Path, fasta: Path) -> None:
    rows = [
        ("chr1", 200, 210, 240, 260, 1),
        ("chr1", 250, 260, 205, 215, 0),
        ("chr1", 0, 5, 20, 30, 0),
        ("chr2", 450, 460, 480, 500, 1),
        ("chr2", 100, 120, 150, 200, 1),
    ]
    windows, report = imported(write(tmp_path, rows), fasta)
    table = windows.windows
    assert table["win_start"].tolist() == [180, 182, 0, 400, 100]
    assert (table["win_end"] - table["win_start"]).eq(100).all()
    for row, source in zip(table.itertuples(), rows, strict=True):
        places = (row.enh_rel_start, row.enh_rel_end, row.prom_rel_start, row.prom_rel_end)
        assert tuple(row.win_start + place for place in places) == source[1:5]
    assert table["label"].tolist() == [1, 0, 0, 1, 1]
    assert (table["record"] == table["chrom"]).all()
    assert table["window_id"].iloc[0] == "chr1:200-210_240-260"
    assert (report.rows, report.windows, report.positives, sum(report.dropped.values())) == (5, 5, 3, 0)
    assert str(report) == "5 windows (3 positive) from 5 rows; dropped: none"
    genome = Genome.open(fasta)
    assert windows.sequences()[0] == genome.fetch("chr1", 180, 280)


LEFT_OUT = [
    ("on two chromosomes", ("chr1", 200, 210, "chr2", 240, 260, 1)),
    ("on a chromosome that the FASTA lacks", ("chr9", 200, 210, "chr9", 240, 260, 1)),
    ("outside of the FASTA's sequence", ("chr2", 420, 430, "chr2", 490, 501, 1)),
    ("on a sequence shorter than the window", ("chr3", 10, 20, "chr3", 40, 50, 1)),
    ("with overlapping elements", ("chr1", 200, 241, "chr1", 240, 260, 1)),
    ("that don't fit in the window", ("chr1", 200, 210, "chr1", 290, 301, 1)),
    ("with too many unknown bases", ("chr1", 980, 990, "chr1", 995, 1005, 1)),
]


@pytest.mark.parametrize(("reason", "row"), LEFT_OUT)
def test_each_reason_to_leave_a_pair_out(tmp_path: Path, fasta: Path, reason: str, row: tuple[object, ...]) -> None:
    header = ["enh_chrom", "enh_start", "enh_end", "prom_chrom", "prom_start", "prom_end", "label"]
    good = ("chr1", 300, 310, "chr1", 340, 360, 0)
    windows, report = imported(write(tmp_path, [good, row], header), fasta)
    assert {name: count for name, count in report.dropped.items() if count} == {reason: 1}
    assert report.examples[reason].startswith("line 3, ")
    assert f"1 {reason} (first: line 3, " in str(report)
    assert windows.windows["window_id"].tolist() == ["chr1:300-310_340-360"]


def test_pairs_at_the_limits_are_kept(tmp_path: Path, fasta: Path) -> None:
    rows = [
        ("chr1", 200, 210, 290, 300, 1),  # just fits
        ("chr1", 200, 240, 240, 260, 1),  # touches
        ("chr1", 988, 998, 1100, 1110, 1),  # does not fit
        ("chr1", 980, 990, 996, 1001, 1),  # 1 of 15 bases unknown
        ("chr2", 400, 410, 480, 500, 1),  # ends with the chromosome
    ]
    windows, report = imported(write(tmp_path, rows), fasta, max_n_fraction=1 / 15)
    assert report.windows == 4
    assert windows.windows["win_end"].max() == 1040
    _, strict = imported(write(tmp_path, rows), fasta, max_n_fraction=0.06)
    assert strict.dropped["with too many unknown bases"] == 1


def test_repeats_are_kept_once_and_contradictions_not_at_all(tmp_path: Path, fasta: Path) -> None:
    rows = [("chr1", 200, 210, 240, 260, label) for label in (1, 1, 1)]
    rows += [("chr1", 300, 310, 340, 360, label) for label in (0, 1)]
    _, report = imported(write(tmp_path, rows), fasta)
    assert report.windows == 1
    assert report.dropped["given before"] == 2
    assert report.dropped["given with both labels"] == 2


def test_nothing_left_is_an_error_with_the_counts(tmp_path: Path, fasta: Path) -> None:
    path = write(tmp_path, [("1", 200, 210, 240, 260, 1), ("1", 300, 310, 340, 360, 1)])
    with pytest.raises(InputError) as error:
        imported(path, fasta)
    assert "no window is left of 2 rows; 2 on a chromosome that the FASTA lacks (first: line 2, 1:200" in str(
        error.value
    )
    assert f"{fasta} holds chr1, chr2, chr3" in str(error.value)


def design_table(seed: int, n: int = 30) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    start = rng.integers(0, 850, n)
    enh, prom = rng.integers(0, 30, n), rng.integers(50, 80, n)
    return pd.DataFrame(
        {
            "window_id": [f"w{i}" for i in range(n)],
            "chrom": "chr1",
            "win_start": start,
            "win_end": start + 100,
            "enh_rel_start": enh,
            "enh_rel_end": enh + 15,
            "prom_rel_start": prom,
            "prom_rel_end": prom + 20,
            "label": rng.integers(0, 2, n),
        }
    )


@pytest.mark.parametrize("name", ["w.tsv", "w.csv", "w.txt", "w.tsv.gz", "w.csv.gz", "w.parquet"])
def test_given_windows_are_taken_as_they_are_from_every_kind_of_file(tmp_path: Path, fasta: Path, name: str) -> None:
    table = design_table(1)
    path = tmp_path / name
    if name == "w.parquet":
        table.assign(label=table["label"] == 1).to_parquet(path)
    else:
        text = table.to_csv(index=False, sep="," if "csv" in name else "\t")
        path.write_bytes(gzip.compress(text.encode()) if name.endswith("gz") else b"\xef\xbb\xbf" + text.encode())
    windows, _ = imported(path, fasta)
    pd.testing.assert_frame_equal(windows.windows[list(table.columns)], table, check_dtype=False)


def test_given_windows_drop_elements_outside_and_refuse_other_lengths(tmp_path: Path, fasta: Path) -> None:
    table = design_table(2)
    outside = table.copy()
    outside.loc[3, "prom_rel_end"] = 101
    outside.loc[4, ["win_start", "win_end"]] = [1950, 2050]
    outside.to_csv(tmp_path / "o.csv", index=False)
    _, report = imported(tmp_path / "o.csv", fasta)
    assert report.dropped["that don't fit in the window"] == 1
    assert report.dropped["outside of the FASTA's sequence"] == 1
    table.to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(InputError, match=r"column 'win_end': 30 windows are not of 99 bases; first at line 2"):
        imported(tmp_path / "t.csv", fasta, window_bp=99)
    table.assign(window_id="same").to_csv(tmp_path / "s.csv", index=False)
    with pytest.raises(InputError, match=r"column 'window_id': 29 ids are repeated; first at line 3"):
        imported(tmp_path / "s.csv", fasta)


@pytest.mark.parametrize("compressed", [False, True])
def test_bedpe_takes_the_first_interval_as_the_enhancer(tmp_path: Path, fasta: Path, compressed: bool) -> None:
    text = "#chrom1\tstart1\n\nchr1\t250\t260\tchr1\t205\t215\tloop1\t0\t.\t.\t1\n"
    text += "chr1\t300\t310\tchr1\t340\t360\tloop2\t1\t+\t-\t1\n"
    path = tmp_path / ("p.bedpe.gz" if compressed else "p.bedpe")
    path.write_bytes(gzip.compress(text.encode()) if compressed else text.encode())
    windows, _ = imported(path, fasta)
    assert windows.windows["label"].tolist() == [0, 1]
    assert (windows.windows["win_start"] + windows.windows["enh_rel_start"]).tolist() == [250, 300]
    by_number, _ = imported(path, fasta, label_column="11")
    assert by_number.windows["label"].tolist() == [1, 1]


def test_a_fasta_of_cut_out_regions_holds_pairs_of_their_chromosome(tmp_path: Path, fasta: Path) -> None:
    part = Genome.open(fasta).fetch("chr1", 150, 400)
    Genome.of({"chr1:150-400": part}).write(tmp_path / "part.fa", ["chr1:150-400"])
    rows = [("chr1", 155, 165, 180, 190, 1), ("chr1", 240, 250, 280, 290, 0), ("chr1", 380, 390, 399, 405, 0)]
    windows, report = imported(write(tmp_path, rows), tmp_path / "part.fa")
    assert windows.windows["win_start"].tolist() == [150, 215]
    assert windows.windows["record_start"].tolist() == [150, 150]
    assert report.dropped["outside of the FASTA's sequence"] == 1
    assert windows.sequences()[1] == Genome.open(fasta).fetch("chr1", 215, 315)


def test_negatives_can_be_matched_on_distance(tmp_path: Path, fasta: Path) -> None:
    near = [("chr1", s, s + 10, s + 20, s + 30, s // 10 % 2) for s in range(100, 500, 10)]
    far = [("chr1", s, s + 10, s + 80, s + 90, 0) for s in range(500, 800, 10)]
    matching = DistanceMatching(ratio=1, bins=5, same_chromosome=True, keep_unmatched=True, seed=0)
    windows, report = imported(write(tmp_path, [*near, *far]), fasta, matching=matching)
    assert windows.windows["label"].value_counts().to_dict() == {0: 20, 1: 20}
    assert (windows.distances() == 20).all()
    assert report.dropped["negatives beyond those matched on distance"] == 30
    assert "0 positives found no negative" in str(report)
    assert windows.settings["matching"]["bins"] == 5


@settings(max_examples=30)
@given(st.data())
def test_import_write_read_gives_the_same_set_and_accounts_for_every_row(
    tmp_path_factory: pytest.TempPathFactory, fasta: Path, data: st.DataObject
) -> None:
    place = st.integers(0, 2100)
    pair = st.tuples(
        st.sampled_from([*GENOME, "chrZ"]), place, st.integers(1, 60), st.integers(-80, 80), st.integers(1, 60)
    )
    pairs = data.draw(st.lists(st.tuples(pair, st.integers(0, 1)), min_size=1, max_size=12))
    rows: list[tuple[object, ...]] = [("chr1", 200, 210, 240, 260, 1)]
    for (chrom, start, length, shift, other), label in pairs:
        prom = max(0, start + shift)
        rows.append((chrom, start, start + length, prom, prom + other, label))
    folder = tmp_path_factory.mktemp("any")
    windows, report = imported(write(folder, rows), fasta, window_bp=data.draw(st.integers(70, 130)))
    assert report.windows + sum(report.dropped.values()) == report.rows == len(rows)
    table = windows.windows
    assert report.windows == len(table)
    assert report.positives == table["label"].sum()
    assert (table[["enh_rel_start", "prom_rel_start", "win_start"]] >= 0).all(axis=None)
    assert (table[["enh_rel_end", "prom_rel_end"]] <= windows.length).all(axis=None)
    assert (table["win_end"] <= table["chrom"].map(GENOME)).all()
    windows.write(folder / "set")
    read = WindowSet.read(folder / "set")
    pd.testing.assert_frame_equal(read.windows, table)
    assert read.sequences() == windows.sequences()
    assert (read.task, read.source, read.settings) == ("pair", windows.source, windows.settings)


GOOD = "chr1\t200\t210\t240\t260\t1\n"
HEAD = "\t".join(HEADER) + "\n"
WINDOW_HEAD = "window_id\tchrom\twin_start\twin_end\tenh_rel_start\tenh_rel_end\tprom_rel_start\tprom_rel_end\tlabel\n"
MALFORMED = {
    "empty.tsv": ("", "the file is empty"),
    "blank.tsv": ("\n\n", "the file is empty"),
    "header.tsv": (HEAD, "the table has no rows"),
    "nolabel.tsv": (
        "chrom\tenh_start\tenh_end\tprom_start\tprom_end\nchr1\t1\t2\t3\t4\n",
        "no column 'label'; the table has chrom,",
    ),
    "nochrom.tsv": (HEAD.replace("chrom", "chr") + GOOD, "no column 'chrom'; the table has chr, enh_start"),
    "nothing.csv": ("a,b\n1,2\n", "no column 'chrom', 'enh_start', 'enh_end', 'prom_start', 'prom_end', 'label'"),
    "twice.tsv": (HEAD.replace("enh_end", "enh_start") + GOOD, "column 'enh_start' appears 2 times"),
    "short.tsv": (HEAD + GOOD + "chr1\t1\t2\n", "line 3 has 3 cells, line 1 has 6"),
    "long.tsv": (HEAD + GOOD.replace("\n", "\tx\n"), "line 2 has 7 cells, line 1 has 6"),
    "fraction.tsv": (
        HEAD + GOOD + GOOD.replace("210", "210.5"),
        "'enh_end': 1 cells are not whole numbers; first at line 3 ('210.5')",
    ),
    "word.tsv": (
        HEAD + GOOD.replace("240", "x") * 5,
        "'prom_start': 5 cells are not whole numbers; first at line 2 ('x'), line 3 ('x'), line 4 ('x')",
    ),
    "empty_cell.tsv": (
        HEAD + GOOD.replace("240", ""),
        "'prom_start': 1 cells are not whole numbers; first at line 2 ('')",
    ),
    "nan.tsv": (HEAD + GOOD.replace("240", "nan"), "'prom_start': 1 cells are not whole numbers"),
    "infinite.tsv": (HEAD + GOOD.replace("240", "inf"), "'prom_start': 1 cells are not whole numbers"),
    "negative.tsv": (
        HEAD + GOOD.replace("200", "-200"),
        "'enh_start': 1 coordinates are negative; first at line 2 ('-200')",
    ),
    "huge.tsv": (HEAD + GOOD.replace("210", "9" * 20), "'enh_end': 1 coordinates are too large"),
    "reversed.tsv": (
        HEAD + GOOD.replace("210", "190"),
        "'enh_end': 1 ends are not above 'enh_start'; first at line 2 ('190')",
    ),
    "point.tsv": (HEAD + GOOD.replace("260", "240"), "'prom_end': 1 ends are not above 'prom_start'"),
    "label2.tsv": (HEAD + GOOD.replace("1\n", "2\n"), "'label': 1 labels are not 0 or 1; first at line 2 ('2')"),
    "labelword.tsv": (HEAD + GOOD.replace("1\n", "yes\n"), "'label': 1 labels are not 0 or 1; first at line 2 ('yes')"),
    "nochromname.tsv": (HEAD + GOOD.replace("chr1", ""), "'chrom': 1 cells are empty or hold a space"),
    "spaced.tsv": (
        HEAD + GOOD.replace("chr1", "chr 1"),
        "'chrom': 1 cells are empty or hold a space; first at line 2 ('chr 1')",
    ),
    "quote.csv": ('chrom,a\nchr1,"open\nx,y\n', "not a readable table"),
    "lines.csv": ('chrom,a\nchr1,"two\nlines"\n', "a quoted cell spans several lines"),
    "kind.xlsx": ("x", "not a known kind of table; known are .bedpe, .tsv"),
    "nokind": ("x", "not a known kind of table"),
    "few.bedpe": ("chr1\t1\t2\tchr1\t5\t6\n", "no column 'score'; the table has chrom1, start1"),
    "unknown.bedpe": ("chr1\t-1\t-1\tchr1\t5\t6\tn\t1\n", "1 with an end that is not known (first: line 1)"),
    "score.bedpe": ("chr1\t1\t2\tchr1\t5\t6\tn\t0.7\n", "'score': 1 labels are not 0 or 1; first at line 1 ('0.7')"),
    "header.bedpe": ("chrom1\ts\te\tc\ts\te\tn\t1\n", "'start1': 1 cells are not whole numbers; first at line 1 ('s')"),
    "comment.bedpe": ("# nothing\n", "the file is empty"),
    "window.tsv": (
        WINDOW_HEAD + "w\tchr1\t0\t100\t0\t10\t20\t20\t1\n",
        "'prom_rel_end': 1 ends are not above 'prom_rel_start'",
    ),
    "windowcol.tsv": (
        WINDOW_HEAD.replace("enh_rel_end", "x") + "w\tchr1\t0\t100\t0\t10\t20\t30\t1\n",
        "no column 'enh_rel_end'",
    ),
    "text.parquet": (HEAD + GOOD, "not a readable Parquet file, or cut short"),
    "text.tsv.gz": (HEAD + GOOD, "not a readable gzip file, or cut short"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_table_is_one_clear_error(tmp_path: Path, fasta: Path, name: str) -> None:
    text, message = MALFORMED[name]
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(InputError) as error:
        imported(path, fasta)
    assert str(error.value).startswith(str(path))
    assert message in str(error.value)
    assert "\n" not in str(error.value)


BYTES = {
    "latin.tsv": (HEAD.encode() + b"\xe9\xff", "not UTF-8 text"),
    "cut.tsv.gz": (gzip.compress((HEAD + GOOD * 99).encode())[:40], "not a readable gzip file, or cut short"),
    "cut.parquet": (b"PAR1\x00\x00", "not a readable Parquet file, or cut short"),
}


@pytest.mark.parametrize("name", BYTES)
def test_damaged_bytes_are_one_clear_error(tmp_path: Path, fasta: Path, name: str) -> None:
    content, message = BYTES[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        imported(tmp_path / name, fasta)


def test_parquet_with_empty_cells_and_the_wrong_options(tmp_path: Path, fasta: Path) -> None:
    table = pd.DataFrame([("chr1", 200, 210, 240, None, 1), ("chr1", 200, 210, 240, 260, 1)], columns=HEADER)
    table.to_parquet(tmp_path / "p.parquet")
    with pytest.raises(InputError, match=r"column 'prom_end': 1 cells are not whole numbers; first at row 1"):
        imported(tmp_path / "p.parquet", fasta)
    good = write(tmp_path, [("chr1", 200, 210, 240, 260, 1)])
    with pytest.raises(InputError, match="window_bp must be at least 1"):
        imported(good, fasta, window_bp=0)
    with pytest.raises(InputError, match="max_n_fraction must lie between 0 and 1"):
        imported(good, fasta, max_n_fraction=float("nan"))
    with pytest.raises(InputError, match="no such file"):
        imported(tmp_path / "none.tsv", fasta)
    with pytest.raises(InputError, match=r"genome\.fa: no such file"):
        imported(good, tmp_path / "genome.fa")


@settings(max_examples=150)
@given(st.binary(max_size=60), st.sampled_from(["x.tsv", "x.bedpe", "x.parquet", "x.csv.gz"]), st.booleans())
def test_any_bytes_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, fasta: Path, content: bytes, name: str, headed: bool
) -> None:
    path = tmp_path_factory.mktemp("bytes") / name
    path.write_bytes((HEAD + GOOD).encode() * headed + content)
    try:
        imported(path, fasta)
    except InputError as error:
        assert str(path) in str(error)
