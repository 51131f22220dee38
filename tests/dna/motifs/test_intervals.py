"""Motifs in what `contactlens dna attribute` left: found again, whichever file holds it, with memory for a piece."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from planted_contributions import CONFIG, EXPLAINED, L, simulated

from contactlens.base.errors import InputError
from contactlens.dna.data.window_set import WindowSet
from contactlens.dna.explanation import stored
from contactlens.dna.explanation.attributions import Attributions, write_attributions, write_hdf5
from contactlens.dna.explanation.stored import open_attributions
from contactlens.dna.motifs.config import USUAL
from contactlens.dna.motifs.discover import Discovery, Pattern
from contactlens.dna.motifs.hit_calling import call_hits
from contactlens.dna.motifs.intervals import interval_motifs, read_places
from contactlens.dna.motifs.peaks import cut_peaks
from contactlens.ops.params import load_params

ROOT = Path(__file__).parents[3]


def attributed(folder: Path, effect: float, hdf5: bool) -> tuple[WindowSet, Attributions]:
    """The folder that `contactlens dna attribute` would leave of the explained windows."""
    windows, contributions = simulated(effect)
    own = windows.select([str(name) for name in contributions.window_ids])
    folder.mkdir()
    (write_hdf5 if hdf5 else write_attributions)(
        folder / f"attributions.{'h5' if hdf5 else 'npz'}", {"lrp": contributions}
    )
    table = own.windows.rename(columns={"win_start": "start", "win_end": "end"}).assign(name="mine", score=0.0)
    table[["window_id", "chrom", "start", "end", "name", "score"]].to_csv(
        folder / "intervals.tsv", sep="\t", index=False
    )
    return own, contributions


def test_a_piece_at_a_time_gives_the_same_peaks_and_hits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored, "PIECE_BYTES", 17 * L * 16)
    own, contributions = attributed(tmp_path / "there", 0.4, hdf5=True)
    read = open_attributions(tmp_path / "there" / "attributions.h5")
    assert len(list(read.pieces())) == 8
    whole, pieces = (cut_peaks(one, own.windows, 60, 2, 21) for one in (contributions, read))
    pd.testing.assert_frame_equal(pieces.table, whole.table)
    np.testing.assert_array_equal(pieces.hypothetical, whole.hypothetical)
    np.testing.assert_array_equal(pieces.one_hot, whole.one_hot)
    site = own.planted.iloc[0]
    row = contributions.window_ids.tolist().index(site["window_id"])
    core = contributions.one_hot[row, site["start"] : site["end"]].astype(float)
    pattern = Pattern("pos_0", core, core, (0, len(core)), pd.DataFrame())
    both = [
        call_hits(Discovery([pattern, replace(pattern, name="pos_1")]), one, own.windows, 1e-3, 0.3)
        for one in (contributions, read)
    ]
    assert set(both[0]["pattern"]) == {"pos_0", "pos_1"} and len(both[0]) > 20
    pd.testing.assert_frame_equal(*both)


@pytest.mark.slow
def test_the_planted_motif_is_found_in_either_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored, "PIECE_BYTES", 17 * L * 16)
    files = []
    for kind in ("npz", "h5"):
        attributed(tmp_path / kind, 0.4, hdf5=kind == "h5")
        found = interval_motifs(tmp_path / kind, None, CONFIG, 7, tmp_path / f"motifs_{kind}")
        assert "CTCF (MA0139.2), q = " in found.sentences()[0] and found.recovered is None
        files.append({path.name: path.read_bytes() for path in (tmp_path / f"motifs_{kind}").iterdir()})
    assert files[0] == files[1] and len(files[0]) == 16
    bed = pd.read_csv(tmp_path / "motifs_h5" / "hits.bed", sep="\t", header=None)
    covered = bed[bed[3].str.endswith("CTCF")]
    windows, contributions = simulated(0.4)
    starts = windows.windows.set_index("window_id")["win_start"]
    sites = windows.planted[windows.planted["window_id"].isin(contributions.window_ids)]
    middle = (starts.reindex(sites["window_id"]).to_numpy() + (sites["start"] + sites["end"]).to_numpy() / 2)[:, None]
    reached = ((covered[1].to_numpy() <= middle) & (middle < covered[2].to_numpy())).any(axis=1)
    assert reached.mean() > 0.9


def test_nothing_to_find_says_why(tmp_path: Path) -> None:
    attributed(tmp_path / "there", 0.0, hdf5=False)
    found = interval_motifs(tmp_path / "there", "lrp", CONFIG, 7, tmp_path / "motifs")
    (sentence,) = found.sentences()
    assert sentence.startswith("No motif found, because 0 windows around attribution peaks, fewer than the 80")
    assert (tmp_path / "motifs" / "summary.json").exists()


def test_a_folder_without_its_files_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    folder, out = tmp_path / "there", tmp_path / "motifs"
    folder.mkdir()
    with pytest.raises(InputError, match=r"neither attributions\.npz nor attributions\.h5"):
        interval_motifs(folder, None, CONFIG, 0, out)
    _, contributions = simulated(0.0)
    write_attributions(folder / "attributions.npz", {"lrp": contributions})
    with pytest.raises(InputError, match=r"intervals\.tsv: no such file"):
        interval_motifs(folder, None, CONFIG, 0, out)
    for text, message in (
        ("window_id\tchrom\tstart\n", "no column end, name"),
        ("window_id\tchrom\tstart\tend\tname\nw0\tchr1\tx\t9\tmine\n", "not a table of intervals"),
        ("window_id\tchrom\tstart\tend\tname\nw0\tchr1\t0\t9\tmine\n", f"of {EXPLAINED} windows, and places of 1"),
    ):
        (folder / "intervals.tsv").write_text(text)
        with pytest.raises(InputError, match=message):
            interval_motifs(folder, None, CONFIG, 0, out)
    write_hdf5(folder / "attributions.h5", {"lrp": contributions})
    with pytest.raises(InputError, match=r"holds attributions.npz and attributions.h5; one of them is read"):
        interval_motifs(folder, None, CONFIG, 0, out)
    assert not out.exists()


def test_another_folder_is_not_replaced(tmp_path: Path) -> None:
    attributed(tmp_path / "there", 0.0, hdf5=False)
    (tmp_path / "motifs").mkdir()
    (tmp_path / "motifs" / "mine.txt").write_text("")
    with pytest.raises(InputError, match="would be replaced, but holds 1 other files"):
        interval_motifs(tmp_path / "there", None, CONFIG, 7, tmp_path / "motifs")


def test_places_are_the_intervals_in_their_order(tmp_path: Path) -> None:
    own, _ = attributed(tmp_path / "there", 0.0, hdf5=False)
    found = read_places(tmp_path / "there" / "intervals.tsv")
    for name in ("window_id", "chrom", "win_start"):
        assert found[name].tolist() == own.windows[name].tolist()


def test_what_is_usual_are_the_values_of_params() -> None:
    assert load_params(ROOT / "params.yaml").dna.motifs == USUAL
