"""`contactlens dna variants`, `marginalize` and `ism`: what a user types, reads and finds on disk."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyBigWig
import pytest
import torch

from contactlens.base.files import write_json
from contactlens.calibration.classification import Platt
from contactlens.cli.main import main
from contactlens.dna.data.shown import Shown
from contactlens.dna.models.caduceus import Caduceus, CaduceusConfig, SsmConfig
from contactlens.dna.models.classifier import WindowClassifier, load_classifier, save_classifier
from contactlens.dna.models.config import HeadConfig
from contactlens.dna.serving.scoring import logits

RNG = np.random.default_rng(9)
RECORDS = {name: "".join(RNG.choice(list("ACGT"), 1200)) for name in ("chr1", "chr2")}
BEDPE = "chr1\t120\t180\tchr1\t220\t290\tp1\nchr2\t420\t480\tchr2\t300\t390\tp2\n"


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["contactlens", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with g.fa, pairs.bedpe, v.vcf, and a model of pairs and of regions."""
    for seed, task in enumerate(("pair", "region")):
        torch.manual_seed(seed)
        config = CaduceusConfig(d_model=8, n_layer=1, ssm_cfg=SsmConfig(d_state=4))
        save_classifier(WindowClassifier(Caduceus(config), task, HeadConfig(8)), tmp_path / task / "classifier")
        write_json(tmp_path / task / "recalibration.json", Platt(1.0, 0.0).to_json())
    (tmp_path / "g.fa").write_text("".join(f">{name}\n{bases}\n" for name, bases in RECORDS.items()))
    (tmp_path / "pairs.bedpe").write_text(BEDPE)
    ref = RECORDS["chr1"]
    rows = [f"chr1\t151\tsnv\t{ref[150]}\t{other(ref[150])}", f"chr1\t251\tdel\t{ref[250:253]}\t{ref[250]}"]
    rows += [f"chr1\t901\toff\t{ref[900]}\tG,C,T", f"chr2\t451\tref\t{other(RECORDS['chr2'][450])}\tN"]
    header = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    (tmp_path / "v.vcf").write_text(header + "".join(f"{row}\t.\t.\t.\n" for row in rows))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def other(base: str) -> str:
    return "ACGT"[("ACGT".index(base) + 1) % 4]


def test_variants_in_windows_around_pairs(here: Path, monkeypatch: Any, capsys: Any) -> None:
    asked = ("--vcf", "v.vcf", "--fasta", "g.fa", "--windows", "pairs.bedpe", "--window-bp", 300, "--out", "e.tsv")
    assert run(monkeypatch, "dna", "variants", "pair", *asked, "--motif", "MA0139.2") == 0
    said = capsys.readouterr().out
    assert "2 of 6 alleles of 4 variants scored, in 2 windows" in said and "written to e.tsv, e.vcf" in said
    table = pd.read_csv("e.tsv", sep="\t").set_index("id")
    assert table.loc["off", "status"].eq("off_window").sum() + table.loc["off", "status"].eq("no_alt").sum() == 3
    model, first = load_classifier("pair/classifier"), 55
    elements = ((120 - first, 180 - first), (220 - first, 290 - first))
    bases, at = RECORDS["chr1"][first : first + 300], 150 - first
    mutant = bases[:at] + other(bases[at]) + bases[at + 1 :]
    before, after = logits(model, [Shown(bases, elements), Shown(mutant, elements)], 2)
    assert table.loc["snv", "score_ref"] == pytest.approx(before, rel=1e-5)
    assert table.loc["snv", "score_change"] == pytest.approx(after - before, rel=1e-4, abs=1e-7)
    assert table.loc["snv", "element"] == "enhancer" and table.loc["del", "element"] == "promoter"
    assert "CL_CHANGE=" in Path("e.vcf").read_text()


def test_windows_are_as_long_as_those_of_the_training(here: Path, monkeypatch: Any) -> None:
    model = load_classifier("pair/classifier")
    model.window_bp = 300
    save_classifier(model, here / "pair/classifier")
    asked = ("--vcf", "v.vcf", "--fasta", "g.fa", "--windows", "pairs.bedpe", "--motif", "MA0139.2", "--out")
    assert run(monkeypatch, "dna", "variants", "pair", *asked, "given.tsv", "--window-bp", 300) == 0
    assert run(monkeypatch, "dna", "variants", "pair", *asked, "left_out.tsv") == 0
    assert Path("left_out.tsv").read_bytes() == Path("given.tsv").read_bytes()


