"""The one report, for tasks that decode states or place polymerases, and with temporal motifs."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import report_samples as samples
import task_samples as tasks

from contactlens.base.files import write_json
from contactlens.ops.report import build_report
from contactlens.reporting.blocks import FigureBlock, Report, Section, TableBlock, TextBlock
from contactlens.tracks.report.explanations import explanation_section, faithfulness_section
from contactlens.tracks.report.findings import dwell_finding, loading_finding, state_finding
from contactlens.tracks.report.inputs import ReportInputs
from contactlens.tracks.report.metrics import scaled_table
from contactlens.tracks.report.motifs import motif_section
from contactlens.tracks.report.sections import SECTIONS, delay_table, loading_section, tracks_findings, tracks_report
from contactlens.tracks.report.states import DWELL


def inputs_of(reports: Path) -> ReportInputs:
    truth = samples.promoter_state()
    return ReportInputs(reports, reports / "figures", samples.DISTANCE, "a.u.", samples.RADIUS, truth, samples.REASONS)


@pytest.fixture(scope="module")
def states(tmp_path_factory: pytest.TempPathFactory) -> Report:
    reports = tasks.write_state_reports(tmp_path_factory.mktemp("states") / "tracks")
    tasks.write_motifs(reports / "motifs")
    return tracks_report(inputs_of(reports), "States", {"seed": "7"})


@pytest.fixture(scope="module")
def latent(tmp_path_factory: pytest.TempPathFactory) -> Report:
    reports = tasks.write_latent_reports(tmp_path_factory.mktemp("latent") / "tracks")
    return tracks_report(inputs_of(reports), "VAE", {"seed": "7"})


def section(report: Report, title: str) -> Section:
    return next(one for one in report.sections if one.title == title)


def drawn(report: Report) -> dict[str, FigureBlock]:
    blocks = [block for one in report.sections for block in one.blocks]
    return {block.path.stem: block for block in blocks if isinstance(block, FigureBlock)}


def test_report_of_states_has_their_sections_and_no_band_of_a_signal(states: Report) -> None:
    assert [one.title for one in states.sections] == [
        "Example tracks",
        "The learned threshold",
        "Comparison with baselines",
        "Times on and off",
        "Calibration",
        "Which moments decide the state",
        "Faithfulness",
        "Temporal motifs",
        "Training",
        "Promotion",
    ]
    shown = {
        "examples",
        "comparison",
        "roc",
        "per_track",
        "lengths",
        "reliability",
        "matrix_logit",
        "matrix_uncertainty",
        "lag_map_uncertainty",
        "attention",
        "motifs",
        "motif_lags",
    }
    assert shown <= set(drawn(states)) and "pit" not in drawn(states)
    html = build_report(states)
    assert "predict when the promoter is on through a gate" in html
    assert "predicted log odds of on" in html and "predicted variance p (1 - p)" in html
    assert "{" not in "".join(block.caption for block in drawn(states).values())


def test_csv_behind_a_figure_of_states_is_the_stages_table(states: Report) -> None:
    for name, table in (("lengths", tasks.segments()), ("roc", tasks.roc()), ("per_track", tasks.per_track())):
        csv = drawn(states)[name].csv
        assert csv is not None
        pd.testing.assert_frame_equal(pd.read_csv(csv), table, check_dtype=False, rtol=1e-5)


def test_findings_of_states_are_against_the_best_baseline_and_the_truth(states: Report) -> None:
    answers = {finding.question: finding for finding in states.findings}
    better = answers["Does the network tell on from off better than simpler models?"]
    assert (better.answer, better.verdict) == ("0.900", "good")
    assert "compound hmm" in better.detail and "+0.040, interval +0.020 to +0.060" in better.detail
    dwell = answers["How long does the promoter stay on?"]
    assert dwell.answer == "4.5 min" and "the truth is 5.0 min" in dwell.detail
    assert dwell.verdict == "bad"  # 4.05 to 4.95
    assert answers["Does the explanation find the true response?"].answer == "0.90"
    assert "Is its uncertainty the right size?" not in answers


def test_a_baseline_that_reads_what_is_hidden_from_the_model_is_not_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The HMM reads MS2: a network of the distance alone is compared with the best that does not."""
    inputs = inputs_of(tasks.write_state_reports(tmp_path / "tracks"))

    def best_baseline() -> str:
        (finding,) = [one for one in tracks_findings(inputs) if "on from off" in one.question]
        return finding.detail.split("(")[1].split(")")[0]

    assert best_baseline() == "compound hmm"
    monkeypatch.setattr(ReportInputs, "channels", samples.DISTANCE.columns)
    assert best_baseline() == "contact logistic"
    monkeypatch.setattr(ReportInputs, "channels", ["ms2"])
    assert best_baseline() == "compound hmm"


