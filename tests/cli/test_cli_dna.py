"""The DNA half of the command line: what a user types, what they read, and what is left on disk."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from ruamel.yaml import YAML

from contactlens.cli.main import main
from contactlens.dna.data.batch import batch_of
from contactlens.dna.data.window_set import WindowSet
from contactlens.dna.explanation.attributions import read_attributions_by
from contactlens.dna.models.caduceus import CaduceusConfig, CaduceusForMaskedLM, SsmConfig, save_caduceus
from contactlens.dna.models.classifier import WindowClassifier, save_classifier
from contactlens.dna.models.config import HeadConfig
from contactlens.dna.training.fit import predict

ROOT = Path(__file__).parents[2]
WINDOW = 300
SIZES = CaduceusConfig(d_model=8, n_layer=1, ssm_cfg=SsmConfig(d_state=4))


@pytest.fixture
def fasta(tmp_path: Path) -> Path:
    rng = np.random.default_rng(5)
    records = {name: "".join(rng.choice(list("ACGT"), 4000)) for name in ("chr1", "chr2")}
    path = tmp_path / "genome.fa"
    path.write_text("".join(f">{name}\n{bases}\n" for name, bases in records.items()))
    return path


def pair_rows() -> pd.DataFrame:
    """Six pairs that fit in 300 bases, two of each chromosome positive, and one that is too far apart."""
    enh = [200, 700, 1400, 200, 700, 1400, 2000]
    prom = [330, 800, 1550, 330, 800, 1550, 3000]
    return pd.DataFrame(
        {
            "chrom": ["chr1"] * 3 + ["chr2"] * 4,
            "enh_start": enh,
            "enh_end": [start + 50 for start in enh],
            "prom_start": prom,
            "prom_end": [start + 60 for start in prom],
            "label": [1, 0, 1, 1, 0, 1, 0],
        }
    )


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    path = tmp_path / "pairs.tsv"
    pair_rows().to_csv(path, sep="\t", index=False)
    return path


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """Arguments of the pipeline instead of the pipeline."""
    calls: list[tuple[Any, ...]] = []
    monkeypatch.setattr("contactlens.ops.workspace.run_pipeline", lambda *arguments: calls.append(arguments) or 0)
    monkeypatch.chdir(ROOT)
    return calls


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["contactlens", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def params_of(workspace: Path) -> Any:
    return YAML(typ="safe").load(workspace / "params.yaml")


def test_pairs_become_windows_and_what_is_dropped_is_said(
    pairs: Path, fasta: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "windows"
    flags = ["--fasta", fasta, "--window-bp", WINDOW, "--out", out]
    assert run(monkeypatch, "import", "windows", pairs, *flags) == 0
    told = capsys.readouterr().out
    assert "6 windows (4 positive) from 7 rows" in told and "1 that don't fit in the window" in told
    windows = WindowSet.read(out)
    assert (windows.task, windows.length, windows.windows["label"].tolist()) == ("pair", WINDOW, [1, 0, 1, 1, 0, 1])
    kept = pair_rows()[:6]
    centres = (kept["prom_start"] + kept["prom_end"] - kept["enh_start"] - kept["enh_end"]) / 2
    assert windows.distances().tolist() == centres.tolist()


def test_negatives_are_matched_where_asked_for(
    pairs: Path, fasta: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--fasta", fasta, "--window-bp", WINDOW, "--out", tmp_path / "w"]
    matched = ["--match-distance", 1, "--distance-bins", 1, "--any-chromosome"]
    pair_rows().assign(label=[1, 1, 0, 0, 0, 0, 0]).to_csv(pairs, sep="\t", index=False)
    assert run(monkeypatch, "import", "windows", pairs, *flags, *matched) == 0
    told = capsys.readouterr().out
    assert "4 windows (2 positive)" in told and "Kolmogorov-Smirnov" in told
    assert run(monkeypatch, "import", "windows", pairs, *flags, "--match-distance", 0) == 1
    assert "ratio must be at least 1, got 0" in capsys.readouterr().err


def test_a_bengi_list_is_read_without_header(
    fasta: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = pair_rows()
    listed = pd.DataFrame({"label": rows["label"], "distance": 0, "c1": rows["chrom"], "s1": rows["enh_start"]})
    listed = listed.assign(
        e1=rows["enh_end"], n1="e", c2=rows["chrom"], s2=rows["prom_start"], e2=rows["prom_end"], n2="p"
    )
    listed.to_csv(tmp_path / "list.tsv.gz", sep="\t", index=False, header=False)
    out = tmp_path / "windows"
    flags = ["--fasta", fasta, "--window-bp", WINDOW, "--out", out]
    assert run(monkeypatch, "import", "bengi", tmp_path / "list.tsv.gz", *flags) == 0
    assert "6 windows (4 positive) from 7 rows" in capsys.readouterr().out
    assert len(WindowSet.read(out).windows) == 6


def test_peaks_become_windows_beside_their_shuffles(
    fasta: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "peaks.bed").write_text("chr1\t100\t400\nchr2\t900\t1000\n")
    out = tmp_path / "windows"
    flags = ["--genome", fasta, "--window-bp", 100, "--shuffles", 2, "--out", out]
    assert run(monkeypatch, "import", "regions", tmp_path / "peaks.bed", *flags) == 0
    assert "6 windows (2 positive)" in capsys.readouterr().out
    windows = WindowSet.read(out)
    assert (windows.task, windows.length, windows.windows["label"].sum()) == ("region", 100, 2)


def test_a_run_on_own_pairs_fills_a_workspace(
    pairs: Path, fasta: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ran: list[tuple[Any, ...]]
) -> None:
    workspace, checkpoint = tmp_path / "w", tmp_path / "caduceus"
    save_caduceus(CaduceusForMaskedLM(SIZES), checkpoint)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("contactlens.ops.runs.tracking.project_root", lambda: ROOT)
    flags = ["--fasta", fasta, "--window-bp", WINDOW, "--checkpoint", "caduceus", "--workspace", workspace]
    assert run(monkeypatch, "dna", "run", pairs, *flags, "--set", "dna.source=simulate") == 0
    assert ran == [(workspace, ROOT, None, "dna")]
    assert len(WindowSet.read(workspace / "data" / "import_dna" / "windows").windows) == 6
    chosen = params_of(workspace)["dna"]
    assert (chosen["source"], chosen["backbone"]["source"]) == ("import", "data/import_dna/checkpoint")
    for name in ("config.json", "model.safetensors"):
        assert (workspace / "data/import_dna/checkpoint" / name).read_bytes() == (checkpoint / name).read_bytes()
    stages = YAML(typ="safe").load(workspace / "dvc.yaml")["stages"]
    assert not [name for name in stages if name.startswith("tracks_")]


def test_a_workspace_goes_on_with_the_pairs_that_it_holds(
    pairs: Path,
    fasta: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    ran: list[tuple[Any, ...]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    workspace = tmp_path / "w"
    own = (pairs, "--fasta", fasta, "--window-bp", WINDOW, "--workspace", workspace)
    assert run(monkeypatch, "dna", "run", *own) == 0
    assert "goes on with" not in capsys.readouterr().out
    assert run(monkeypatch, "dna", "run", "--workspace", workspace, "--stage", "dna_data") == 0
    assert "w: goes on with the data imported into it (--set dna.source=simulate" in capsys.readouterr().out
    assert params_of(workspace)["dna"]["source"] == "import"
    assert run(monkeypatch, "dna", "run", "--workspace", workspace, "--set", "dna.source=simulate") == 0
    assert "goes on with" not in capsys.readouterr().out
    assert params_of(workspace)["dna"]["source"] == "simulate"
    assert run(monkeypatch, "dna", "run", "--workspace", workspace) == 0
    assert params_of(workspace)["dna"]["source"] == "simulate"
    assert len(ran) == 4


def test_a_hub_name_is_kept_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ran: list[tuple[Any, ...]]
) -> None:
    name = "kuleshov-group/caduceus-ps_seqlen-131k_d_model-256_n_layer-16"
    assert (
        run(monkeypatch, "dna", "run", "--checkpoint", name, "--workspace", tmp_path / "w", "--stage", "dna_data") == 0
    )
    assert params_of(tmp_path / "w")["dna"]["backbone"]["source"] == name
    assert ran == [(tmp_path / "w", ROOT, "dna_data", "dna")]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--fasta", "genome.fa"), "with --window-bp"),
        (("--window-bp", "300"), "need the FASTA of their chromosomes"),
    ],
)
def test_what_own_pairs_lack_is_said_before_anything_is_written(
    pairs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    ran: list[tuple[Any, ...]],
    flags: tuple[str, ...],
    message: str,
) -> None:
    assert run(monkeypatch, "dna", "run", pairs, "--workspace", tmp_path / "w", *flags) == 1
    assert message in capsys.readouterr().err
    assert ran == [] and not (tmp_path / "w").exists()


def test_own_data_need_a_workspace(
    pairs: Path, fasta: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], ran: list[Any]
) -> None:
    assert run(monkeypatch, "dna", "run", pairs, "--fasta", fasta, "--window-bp", WINDOW) == 1
    assert "--workspace" in capsys.readouterr().err
    assert run(monkeypatch, "dna", "run") == 0
    assert ran == [(ROOT, ROOT, None, "dna")]


def test_a_run_without_a_branch_is_of_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ran: list[tuple[Any, ...]]
) -> None:
    workspace = tmp_path / "w"
    assert run(monkeypatch, "run", "--workspace", workspace, "--set", "seed=3") == 0
    assert ran == [(workspace, ROOT, None, None)]
    assert params_of(workspace)["seed"] == 3
    assert (workspace / "dvc.yaml").read_bytes() == (ROOT / "dvc.yaml").read_bytes()


def test_check_takes_the_limits_of_params_with_changes(
    fasta: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    bases = fasta.read_text().splitlines()
    gap = bases[3][:900] + 90 * "N" + bases[3][990:]
    fasta.write_text("\n".join([*bases[:3], gap, ""]))
    for name, text in {"peaks.bed": "chr1\t100\t400\nchr2\t900\t1300\n", "others.bed": "chr1\t2000\t2300\n"}.items():
        (tmp_path / name).write_text(text)
    out = tmp_path / "windows"
    flags = ["--negatives", tmp_path / "others.bed", "--genome", fasta, "--window-bp", 300, "--max-n-fraction", 0.5]
    assert run(monkeypatch, "import", "regions", tmp_path / "peaks.bed", *flags, "--out", out) == 0
    limit = "dna.checks.max_window_n_fraction"
    assert run(monkeypatch, "dna", "check", out, "--set", f"{limit}=0.1") == 1
    assert "at most 10 % of a window's bases are N" in capsys.readouterr().err
    assert run(monkeypatch, "dna", "check", out, "--set", f"{limit}=0.5") == 0
    assert "expectations hold" in capsys.readouterr().out


def test_a_bare_checkpoint_is_explained_without_a_pipeline(
    fasta: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(1)
    save_caduceus(CaduceusForMaskedLM(SIZES), tmp_path / "checkpoint")
    (tmp_path / "places.bed").write_text("chr1\t100\t160\tmine\nchr2\t10\t50\tyours\n")
    flags = ["--checkpoint", tmp_path / "checkpoint", "--fasta", fasta, "--bed", tmp_path / "places.bed"]
    assert run(monkeypatch, "dna", "attribute", *flags, "--method", "lrp", "--out", tmp_path / "out") == 0
    assert "2 intervals by lrp" in capsys.readouterr().out
    table = pd.read_csv(tmp_path / "out" / "attributions.tsv", sep="\t")
    assert table.groupby("chrom").size().to_dict() == {"chr1": 60, "chr2": 40}
    assert "".join(table["base"][:60]) == fasta.read_text().splitlines()[1][100:160]
    drawn = pd.read_csv(tmp_path / "out" / "attributions.bedgraph", sep="\t", header=None)
    assert (drawn[2] - drawn[1]).sum() == 100
    intervals = pd.read_csv(tmp_path / "out" / "intervals.tsv", sep="\t")
    assert intervals[["chrom", "start", "end", "name"]].to_numpy().tolist() == [
        ["chr1", 100, 160, "mine"],
        ["chr2", 10, 50, "yours"],
    ]
    assert run(monkeypatch, "dna", "motifs", tmp_path / "out", "--window-bp", 40, "--out", tmp_path / "motifs") == 0
    assert "No motif found, because 2 windows around attribution peaks, fewer" in capsys.readouterr().out
    assert run(monkeypatch, "dna", "attribute", *flags, "--method", "lpr") == 1
    assert "no attribution method 'lpr'" in capsys.readouterr().err
    halved = [*flags, "--method", "saliency", "--precision", "bfloat16", "--out", tmp_path / "halved"]
    assert run(monkeypatch, "dna", "attribute", *halved) == 0
    assert "saliency in bfloat16: r of its contributions with those in float32 is" in capsys.readouterr().out
    assert len(pd.read_csv(tmp_path / "halved" / "attributions.tsv", sep="\t")) == 100
    assert run(monkeypatch, "dna", "attribute", *flags, "--precision", "fp16") == 1
    assert "no precision 'fp16'" in capsys.readouterr().err


def test_a_classifiers_logit_is_what_is_explained(
    pairs: Path, fasta: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(2)
    model = WindowClassifier(CaduceusForMaskedLM(SIZES).backbone, "pair", HeadConfig(8)).eval()
    save_classifier(model, tmp_path / "classifier")
    imported = ["--fasta", fasta, "--window-bp", WINDOW, "--out", tmp_path / "windows"]
    assert run(monkeypatch, "import", "windows", pairs, *imported) == 0
    windows = WindowSet.read(tmp_path / "windows")
    row = windows.windows.iloc[0]
    # Enhancer and promoter out to the window's ends, so that the interval is the window.
    (tmp_path / "pair.bedpe").write_text(
        f"chr1\t{row.win_start}\t{row.win_start + 100}\tchr1\t{row.win_end - 90}\t{row.win_end}\n"
    )
    flags = ["--checkpoint", tmp_path / "classifier", "--fasta", fasta, "--bed", tmp_path / "pair.bedpe"]
    assert run(monkeypatch, "dna", "attribute", *flags, "--method", "saliency", "--out", tmp_path / "out") == 0
    moved = windows.windows.assign(enh_rel_start=0, enh_rel_end=100, prom_rel_start=WINDOW - 90, prom_rel_end=WINDOW)
    same = WindowSet("pair", moved[:1], windows.genome, "", {}, None)
    found = read_attributions_by(tmp_path / "out" / "attributions.npz", "saliency")
    assert found.logits == pytest.approx(predict(model, batch_of(same), 1))
