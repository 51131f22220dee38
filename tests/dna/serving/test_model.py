"""New windows from files without labels, and what a classifier says of them, by Python and by the command."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import window_inputs as inputs
from test_served import saved, windows_of

import contactlens
from contactlens.base.errors import InputError
from contactlens.cli.main import main
from contactlens.dna.data.importing.windows import import_windows
from contactlens.dna.serving.card import model_card
from contactlens.dna.serving.model import WindowsModel
from contactlens.dna.serving.served import served_table

UNLABELLED = "\n".join(line.rsplit("\t", 1)[0] for line in inputs.GOOD.splitlines()) + "\n"


@pytest.fixture
def genome(tmp_path: Path) -> Path:
    (tmp_path / "hg.fa").write_text(inputs.fasta(inputs.RECORDS))
    return tmp_path / "hg.fa"


def test_pairs_without_labels_are_the_pairs_with_them(tmp_path: Path, genome: Path) -> None:
    (tmp_path / "new.tsv").write_text(UNLABELLED)
    (tmp_path / "known.tsv").write_text(inputs.GOOD)
    known = import_windows(tmp_path / "known.tsv", genome, window_bp=300, max_n_fraction=0.1).window_set
    for name in ("new.tsv", "known.tsv"):
        new = contactlens.read_windows(tmp_path / name, genome, window_bp=300)
        pd.testing.assert_frame_equal(new.windows.drop(columns="label"), known.windows.drop(columns="label"))
        assert (new.windows["label"] == 0).all() and new.sequences() == known.sequences()


def test_peaks_are_windows_without_shuffles(tmp_path: Path, genome: Path) -> None:
    (tmp_path / "peaks.bed").write_text(inputs.BED)
    found = contactlens.read_windows(tmp_path / "peaks.bed", genome, window_bp=100)
    assert found.task == "region" and len(found.windows) == 2
    assert found.sequences() == [inputs.RECORDS[name][500:600] for name in ("chr1", "chr2")]


def test_what_is_needed_is_asked_for(tmp_path: Path, genome: Path) -> None:
    (tmp_path / "new.tsv").write_text(UNLABELLED)
    with pytest.raises(InputError, match="give the length of the windows"):
        contactlens.read_windows(tmp_path / "new.tsv", genome)
    with pytest.raises(InputError, match="pairs need the FASTA"):
        contactlens.read_windows(tmp_path / "new.tsv", window_bp=300)


@pytest.mark.parametrize("task", ["pair", "region"])
def test_a_window_set_is_predicted_as_its_table_is(task: str, tmp_path: Path) -> None:
    windows = saved(task, tmp_path)
    model = contactlens.load(tmp_path)
    found = model.predict(windows)
    assert list(found) == ["window_id", "chrom", "win_start", "win_end", "logit", "probability"]
    assert found["window_id"].tolist() == windows.windows["window_id"].tolist()
    of_table = model.predict(served_table(windows))
    np.testing.assert_array_equal(found["logit"], of_table["logit"])
    assert ((found["probability"] > 0) & (found["probability"] < 1)).all()
    other = windows_of("region" if task == "pair" else "pair")
    with pytest.raises(InputError, match=f"but the model's is {task}"):
        model.predict(other)


def test_contributions_add_up_to_the_change_of_the_logit(tmp_path: Path) -> None:
    """Integrated gradients from no base in particular, of windows whose bases are all known."""
    windows = saved("region", tmp_path)
    found = WindowsModel.read(tmp_path).explain(windows, "integrated_gradients", ig_steps=64)
    assert len(found) == sum(len(s) for s in windows.sequences())
    assert "".join(found["base"]) == "".join(windows.sequences())
    first = found[found["window_id"] == "w1"]
    start = int(windows.windows.set_index("window_id").loc["w1", "win_start"])
    assert first["position"].tolist() == list(range(start, start + len(first)))
    rows = found[found["base"] != "N"]
    own = rows.apply(lambda row: row[f"hypothetical_{row['base']}"], axis=1)
    np.testing.assert_allclose(rows["contribution"], own)
    assert (found.loc[found["base"] == "N", "contribution"] == 0).all()
    assert rows["contribution"].abs().max() > 0
    with pytest.raises(InputError, match="no attribution method 'magic'"):
        WindowsModel.read(tmp_path).explain(windows, "magic")


def test_a_folder_without_its_recalibration_is_refused(tmp_path: Path) -> None:
    saved("pair", tmp_path)
    (tmp_path / "recalibration.json").unlink()
    with pytest.raises(InputError, match="evaluated with its recalibration"):
        contactlens.load(tmp_path)


def test_the_command_writes_what_the_classifier_says(
    tmp_path: Path, genome: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    saved("pair", tmp_path / "model")
    (tmp_path / "new.tsv").write_text(UNLABELLED)
    files = [str(tmp_path / name) for name in ("model", "new.tsv", "p.csv")]
    words = ["contactlens", "dna", "predict", *files[:2], "--fasta", str(genome), "--window-bp", "300"]
    monkeypatch.setattr(sys, "argv", [*words, "--out", files[2]])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code, capsys.readouterr().err
    new = contactlens.read_windows(tmp_path / "new.tsv", genome, window_bp=300)
    wanted = contactlens.load(tmp_path / "model").predict(new)
    pd.testing.assert_frame_equal(pd.read_csv(files[2]), wanted, rtol=1e-6, check_dtype=False)
    assert "4 rows written" in capsys.readouterr().out


def test_the_card_tells_splits_scores_and_limits() -> None:
    windows = windows_of("pair", 6)
    ids = windows.windows["window_id"].tolist()
    scores = {
        "auroc": {"estimate": 0.81, "low": 0.7, "high": 0.9},
        "ece": {"estimate": None, "low": None, "high": None},
    }
    text = model_card("mine", windows, {"train": ids[:4], "test": ids[4:]}, "network_recalibrated", scores)
    assert "| train | 4 | 0.500 | c1 |" in text and "| auroc | 0.81 | [0.7, 0.9] |" in text
    assert "| ece | not known | [not known, not known] |" in text and "windows of 90 bp" in text