def test_what_a_model_reads_off_its_own_input_is_no_prediction(latent: Report) -> None:
    questions = [finding.question for finding in latent.findings]
    assert "Do the latent ones mark the loading of polymerases?" in questions
    assert "Does the network predict better than simpler models?" not in questions


def test_a_network_that_only_ties_with_its_baseline_is_neither_good_nor_bad() -> None:
    metrics = tasks.state_metrics()
    rows = metrics["metric"] == "balanced_accuracy_minus_compound_hmm"
    for shift, verdict in ((-0.04, "neutral"), (-0.08, "bad")):
        shifted = metrics.copy()
        shifted.loc[rows, ["estimate", "low", "high"]] += shift
        finding = state_finding(shifted)
        assert finding is not None and finding.verdict == verdict
    assert state_finding(metrics[metrics["metric"] == "auroc"]) is None
    assert dwell_finding(tasks.dwell().query("model != 'truth'")) is None


def test_dwell_table_is_in_minutes_with_the_truth_first() -> None:
    table = scaled_table(tasks.dwell(), "quantity", DWELL).set_index("model")
    assert list(table.index[:3]) == ["truth exact", "truth", "network"]
    assert table.loc["network", "mean time on (min)"] == "4.500 [4.050, 4.950]"  # 270 s
    assert table.loc["network", "k_off (1/min)"] == "0.222 [0.200, 0.244]"  # 1 / 270 s
    assert pd.isna(table.loc["truth", "distance of lengths, on (1)"])
    assert "distance of lengths, off (1)" not in table


def test_methods_that_were_refused_are_listed_with_the_reason(states: Report) -> None:
    table = section(states, "Faithfulness").blocks[-1]
    assert isinstance(table, TableBlock)
    assert table.frame.to_dict("list") == {
        "method": ["deep lift", "deep lift"],
        "output": ["predicted log odds of on", "predicted variance p (1 - p)"],
        "reason": ["no rule for LayerNorm", "no rule for LayerNorm, StateVariance"],
    }


def test_attention_is_shown_beside_the_integrated_gradients_of_the_same_frame(states: Report) -> None:
    block = drawn(states)["attention"]
    assert block.csv is not None and "Track t004 at 30 min" in block.caption
    stored = pd.read_csv(block.csv)
    gradients = stored.loc[stored["source"] == "integrated gradients", "value"]
    np.testing.assert_allclose(gradients, (0.1 - 0.2 + 0.05 + 1.0 + 0.5) * samples.matrix()[60], rtol=1e-5)
    assert sorted(set(stored["layer"])) == [0, 1, 2]


def test_report_of_latents_shows_loading_and_keeps_its_scores_apart(latent: Report) -> None:
    titles = [one.title for one in latent.sections]
    assert "Loading of polymerases" in titles and "At a glance" not in titles and "The learned threshold" not in titles
    assert {"loading", "alignment", "examples", "comparison", "training"} <= set(drawn(latent))
    comparison = drawn(latent)["comparison"].csv
    assert comparison is not None and not pd.read_csv(comparison)["metric"].str.contains("_within_").any()
    questions = [finding.question for finding in latent.findings]
    assert questions[0] == "Do the latent ones mark the loading of polymerases?"
    assert not any("gate" in question for question in questions)
    assert "through a gate" not in latent.lead
    assert "midpoint should have stopped" not in drawn(latent)["training"].caption


