"""Bases come from where they lie in the file, whatever its lines look like and however old its index is."""

import gc
import gzip
import os
import re
from pathlib import Path

import pyfaidx
import pytest
from Bio import bgzf
from hypothesis import given
from hypothesis import strategies as st

from contactlens.base.errors import InputError
from contactlens.dna.data.genome import Genome
from contactlens.dna.data.importing.placement import Placement, RecordMap, placement

BASES = st.text("ACGTNacgtn", min_size=1, max_size=200)


def fasta_text(records: dict[str, str], width: int, newline: str = "\n", last: bool = True) -> str:
    lines = []
    for name, bases in records.items():
        lines += [f">{name} some words", *(bases[i : i + width] for i in range(0, len(bases), width))]
    return newline.join(lines) + (newline if last else "")


@given(
    st.lists(BASES, min_size=1, max_size=4),
    st.integers(1, 70),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
    st.data(),
)
def test_fetch_is_a_slice(
    tmp_path_factory: pytest.TempPathFactory,
    bases: list[str],
    width: int,
    newline: str,
    last: bool,
    data: st.DataObject,
) -> None:
    records = {f"r{i}": text for i, text in enumerate(bases)}
    path = tmp_path_factory.mktemp("fasta") / "g.fa"
    path.write_bytes(fasta_text(records, width, newline, last).encode())
    genome = Genome.open(path)
    assert genome.lengths == {name: len(text) for name, text in records.items()}
    name = data.draw(st.sampled_from(sorted(records)))
    start = data.draw(st.integers(0, len(records[name])))
    end = data.draw(st.integers(start, len(records[name])))
    assert genome.fetch(name, start, end) == records[name][start:end].upper()
    before = Path(f"{path}.fai").stat().st_mtime_ns
    Genome.open(path)
    assert Path(f"{path}.fai").stat().st_mtime_ns == before


