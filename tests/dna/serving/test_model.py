"""New windows from files without labels, and what a classifier says of them, by Python and by the command."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import window_inputs as inputs
from test_served import describe, saved, windows_of

import contactlens
from contactlens.base.errors import InputError
from contactlens.cli.main import main
from contactlens.dna.data.genome import Genome
from contactlens.dna.data.importing.windows import import_windows
from contactlens.dna.serving.card import model_card
from contactlens.dna.serving.model import WindowsModel
from contactlens.dna.serving.sequence_table import sequence_table

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
    of_table = model.predict(sequence_table(windows))
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


def test_what_a_classifier_was_trained_on_comes_with_it(tmp_path: Path) -> None:
    saved("pair", tmp_path)
    windows = windows_of("pair", 12)
    described = describe(windows, tmp_path)
    model = contactlens.load(tmp_path)
    assert model.description == described
    info = model.info
    assert (info.window_bp, info.evaluated, info.trained_on) == (90, "network", "10 windows of 1 chromosomes of toy")
    assert "network on the test split: auroc 0.9" in str(info) and "an enhancer and a promoter each" in str(info)
    by_name = {quantity.name: quantity for quantity in described.training.quantities}
    width = windows.windows["prom_rel_end"] - windows.windows["prom_rel_start"]
    assert by_name["promoter width"].values[0] == pytest.approx(width[:10].min(), abs=0.1)
    gc = [sum(base in "GC" for base in one) / sum(base in "ACGT" for base in one) for one in windows.sequences()]
    assert by_name["GC content"].values[-1] == pytest.approx(max(gc[:10]), abs=0.01)


@pytest.mark.parametrize("task", ["pair", "region"])
def test_windows_of_another_length_are_refused(task: str, tmp_path: Path) -> None:
    windows = saved(task, tmp_path)
    model = WindowsModel.read(tmp_path)
    shorter = replace(windows, windows=windows.windows.assign(win_end=windows.windows["win_end"] - 5))
    assert len(model.predict(shorter)) == 5  # of a model that came without its description
    with pytest.raises(InputError, match=r"came without serving.json"):
        model.check(windows)
    describe(windows_of(task, 12), tmp_path)
    model = WindowsModel.read(tmp_path)
    for asked in (model.predict, model.explain, model.drift, model.check):
        with pytest.raises(InputError, match=r"windows of 85 bp, but the model was trained on 90 bp; .*--window-bp 90"):
            asked(shorter)
    with pytest.raises(InputError, match=r"rows 0, 1, 2, 3, 4 \(5 of 5\): sequences are not of the 90 bp"):
        model.predict(sequence_table(shorter))


def test_new_windows_are_held_to_the_expectations_but_those_on_labels(tmp_path: Path) -> None:
    windows = saved("pair", tmp_path)
    describe(windows_of("pair", 12), tmp_path)
    model = WindowsModel.read(tmp_path)
    one_label = replace(windows, windows=windows.windows.assign(label=0))
    assert model.check(one_label) is one_label
    overlapping = replace(windows, windows=windows.windows.assign(prom_rel_start=15))
    with pytest.raises(InputError, match="enhancer and promoter do not overlap"):
        model.check(overlapping)
    unknown = replace(windows, genome=Genome.of({"c1": "N" * 100 + "ACGT" * 100}))
    with pytest.raises(InputError, match="bases are N"):
        model.check(unknown)


def test_drift_is_seen_in_composition_and_elements(tmp_path: Path) -> None:
    windows = saved("pair", tmp_path)
    describe(windows_of("pair", 200), tmp_path)
    model = WindowsModel.read(tmp_path)
    same = model.drift(windows_of("pair", 5)).set_index(["quantity", "measure"])["drifted"]
    assert not same["GC content"].any()
    rng = np.random.default_rng(3)
    at_rich = Genome.of({"c1": "".join(rng.choice(list("ACGT"), 457, p=[0.4, 0.1, 0.1, 0.4]))})
    wide = windows.windows.assign(enh_rel_start=0, enh_rel_end=45)
    drift = model.drift(replace(windows, genome=at_rich, windows=wide)).set_index(["quantity", "measure"])
    assert drift.loc[("GC content", "ks"), "drifted"] and drift.loc[("enhancer width", "wasserstein"), "drifted"]
    assert drift.loc[("enhancer width", "wasserstein"), "new"] == pytest.approx(25)  # from 20 bp to 45
    assert drift.loc[("enhancer width", "q50"), "unit"] == "bp"
    relabelled = replace(windows, windows=windows.windows.assign(label=1))
    pd.testing.assert_frame_equal(model.drift(relabelled), model.drift(windows))


def run(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    monkeypatch.setattr(sys, "argv", ["contactlens", "dna", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_the_commands_write_what_the_classifier_says(
    tmp_path: Path, genome: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    saved("pair", tmp_path / "model")
    (tmp_path / "new.tsv").write_text(UNLABELLED)
    new = contactlens.read_windows(tmp_path / "new.tsv", genome, window_bp=300)
    describe(new, tmp_path / "model")
    model, file = tmp_path / "model", tmp_path / "new.tsv"
    assert run(monkeypatch, "predict", model, file, "--fasta", genome, "--out", tmp_path / "p.csv") == 0
    wanted = contactlens.load(model).predict(new)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "p.csv"), wanted, rtol=1e-6, check_dtype=False)
    said = capsys.readouterr().out
    assert "4 rows written" in said and "GC content: is like the training set" in said
    drift = pd.read_csv(tmp_path / "p.drift.csv")
    assert set(drift["quantity"]) >= {"GC content", "enhancer width", "enhancer-promoter distance"}

    words = ["--fasta", genome, "--only", "chr1:pair", "--method", "saliency", "--out", tmp_path / "why.parquet"]
    assert run(monkeypatch, "explain", model, file, *words) == 1
    assert "--only: chr1:pair not in new.tsv" in capsys.readouterr().err
    words[3] = one = str(new.windows["window_id"][1])
    assert run(monkeypatch, "explain", model, file, *words) == 0
    wanted = contactlens.load(model).explain(new.select([one]), "saliency")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "why.parquet"), wanted, check_dtype=False)

    assert run(monkeypatch, "predict", model, file, "--fasta", genome, "--window-bp", 280) == 1
    assert "windows of 280 bp, but the model was trained on 300 bp" in capsys.readouterr().err


def test_a_model_without_its_description_is_asked_unchecked(
    tmp_path: Path, genome: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    saved("pair", tmp_path / "model")
    (tmp_path / "new.tsv").write_text(UNLABELLED)
    words = ["predict", tmp_path / "model", tmp_path / "new.tsv", "--fasta", genome, "--out", tmp_path / "p.csv"]
    assert run(monkeypatch, *words) == 1
    assert "give the length of the windows" in capsys.readouterr().err
    assert run(monkeypatch, *words, "--window-bp", 300) == 0
    assert "not checked: the model came without a description" in capsys.readouterr().err
    assert not (tmp_path / "p.drift.csv").exists()


def test_the_card_tells_splits_scores_and_limits() -> None:
    windows = windows_of("pair", 6)
    ids = windows.windows["window_id"].tolist()
    scores = {
        "auroc": {"estimate": 0.81, "low": 0.7, "high": 0.9},
        "ece": {"estimate": None, "low": None, "high": None},
    }
    splits = {"train": ids[:4], "test": ids[4:]}
    text = model_card("mine", windows, splits, "network_recalibrated", scores, "Made at commit `abc`.")
    assert "\n\nMade at commit `abc`.\n\n" in text
    assert "| train | 4 | 0.500 | c1 |" in text and "| auroc | 0.81 | [0.7, 0.9] |" in text
    assert "| ece | not known | [not known, not known] |" in text and "windows of 90 bp" in text