def test_loading_example_is_the_track_of_median_nll(latent: Report) -> None:
    csv = drawn(latent)["loading"].csv
    assert csv is not None
    stored = pd.read_csv(csv)
    from contactlens.tracks.report.figures import choose_examples

    (median,) = choose_examples(samples.predictions(), [50])["track_id"]
    assert set(stored["track_id"]) == {median}
    assert stored["model"].value_counts()["truth"] == 40


def test_loading_finding_is_evaluated_by_the_best_of_deconvolution_and_controls() -> None:
    finding = loading_finding(tasks.loading_metrics())
    assert finding is not None and finding.answer == "0.570" and "within 30 s" in finding.detail
    assert "best of deconvolution and controls (deconvolution gated), paired by track: +0.047" in finding.detail
    assert finding.verdict == "good"
    metrics = tasks.loading_metrics()
    rows = metrics["metric"] == "f1_within_30s_minus_deconvolution_gated"
    metrics.loc[rows, ["estimate", "low", "high"]] -= 0.5
    worse = loading_finding(metrics)
    assert worse is not None and worse.verdict == "bad"
    assert loading_finding(samples.metrics()) is None


def test_delays_are_those_of_the_highest_f1_on_validation() -> None:
    table = delay_table(tasks.loading_lags())
    assert table.to_dict("list") == {
        "model": ["network", "deconvolution"],
        "delay (s)": [0.0, 7.5],
        "F1 (1)": [0.6, 0.5],
    }


def test_motifs_are_beside_their_control_and_the_true_response(tmp_path: Path) -> None:
    reports = tasks.write_state_reports(tmp_path / "tracks")
    tasks.write_motifs(reports / "motifs")
    motifs, lags, table = motif_section(inputs_of(reports))
    assert isinstance(motifs, FigureBlock) and "500 windows" in motifs.caption and "104 nm" in motifs.caption
    assert isinstance(lags, FigureBlock) and lags.csv is not None
    stored = pd.read_csv(lags.csv)
    assert set(zip(stored["model"], stored["pattern"], strict=True)) == {
        ("network", "pos_0"),
        ("network", "all_windows"),
        ("control", "all_windows"),
    }
    assert isinstance(table, TableBlock)
    assert table.frame["pattern"].tolist() == ["pos_0", "none"] and table.frame["model"].tolist()[1] == "control"
    assert table.frame["history"].tolist()[0] == "0011110" and table.formats["seqlets"] == ".0f"


def test_a_search_for_motifs_that_was_not_made_says_why(tmp_path: Path) -> None:
    write_json(tmp_path / "motifs" / "summary.json", {"patterns": 0, "reason": "the model has no gate"})
    (block,) = motif_section(inputs_of(tmp_path))
    assert isinstance(block, TextBlock) and block.text == "No search was made: the model has no gate."


def test_parts_without_their_files_are_left_out(tmp_path: Path) -> None:
    inputs = inputs_of(tmp_path)
    for build in (motif_section, loading_section, explanation_section, faithfulness_section):
        assert build(inputs) == []
    assert not (tmp_path / "figures").exists()


def test_ungated_model_with_a_driver_has_examples_without_a_gate(tmp_path: Path) -> None:
    reports = samples.write_reports(tmp_path / "tracks")
    tasks.ungated(samples.seeds()).to_csv(reports / "seeds.csv", index=False)
    tasks.ungated(samples.history()).to_csv(reports / "history.csv", index=False)
    (reports / "trials.csv").unlink()
    inputs, builders = inputs_of(reports), {title: build for title, _, build in SECTIONS}
    assert builders["At a glance"](inputs) == builders["The learned threshold"](inputs) == []
    assert len(builders["Example tracks"](inputs)) == 2
    explained = explanation_section(inputs)
    captions = {block.path.stem: block.caption for block in explained if isinstance(block, FigureBlock)}
    assert "one explained test track" in captions["matrix_mean"]
    assert "per frame where it is not" in captions["lag_profile"]
