"""The published list of BENGI pairs, against the part of hg19 that is at hand."""

from pathlib import Path

import pandas as pd
import pytest

from contactlens.base.errors import InputError
from contactlens.dna.data.importing.bengi import BENGI_COLUMNS, import_bengi
from contactlens.dna.data.window_set import WindowSet
from reference_files import SMALL, both

SEQUENCE = SMALL / "data" / "hg19_chr20_1-2Mb.fa.gz"
ROW = "1\t14111.0\tchr16\t88874\t88924\tchr16:88874-88924|GM12878\tchr16\t101510\t103510\t103009|GM12878|ENSG|ENST|+\n"


@pytest.mark.parametrize("path", both("data/bengi_rnapii.tsv.gz"))
@pytest.mark.parametrize("window_bp", [65_536, 131_072])
def test_real_pairs_inside_the_first_two_megabases(tmp_path: Path, path: Path, window_bp: int) -> None:
    windows, report = import_bengi(path, SEQUENCE, window_bp=window_bp, max_n_fraction=0.1)
    bengi = pd.read_csv(path, sep="\t", header=None, names=list(BENGI_COLUMNS))
    on_chr20 = bengi[bengi["enh_chrom"] == "chr20"]
    edges = on_chr20[["enh_start", "enh_end", "prom_start", "prom_end"]]
    inside = on_chr20[edges.max(axis=1) <= 2_000_000]
    reach = edges.max(axis=1) - edges.min(axis=1)
    fitting = inside[reach[inside.index] <= window_bp].drop_duplicates(edges.columns)
    assert report.rows == len(bengi) and len(bengi) in (4_908, 95_655)
    assert report.dropped["on a chromosome that the FASTA lacks"] == len(bengi) - 1_934
    assert report.dropped["outside of the FASTA's sequence"] == len(on_chr20) - len(inside) == 1_916
    assert report.windows == len(fitting) == {65_536: 3, 131_072: 14}[window_bp]
    assert report.positives == fitting["label"].sum() == 2
    table = windows.windows
    assert (table["win_start"] + table["enh_rel_start"]).tolist() == fitting["enh_start"].tolist()
    assert (table["win_start"] + table["prom_rel_end"]).tolist() == fitting["prom_end"].tolist()
    assert {len(sequence) for sequence in windows.sequences()} == {window_bp}
    # BENGI measures from the transcription start site, 500 bp from the middle of its promoter interval.
    assert abs(windows.distances() - fitting["distance"]).max() <= 501
    windows.write(tmp_path / "set")
    read = WindowSet.read(tmp_path / "set")
    pd.testing.assert_frame_equal(read.windows, table)
    assert read.sequences() == windows.sequences()


def test_unknown_bases_of_the_first_megabase_count(tmp_path: Path) -> None:
    path = tmp_path / "two.tsv"
    path.write_text(
        "1\t9\tchr20\t900000\t900100\tx\tchr20\t901000\t902000\ty\n0\t9\tchr20\t1500000\t1500100\tx\tchr20\t1501000\t1502000\ty\n"
    )
    _, report = import_bengi(path, SEQUENCE, window_bp=4096, max_n_fraction=0.1)
    assert report.dropped["with too many unknown bases"] == 1
    assert report.windows == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (ROW.replace("88874\t", "x\t"), r"column 'enh_start': 1 cells are not whole numbers; first at line 1 \('x'\)"),
        (ROW.replace("1\t14111", "7\t14111"), "column 'label': 1 labels are not 0 or 1"),
        ("1\t2\t3\n", "no column 'enh_start', 'enh_end', 'prom_chrom'"),
        (ROW + "1\t2\n", "line 2 has 2 cells, line 1 has 10"),
        (ROW.replace("\t103510", "\t101510"), "column 'prom_end': 1 ends are not above 'prom_start'"),
        (ROW, "no window is left of 1 rows; 1 on a chromosome that the FASTA lacks"),
    ],
)
def test_a_malformed_list_is_one_clear_error(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "list.tsv").write_text(text)
    (tmp_path / "g.fa").write_text(">chr1\nACGT\n")
    with pytest.raises(InputError, match=message):
        import_bengi(tmp_path / "list.tsv", tmp_path / "g.fa", window_bp=100, max_n_fraction=0.1)