def test_variants_of_regions_need_no_windows(here: Path, monkeypatch: Any, capsys: Any) -> None:
    asked = ("--vcf", "v.vcf", "--fasta", "g.fa", "--window-bp", 100, "--out", "e.tsv", "--motif", "MA0139.2")
    assert run(monkeypatch, "dna", "variants", "region", *asked) == 0
    windows = pd.read_csv("e.tsv", sep="\t")["window"].dropna()
    assert windows[0] == "chr1:100-200"
    for words, message in [
        (("pair", *asked), "a model of task pair needs --windows to know what to read"),
        (("region", *asked[:4]), "a model of task region needs --fasta and --window-bp, or --windows"),
        (("region", *asked[:6], "--out", "e.vcf"), "the annotated VCF is written beside it"),
        (("nowhere", *asked), "nowhere: no such folder or file"),
    ]:
        assert run(monkeypatch, "dna", "variants", *words) == 1
        assert message in capsys.readouterr().err


def test_marginalize_writes_the_curve_and_its_figure(here: Path, monkeypatch: Any, capsys: Any) -> None:
    asked = ("--fasta", "g.fa", "--windows", "pairs.bedpe", "--window-bp", 300, "--out", "m.png")
    pair = ("--motif", "GATTACA", "--motif", "CCGTT", "--spacings", "0,4-12:4")
    assert run(monkeypatch, "dna", "marginalize", "pair", *pair, *asked, "--element", "promoter", "--shuffle") == 0
    assert "2 backgrounds; written to m.png, m.csv" in capsys.readouterr().out
    table = pd.read_csv("m.csv")
    assert set(table["spacing_bp"]) == {0, 4, 8, 12} and set(table["orientation"]) == {"++", "+-", "-+", "--"}
    assert (table["low"] <= table["high"]).all() and Path("m.png").stat().st_size > 5000
    random = ("--motif", "MA0139.2", "--window-bp", 80, "--backgrounds", 6, "--out", "r.png")
    assert run(monkeypatch, "dna", "marginalize", "region", *random) == 0
    assert pd.read_csv("r.csv")["quantity"].tolist() == ["effect"]
    capsys.readouterr()
    for words, message in [
        (("pair", *pair), "a model of task pair needs --windows as backgrounds"),
        (("pair", *pair, *asked, "--element", "region"), "a model of task pair has enhancer, promoter"),
        (("pair", *pair[:4], *asked, "--spacings", "a"), "'a' is no number of bases and no range such as 10-60:5"),
        (("region", *random[:4], "--out", "r.pdf"), "the figure is a .png"),
    ]:
        assert run(monkeypatch, "dna", "marginalize", *words) == 1
        assert message in capsys.readouterr().err


def test_ism_of_a_region(here: Path, monkeypatch: Any, capsys: Any) -> None:
    asked = ("--region", "chr2:431-440", "--fasta", "g.fa")
    assert run(monkeypatch, "dna", "ism", "pair", *asked, "--windows", "pairs.bedpe", "--out", "i") == 0
    assert "10 bases in chr2:420-480|chr2:300-390" in capsys.readouterr().out
    table = pd.read_csv("i/ism.csv")
    assert "".join(table["base"]) == RECORDS["chr2"][430:440]
    track = pyBigWig.open("i/ism.bw")
    np.testing.assert_allclose(track.values("chr2", 430, 440), table["contribution"], rtol=1e-4, atol=1e-9)
    assert run(monkeypatch, "dna", "ism", "region", *asked, "--window-bp", 60) == 0
    capsys.readouterr()
    for words, message in [
        (("pair", *asked), "a model of task pair needs --windows"),
        (("region", "--region", "chr2"), "write it as chr1:1001-1200"),
        (("pair", "--region", "chr2:1-9", *asked[2:], "--windows", "pairs.bedpe"), "no window holds all of it"),
    ]:
        assert run(monkeypatch, "dna", "ism", *words) == 1
        assert message in capsys.readouterr().err
