"""The DNA report, from the stages' files to HTML; what has no input is left out."""

import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from contactlens.base.files import write_json
from contactlens.dna.data.checks import check_windows
from contactlens.dna.data.config import CheckLimits
from contactlens.dna.data.genome_tracks import chromosome_sizes
from contactlens.dna.data.motif_database import motif
from contactlens.dna.data.window_set import WindowSet
from contactlens.dna.evaluation.config import EvaluateConfig
from contactlens.dna.evaluation.evaluate import SplitLogits, evaluate, roc_by_epoch, write_evaluation
from contactlens.dna.explanation.attributions import read_attributions_by, write_attributions
from contactlens.dna.explanation.config import ExplainConfig
from contactlens.dna.explanation.explain import explain_windows
from contactlens.dna.models.caduceus import CaduceusConfig, CaduceusForMaskedLM, SsmConfig
from contactlens.dna.models.classifier import WindowClassifier
from contactlens.dna.models.config import HeadConfig
from contactlens.dna.motifs.analysis import MotifAnalysis, write_motifs
from contactlens.dna.motifs.config import USUAL
from contactlens.dna.motifs.discover import Discovery, Pattern
from contactlens.dna.motifs.hits import recovery, seqlet_hits
from contactlens.dna.motifs.peaks import cut_peaks
from contactlens.dna.motifs.tomtom import MATCHES
from contactlens.dna.report.data import factor_tables, training_section, window_table
from contactlens.dna.report.explanations import motif_section
from contactlens.dna.report.figures.trust import conservation_frame
from contactlens.dna.report.findings import (
    auroc_finding,
    conservation_finding,
    explanation_finding,
    motif_finding,
)
from contactlens.dna.report.inputs import DnaReportInputs
from contactlens.dna.report.sections import SECTIONS, dna_findings, dna_report
from contactlens.dna.simulation.config import SimulationConfig
from contactlens.dna.simulation.simulate import simulate_windows
from contactlens.ops.report import build_report
from contactlens.reporting.blocks import FigureBlock, HtmlBlock, Report, TableBlock, TextBlock

SPLITS = {"train": ("sim1", "sim2"), "validation": ("sim3",), "calibration": ("sim4",), "test": ("sim5",)}
EXPLAIN = ExplainConfig(
    splits=("test",),
    methods=("lrp", "saliency"),
    stored=("lrp", "saliency"),
    min_probability=0.9,
    min_windows=20,
    max_windows=20,
    ig_steps=2,
    reference_shuffles=2,
    max_completeness_error=0.9,
    faithfulness_windows=3,
    mutagenesis_windows=2,
    curve_fractions=(0.0, 0.1, 0.4),
    replacement_draws=1,
    mutations_per_window=3,
    bootstrap_replicates=20,
    interval_level=0.95,
    rows_per_pass=8,
    workers=1,
    precision="float32",
    gpus_per_worker=1.0,
)
MOTIFS = replace(USUAL, method="lrp", seqlet_fdr=0.05, max_seqlets=2000, trim_share=0.3, random_motifs=2)
REASONS = ["passed: AUROC of network, 0.9, is above the limit, 0.7", "failed: ECE of network, 0.2, is not below 0.1"]
FOUND = ("MA0080.7", "MA0139.2")  # of four planted factors


def ids_of(windows: WindowSet) -> dict[str, list[str]]:
    table = windows.windows
    return {name: table.loc[table["chrom"].isin(chroms), "window_id"].tolist() for name, chroms in SPLITS.items()}