@given(st.lists(BASES, min_size=1, max_size=4))
def test_written_records_are_upper_case_in_lines_of_60_with_the_index_of_pyfaidx(
    tmp_path_factory: pytest.TempPathFactory, bases: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("fasta")
    records = {f"r{i}": text for i, text in enumerate(bases)}
    Genome.of(records).write(folder / "g.fa", records)
    index = (folder / "g.fa.fai").read_bytes()
    assert max(map(len, (folder / "g.fa").read_text().splitlines())) <= 60
    (folder / "g.fa.fai").unlink()
    pyfaidx.Faidx(folder / "g.fa")
    assert (folder / "g.fa.fai").read_bytes() == index
    genome = Genome.open(folder / "g.fa")
    assert {name: genome.fetch(name, 0, length) for name, length in genome.lengths.items()} == {
        name: text.upper() for name, text in records.items()
    }


def test_an_index_that_no_longer_fits_is_rebuilt_whatever_its_age(tmp_path: Path) -> None:
    path = tmp_path / "g.fa"
    path.write_text(">a\nACGT\nACGT\n>b\nTTTT\n")
    Genome.open(path)
    path.write_text(">a\nACGTA\nCGTAA\n>c\nGG\n")
    os.utime(path, (0, 0))
    genome = Genome.open(path)
    assert genome.lengths == {"a": 10, "c": 2}
    assert genome.fetch("a", 3, 7) == "TACG"


@pytest.mark.parametrize(
    "index", ["", "a\t8\n", "a\tx\t3\t4\t5\n", "a\t8\t-3\t4\t5\n", "a\t8\t3\t4\t5\nb\t9\t15\t4\t5\n"]
)
def test_a_damaged_index_is_rebuilt(tmp_path: Path, index: str) -> None:
    path = tmp_path / "g.fa"
    path.write_text(">a\nACGT\nACGT\n>b\nTTTT\n")
    Path(f"{path}.fai").write_text(index)
    assert Genome.open(path).lengths == {"a": 8, "b": 4}


def test_a_younger_copy_keeps_an_index_that_fits(tmp_path: Path) -> None:
    path = tmp_path / "g.fa"
    path.write_text(">a\nACGT\n")
    Genome.open(path)
    os.utime(f"{path}.fai", (0, 0))
    assert Genome.open(path).fetch("a", 1, 3) == "CG"
    assert Path(f"{path}.fai").stat().st_mtime == 0


def test_bgzip_is_read(tmp_path: Path) -> None:
    with bgzf.open(str(tmp_path / "g.fa.gz"), "wb") as file:
        file.write(fasta_text({"a": "ACGGT" * 30}, 60).encode())
    assert Genome.open(tmp_path / "g.fa.gz").fetch("a", 58, 63) == ("ACGGT" * 30)[58:63]


def test_plain_gzip_is_read_from_a_copy_that_ends_with_the_genome(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copies = tmp_path / "temporary"
    copies.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(copies))
    path = tmp_path / "g.fa.gz"
    path.write_bytes(gzip.compress(fasta_text({"a": "ACGGT" * 30}, 60).encode()))
    genome = Genome.open(path)
    assert genome.fetch("a", 58, 63) == ("ACGGT" * 30)[58:63]
    assert genome.name == str(path) and list(copies.iterdir())
    with pytest.raises(InputError, match=re.escape(f"{path}: record 'a' has 150 bases")):
        genome.fetch("a", 0, 151)
    del genome
    gc.collect()
    path.write_bytes(gzip.compress(b">a\n>a\n"))
    with pytest.raises(InputError, match="Duplicate key"):
        Genome.open(path)
    assert list(copies.iterdir()) == []
    assert [one.name for one in tmp_path.iterdir() if one.is_file()] == ["g.fa.gz"]


def test_a_carriage_return_among_compressed_bytes_is_no_line_end(tmp_path: Path) -> None:
    packed = gzip.compress(b">a\nACGT\n", mtime=ord("\r"))
    assert b"\r" in packed and b"\n" not in packed
    path = tmp_path / "g.fa.gz"
    path.write_bytes(packed)
    assert Genome.open(path).fetch("a", 0, 4) == "ACGT"
    path.write_bytes(gzip.compress(b">a\rACGT\r"))
    with pytest.raises(InputError, match=re.escape(f"{path}: its lines end in carriage returns alone")):
        Genome.open(path)


BAD_FASTAS = [
    (b"", "the file is empty"),
    (b"ACGT\n", "not a readable FASTA"),
    (b">\nACGT\n", "not a readable FASTA"),
    (b">a\nAC\nACGT\nAC\n", "Line length"),
    (b">a\nAC\n>a\nAC\n", 'Duplicate key "a"'),
    (b">a\n\xff\xfe\n", "not a readable FASTA"),
    (gzip.compress(b">a\nACGT\n", mtime=0)[:-9], "not a readable gzip file, or cut short"),
    (gzip.compress(b"ACGT\n", mtime=0), "not a readable FASTA"),
]


@pytest.mark.parametrize(("content", "message"), BAD_FASTAS)
def test_a_bad_fasta_is_one_clear_error(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "g.fa"
    path.write_bytes(content)
    for _ in range(2):
        with pytest.raises(InputError, match=message) as error:
            Genome.open(path)
        assert str(path) in str(error.value)


def test_missing_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        Genome.open(tmp_path / "none.fa")
    with pytest.raises(InputError, match="not readable"):
        Genome.open(tmp_path)


@pytest.mark.parametrize("place", [("b", 0, 1), ("a", -1, 2), ("a", 3, 5), ("a", 3, 2)])
def test_fetch_outside_is_refused(place: tuple[str, int, int]) -> None:
    with pytest.raises(InputError, match=r"no record|do not hold"):
        Genome.of({"a": "ACGT"}).fetch(*place)


@pytest.mark.parametrize(
    ("record", "length", "expected"),
    [
        ("chr1:100-300", 200, Placement("chr1", 100)),
        ("chr1:101-300", 200, Placement("chr1", 100)),
        ("peak_7::chrX:5-10(-)", 5, Placement("chrX", 5)),
        ("HLA-A*01:5-10", 5, Placement("HLA-A*01", 5)),
        ("chr20", 200, None),
        ("chr20_alt", 9, None),
    ],
)
def test_placement(record: str, length: int, expected: Placement | None) -> None:
    assert placement(record, length) == expected


def test_a_name_whose_coordinates_span_another_length_is_refused() -> None:
    with pytest.raises(InputError, match="spans 200 bases"):
        placement("chr1:100-300", 50)


def test_record_map_finds_the_record_that_holds_an_interval() -> None:
    import pandas as pd

    genome = Genome.of({"chr2": "A" * 50, "chr1:100-150": "C" * 50, "chr1:10-60": "G" * 50})
    wanted = pd.DataFrame(
        [("chr2", 0, 50), ("chr1", 100, 150), ("chr1", 10, 20), ("chr1", 55, 65), ("chr1", 0, 20), ("chr3", 0, 1)],
        columns=["chrom", "start", "end"],
        index=[7, 5, 3, 2, 1, 0],
    )
    found = RecordMap(genome).locate(wanted["chrom"], wanted["start"], wanted["end"])
    assert found["record"].tolist() == ["chr2", "chr1:100-150", "chr1:10-60", "", "", ""]
    assert found["record_start"].tolist() == [0, 100, 10, 0, 0, 0]
    assert found.index.tolist() == wanted.index.tolist()
