"""DNA inputs from public bug reports and real export layouts: each is read with the right value, or refused with the
way out."""

import os
import shutil
from pathlib import Path

import pytest

from contactlens.base.errors import InputError
from contactlens.dna.data.checks import check_windows
from contactlens.dna.data.config import CheckLimits
from contactlens.dna.data.genome import Genome
from contactlens.dna.data.importing.intervals import read_intervals
from contactlens.dna.data.importing.regions import import_regions, unlabelled_regions
from contactlens.dna.data.importing.windows import import_windows
from reference_files import SMALL

CASES = SMALL / "cases" / "dna"
RULES = {"window_bp": 2000, "max_n_fraction": 0.1}
SMALL = {"window_bp": 200, "max_n_fraction": 0.1}
LIMITS = CheckLimits(0.05, 0.05, max_distance_ks=1.0, max_shared_element_fraction=1.0, min_windows_per_label=1)


@pytest.fixture
def case(tmp_path: Path):
    """`case(name)`: a copy of a case, beside which an index may be written."""

    def copied(name: str) -> Path:
        return Path(shutil.copy(CASES / name, tmp_path))

    return copied


def bases_of(path: Path) -> dict[str, str]:
    """Records of a FASTA by plain text handling."""
    records = path.read_text().upper().split(">")[1:]
    return {text.split()[0].lower(): "".join(text.split()[1:]) for text in records}


def test_records_of_the_other_strand_are_refused(case) -> None:
    with pytest.raises(InputError, match=r"'chr21:5000-15000\(-\)', hold the reverse complement .* without -s"):
        import_windows(case("D02_pairs.tsv"), case("D02_loci_s.fa"), **RULES)


@pytest.mark.parametrize("name", ["D01_ENCFF123ABC.bed.gz", "D01_same.narrowPeak"])
def test_peaks_are_centred_on_their_summit_under_any_name(case, name: str) -> None:
    genome = bases_of(case("D01_hg.fa"))
    rows = [line.split("\t") for line in case("D01_same.narrowPeak").read_text().splitlines()]
    summits = [(row[0], int(row[1]) + int(row[9])) for row in rows]
    found = unlabelled_regions(case(name), genome=case("D01_hg.fa"), **SMALL).window_set
    assert found.sequences() == [genome[chrom][at - 100 : at + 100] for chrom, at in summits]


def test_iupac_letters_are_unknown_bases_in_import_and_check(case) -> None:
    found = import_regions(case("D31_peaks.bed"), genome=case("D31_hg_iupac.fa"), seed=0, **SMALL).window_set
    assert any(set(bases) - set("ACGTN") for bases in found.sequences())
    assert not [one for one in check_windows(found, LIMITS, "x").results if not one.success]


def test_a_named_piece_of_a_chromosome_holds_its_intervals(case) -> None:
    piece = case("piece.fa")
    (interval,) = read_intervals(case("D11_genomic.bed"), 1, Genome.open(piece), 0)
    assert (interval.chrom, interval.start, interval.end, interval.record_start) == ("chr20", 20_450, 20_530, 10_000)
    found = unlabelled_regions(case("D11_genomic.bed"), genome=piece, **SMALL).window_set
    (own,) = bases_of(piece).values()
    assert found.sequences() == [own[20_390 - 10_000 : 20_590 - 10_000]]


def test_a_pair_whose_end_is_not_known_is_left_out_and_counted(case) -> None:
    imported = import_windows(case("D06_unknown_end.bedpe"), case("D01_hg.fa"), **RULES)
    assert (imported.report.rows, imported.report.windows) == (3, 2)
    assert "1 with an end that is not known (first: line 2)" in str(imported.report)
    assert imported.window_set.windows["enh_rel_end"].sub(imported.window_set.windows["enh_rel_start"]).tolist() == [
        200,
        200,
    ]


def test_labels_may_be_true_and_false(case) -> None:
    flags = {"label_column": "Regulated", **RULES}
    imported = import_windows(case("D26_crispr.tsv"), case("D01_hg.fa"), **flags)
    assert imported.window_set.windows["label"].tolist() == [1, 0]


def test_a_quotation_mark_in_bed_is_a_letter(case) -> None:
    imported = unlabelled_regions(case("D23_odd_quote.bed"), genome=case("D01_hg.fa"), **SMALL)
    places = imported.window_set.windows[["chrom", "win_start"]].values.tolist()
    assert places == [["chr20", 3350], ["chr20", 13350], ["chr21", 5300]]


def test_capital_letters_in_a_files_ending_change_nothing(case) -> None:
    imported = unlabelled_regions(case("D20_PEAKS.BED"), genome=case("D01_hg.fa"), **SMALL)
    assert imported.window_set.windows["win_start"].tolist() == [3350, 5300]


def test_comment_lines_of_a_pipeline_are_left_out(case) -> None:
    imported = unlabelled_regions(case("D10_peaks.bed"), genome=case("D01_hg.fa"), **SMALL)
    assert len(imported.window_set.windows) == 3


def test_an_index_is_made_elsewhere_where_the_folder_cant_be_written(
    case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fasta = case("D01_hg.fa")
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path)
    genome = Genome.open(fasta)
    assert genome.name == str(fasta)
    assert genome.fetch("chr20", 3000, 3060) == bases_of(fasta)["chr20"][3000:3060]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["D01_hg.fa"]