def write_scores(windows: WindowSet, folder: Path) -> None:
    rng = np.random.default_rng(0)
    parts = [windows.select(ids) for ids in ids_of(windows).values()]

    def logits(part: WindowSet, skill: float) -> np.ndarray:
        return skill * (2 * part.windows["label"].to_numpy() - 1) + rng.standard_normal(len(part.windows))

    skills = {"network": 3.0, "distance": 0.0, "cnn": 0.5}
    models = {name: SplitLogits(*(logits(part, skill) for part in parts[2:])) for name, skill in skills.items()}
    write_evaluation(evaluate(parts[2], parts[3], models, EvaluateConfig(40, 0.95, 4), 0), folder)
    epochs = np.stack([logits(parts[1], skill) for skill in (0.1, 1.0, 2.0)])
    roc_by_epoch(parts[1], epochs).to_csv(folder / "roc_per_epoch.csv", index=False)
    history = pd.DataFrame(
        {"epoch": [0.0, 1.0, 2.0], "train_loss": [0.7, 0.4, 0.2], "validation_loss": [0.6, 0.4, 0.5]}
    )
    history.assign(validation_auroc=[0.5, 0.8, 0.9]).to_csv(folder / "history.csv", index=False)
    history.drop(columns="validation_loss").assign(validation_loss=1.2).to_csv(
        folder / "pretrain_history.csv", index=False
    )
    losses = pd.DataFrame({"model": ["network", "0_bases_of_context", "2_bases_of_context"], "loss": [1.2, 1.36, 1.3]})
    losses.to_csv(folder / "pretrain_loss.csv", index=False)
    trials = pd.DataFrame({"trial": [0, 1, 2], "kind": ["fixed", "search", "search"], "dropout": [0.0, 0.1, 0.2]})
    trials = trials.assign(budget=[4, 2, 4], epochs=[4, 2, 4], validation_loss=[0.5, 0.1, 0.4], validation_ece=0.1)
    trials.to_csv(folder / "trials.csv", index=False)
    before = trials.drop(columns=["dropout", "validation_ece"]).assign(crop_bp=[256, 128, 64], validation_accuracy=0.4)
    before.to_csv(folder / "pretraining_trials.csv", index=False)


def write_explanation(windows: WindowSet, folder: Path) -> None:
    torch.manual_seed(0)
    sizes = CaduceusConfig(d_model=8, n_layer=1, ssm_cfg=SsmConfig(d_state=4))
    model = WindowClassifier(CaduceusForMaskedLM(sizes).backbone, windows.task, HeadConfig(8)).eval()
    found = explain_windows(model, windows, ids_of(windows)["test"], EXPLAIN, 0)
    write_attributions(folder / "attributions.npz", found.attributions)
    for name in ("faithfulness", "curves", "conservation"):
        getattr(found, name).to_csv(folder / f"{name}.csv", index=False)


def pattern(number: int, matrix_id: str) -> Pattern:
    """A pattern as TF-MoDISco would give it: a known motif between flanks of 4 that say nothing."""
    pwm = np.vstack([np.full((4, 4), 0.25), motif(matrix_id).probabilities, np.full((4, 4), 0.25)])
    seqlets = pd.DataFrame({"row": [0, 1, 2], "start": 0, "end": len(pwm), "is_revcomp": [False, True, False]})
    return Pattern(f"pos_{number}", pwm, pwm - 0.25, (4, len(pwm) - 4), seqlets)


def match(name: str, matrix_id: str, q: float) -> tuple:
    one = motif(matrix_id)
    return (name, 1, matrix_id, one.name, q / 10, q, 0, len(one), "+")


def write_patterns(windows: WindowSet, folder: Path) -> MotifAnalysis:
    contributions = read_attributions_by(folder / "attributions.npz", "lrp")
    explained = windows.select([str(name) for name in contributions.window_ids])
    peaks = cut_peaks(contributions, explained.windows, MOTIFS.window_bp, 2, MOTIFS.smoothing_bp)
    discovery = Discovery(
        [pattern(n, matrix_id) for n, matrix_id in enumerate(FOUND)], "no negative pattern: few seqlets"
    )
    matches = [match(f"pos_{n}", matrix_id, 1e-6) for n, matrix_id in enumerate(FOUND)]
    control = [match(f"pos_{n}~{copy}", "MA0506.3", 0.02 + 0.3 * copy) for n in (0, 1) for copy in (0, 1)]
    hits, planted = seqlet_hits(discovery, peaks), windows.planted
    tables = [pd.DataFrame(rows, columns=list(MATCHES)) for rows in (matches, control)]
    recovered = None if planted is None else recovery(hits, hits, tables[0], planted, MOTIFS.max_q, MOTIFS.top_matches)
    names = {"pos_0": "pos_0:SPI1", "pos_1": "pos_1:CTCF"}
    found = MotifAnalysis(MOTIFS, peaks, discovery, *tables, hits, hits, recovered, names)
    (folder / "motifs").mkdir()
    write_motifs(found, contributions, explained.windows, chromosome_sizes(explained), folder / "motifs")
    return found


def write_reports(windows: WindowSet, folder: Path) -> Path:
    folder.mkdir(parents=True)
    limits = CheckLimits(0.1, 0.1, 1.0, 1.0, 1)
    check_windows(windows, limits, "windows.parquet", splits=ids_of(windows)).write(folder / "validation.json")
    write_scores(windows, folder)
    write_explanation(windows, folder)
    write_patterns(windows, folder)
    return folder


@pytest.fixture(scope="module")
def windows() -> WindowSet:
    return simulate_windows(SimulationConfig(n_chromosomes=5, n_windows=100, n_unlabelled=0), 1)


@pytest.fixture(scope="module")
def reports(windows: WindowSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_reports(windows, tmp_path_factory.mktemp("dna") / "reports")


def inputs_of(windows: WindowSet, reports: Path, figures: Path) -> DnaReportInputs:
    return DnaReportInputs.of(windows, reports, figures, MOTIFS, ids_of(windows), REASONS)


@pytest.fixture(scope="module")
def report(windows: WindowSet, reports: Path, tmp_path_factory: pytest.TempPathFactory) -> Report:
    inputs = inputs_of(windows, reports, tmp_path_factory.mktemp("figures"))
    return dna_report(inputs, "pair on simulated windows", {"seed": "1"})


@pytest.fixture(scope="module")
def html(report: Report) -> str:
    return build_report(report)


def blocks_of(report: Report, kind: type) -> Iterator:
    first = [report.headline.figure] if report.headline else []
    blocks = [*first, *(block for section in report.sections for block in section.blocks)]
    return (block for block in blocks if isinstance(block, kind))


def test_every_figure_is_written_with_its_csv_and_embedded(report: Report, html: str) -> None:
    figures = list(blocks_of(report, FigureBlock))
    names = {figure.path.stem for figure in figures}
    assert names == {
        *("distance", "comparison", "curves", "scores", "reliability", "distribution", "zoom", "regions", "helix"),
        *("motifs", "deletion", "faithfulness", "conservation", "pretraining", "training", "roc_epochs", "sweep"),
        "pretraining_sweep",
    }
    assert all(figure.csv and figure.csv.is_file() for figure in figures)
    assert html.count('<img src="data:image/webp;base64,') == len(figures)


def test_every_figure_says_what_is_seen_and_what_would_make_it_wrong(report: Report) -> None:
    for figure in blocks_of(report, FigureBlock):
        assert len(figure.alt) > 40 and figure.doubt.endswith("."), figure.path.stem


def test_the_first_screen_names_the_motifs_how_sure_and_whether_promoted(report: Report) -> None:
    headline = report.headline
    assert headline is not None and headline.figure is not None and headline.figure.path.stem == "motifs"
    assert headline.answer == "Spi1 and CTCF."
    assert any("below that of every shuffled copy" in said for said in headline.sentences)
    assert any("AUROC" in said for said in headline.sentences)
    assert headline.promotion.startswith(("Promoted", "Not promoted"))


def test_captions_are_filled_and_tables_say_what_was_found(report: Report, html: str) -> None:
    captions = [block.caption for kind in (FigureBlock, TableBlock, HtmlBlock) for block in blocks_of(report, kind)]
    assert not any(re.search(r"[{}]|  ", caption) for caption in captions)
    for said in ("Spi1", "CTCF", "MA0139.2", "Of 4 patterns with shuffled columns, the control, 2 match"):
        assert said in html


def test_the_helix_turns_in_a_frame_of_its_own(report: Report, html: str) -> None:
    (helix,) = blocks_of(report, HtmlBlock)
    assert "<canvas" in helix.fragment and "https://" not in helix.fragment
    assert html.count("<iframe") == 1 and "<canvas" not in html  # escaped, inside the frame's source


@pytest.mark.slow
def test_a_rerun_gives_the_same_bytes_from_another_folder(
    windows: WindowSet, reports: Path, report: Report, html: str, tmp_path: Path
) -> None:
    again = dna_report(inputs_of(windows, reports, tmp_path), report.title, report.provenance)
    assert build_report(again) == html


NEEDS = {
    "Discrimination": ["metrics.csv"],
    "Calibration": ["metrics.csv", "reliability.csv"],
    "Where the model looks": ["attributions.npz"],
    "Helix": ["attributions.npz"],
    "Motifs": ["motifs/summary.json"],
    "Faithfulness": ["curves.csv", "faithfulness.csv", "conservation.csv"],
    "Training": ["pretrain_history.csv", "history.csv", "roc_per_epoch.csv"],
    "Sweep": ["trials.csv"],
}


@pytest.mark.parametrize("title", list(NEEDS))
def test_a_part_without_its_inputs_is_left_out(title: str, windows: WindowSet, reports: Path, tmp_path: Path) -> None:
    shutil.copytree(reports, tmp_path / "reports")
    for name in NEEDS[title]:
        (tmp_path / "reports" / name).unlink()
    inputs = inputs_of(windows, tmp_path / "reports", tmp_path / "figures")
    builders = {name: build for name, _, build in SECTIONS}
    assert builders[title](inputs) == []
    assert len(builders["Promotion"](inputs)) == 1
    assert len(dna_findings(inputs)) >= 4
    assert not (tmp_path / "figures").exists()


def test_a_given_checkpoint_is_not_called_pre_trained(windows: WindowSet, reports: Path, tmp_path: Path) -> None:
    shutil.copytree(reports, tmp_path / "reports")
    (tmp_path / "reports" / "pretrain_history.csv").write_text("epoch,train_loss,validation_loss\n")
    for name in ("history.csv", "roc_per_epoch.csv"):
        header = (tmp_path / "reports" / name).read_text().splitlines()[:3]
        (tmp_path / "reports" / name).write_text("\n".join(header))
    inputs = inputs_of(windows, tmp_path / "reports", tmp_path / "figures")
    first = training_section(inputs)[0]
    assert isinstance(first, TextBlock) and "taken from a given checkpoint" in first.text


@pytest.mark.parametrize("reason", ["no contributions", "30 windows around attribution peaks, fewer than 80"])
def test_without_motifs_the_report_says_why(reason: str, windows: WindowSet, reports: Path, tmp_path: Path) -> None:
    shutil.copytree(reports, tmp_path / "reports")
    shutil.rmtree(tmp_path / "reports" / "motifs")
    (tmp_path / "reports" / "motifs").mkdir()
    write_json(tmp_path / "reports" / "motifs" / "summary.json", {"patterns": 0, "reason": reason})
    inputs = inputs_of(windows, tmp_path / "reports", tmp_path / "figures")
    (first,) = motif_section(inputs)
    assert isinstance(first, TextBlock) and first.text.startswith(f"No motif found, because {reason}")
    answers = {finding.question: finding for finding in dna_findings(inputs)}
    found = answers["Which motifs does the model rely on?"]
    assert found.answer == "none" and reason.capitalize() in found.detail
    summary = {"patterns": 0, "reason": reason, "failed": True}
    write_json(tmp_path / "reports" / "motifs" / "summary.json", summary)
    (first,) = motif_section(inputs)
    assert isinstance(first, TextBlock) and "the search broke off" in first.text


@pytest.mark.slow
def test_regions_without_a_known_truth_have_their_report(windows: WindowSet, tmp_path: Path) -> None:
    table = windows.windows.drop(columns=["enh_rel_start", "enh_rel_end", "prom_rel_start", "prom_rel_end"])
    real = WindowSet("region", table, windows.genome, "peaks.bed", {}, None)
    reports = write_reports(real, tmp_path / "reports")
    report = dna_report(inputs_of(real, reports, tmp_path / "figures"), "T", {})
    names = {figure.path.stem for figure in blocks_of(report, FigureBlock)}
    assert {"zoom", "regions", "helix", "motifs"} <= names and "distance" not in names
    captions = [table.caption for table in blocks_of(report, TableBlock)]
    assert not any("planted" in caption for caption in captions)
    answers = {finding.question: finding.answer for finding in report.findings}
    assert answers["Which motifs does the model rely on?"] == "2 of 2 named"
    assert "Does the explanation say what the model does?" in answers


def test_factors_and_splits_are_counted_by_class(windows: WindowSet) -> None:
    assert windows.planted is not None
    label = windows.windows.set_index("window_id")["label"]
    sites = windows.planted
    carried = sites.groupby(["element", "window_id"])["name"].agg(frozenset)
    enhancers, promoters = carried["enhancer"], carried["promoter"]
    factors, combinations = (block.frame for block in factor_tables(windows))
    for row in combinations.itertuples():
        chosen = (enhancers == frozenset(row.enhancer.split("+"))) & (promoters == frozenset(row.promoter.split("+")))
        assert (row.positive, row.negative) == (label[chosen].sum(), (1 - label[chosen]).sum())
    assert combinations["positive"].sum() == label.sum() and len(combinations) == 9  # three sets in either element
    assert combinations["negative"].sum() == (1 - label).sum() and not combinations.duplicated().any()
    assert len(factors) == 4
    for row in factors.itertuples():
        with_it = [row.factor in names for names in carried[row.element].reindex(label.index)]
        assert (row.positive, row.negative) == (label[with_it].sum(), (1 - label[with_it]).sum())
    splits = window_table(DnaReportInputs(windows, Path(), Path(), "lrp", 0.05, ids_of(windows)))
    assert splits["chromosomes"].tolist() == ["sim1, sim2", "sim3", "sim4", "sim5"]
    assert splits[["negative", "positive"]].sum(axis=1).tolist() == [40, 20, 20, 20]


def test_patterns_are_read_back_as_they_were_written(windows: WindowSet, reports: Path, tmp_path: Path) -> None:
    found = DnaReportInputs(windows, reports, tmp_path, "lrp", 0.05).discovery()
    for one, matrix_id in zip(found.patterns, FOUND, strict=True):
        assert one.n_seqlets == 3
        np.testing.assert_allclose(one.core, motif(matrix_id).probabilities, rtol=1e-5)


def test_the_lead_over_the_best_baseline_is_evaluated() -> None:
    rows = [
        ("network", "auroc", 0.9, 0.85, 0.95),
        ("distance", "auroc", 0.5, 0.4, 0.6),
        ("cnn", "auroc", 0.8, 0.7, 0.9),
    ]
    lead = [("network", "auroc_minus_cnn", 0.1, 0.02, 0.2), ("network", "auroc_minus_distance", 0.4, -1.0, 1.0)]
    columns = ["model", "metric", "estimate", "low", "high"]
    found = auroc_finding(pd.DataFrame(rows + lead, columns=columns))
    assert found is not None and (found.answer, found.verdict) == ("0.900", "good")
    assert "CNN" in found.detail and "+0.100, interval +0.020 to +0.200" in found.detail
    lead[0] = ("network", "auroc_minus_cnn", -0.1, -0.2, -0.02)
    found = auroc_finding(pd.DataFrame(rows + lead, columns=columns))
    assert found is not None and found.verdict == "bad"


@pytest.mark.parametrize(("low", "verdict"), [(0.8, "good"), (0.5, "neutral")])
def test_an_explanation_is_evaluated_by_its_permutation(low: float, verdict: str) -> None:
    columns = ["method", "control", "metric", "estimate", "low", "high"]
    rows = [
        ("lrp", False, "planted_auroc", 0.9, low, 0.95),
        ("lrp", True, "planted_auroc", 0.6, 0.55, 0.65),
        ("random", True, "planted_auroc", 0.5, 0.45, 0.99),
        ("lrp", False, "deletion_gain", 0.3, -0.1, 0.4),
    ]
    found = explanation_finding(pd.DataFrame(rows, columns=columns), "lrp")
    assert found is not None and (found.answer, found.verdict) == ("0.90", verdict)
    found = explanation_finding(pd.DataFrame(rows[3:], columns=columns), "lrp")
    assert found is not None and (found.answer, found.verdict) == ("0.30", "neutral")
    assert explanation_finding(pd.DataFrame(rows, columns=columns), "saliency") is None


def test_conservation_is_of_the_worst_window(reports: Path) -> None:
    table = pd.read_csv(reports / "conservation.csv")
    rows = table[table["method"] == "lrp"]
    worst = max(abs(row.gap) / abs(row.logit) for row in rows.itertuples())
    found = conservation_finding(table)
    assert found is not None and (found.answer, found.verdict) == (f"{worst:.1e}", "good")
    table.loc[rows.index[0], "gap"] = table.loc[rows.index[0], "logit"]
    found = conservation_finding(table)
    assert found is not None and (found.answer, found.verdict) == ("1.0e+00", "bad")
    assert len(conservation_frame(table)) == len(table)


def test_only_factors_with_meaning_count_as_to_be_recovered(reports: Path) -> None:
    matches, recovered = (pd.read_csv(reports / "motifs" / f"{name}.csv") for name in ("tomtom", "recovery"))
    found = motif_finding({"patterns": 2, "reason": ""}, matches, None, recovered, 0.05)
    assert (found.answer, found.verdict) == ("2 of 4", "neutral")
    assert len(recovered) == 6  # decoys are listed, and need not be found


def test_a_model_relies_on_what_raises_its_logit_and_beats_the_shuffles() -> None:
    matches = pd.DataFrame(
        {
            "pattern": ["pos_0", "pos_1", "neg_0"],
            "rank": 1,
            "name": ["TP73", "ZNF354A", "CTCF"],
            "q": [1e-9, 1e-3, 1e-8],
        }
    )
    control = pd.DataFrame({"pattern": ["pos_0~0", "pos_1~0", "neg_0~0"], "q": [0.5, 1e-4, 0.6]})
    found = motif_finding({"patterns": 3, "reason": ""}, matches, control, None, 0.05)
    assert found.answer == "1 of 2 named"
    assert "shuffled copy: TP73." in found.detail and "ZNF354A" not in found.detail
    assert found.detail.endswith("Of 1 that lower it 1 do: CTCF.")
