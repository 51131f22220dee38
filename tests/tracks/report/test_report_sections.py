"""The tracks report, from the pipeline's files to HTML; what has no input is left out."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import report_samples as samples

from contactlens.ops.report import build_report
from contactlens.reporting.blocks import FigureBlock, HtmlBlock, Report, TableBlock
from contactlens.reporting.tables import promotion_finding
from contactlens.tracks.data.track_set import TrackSet, Truth
from contactlens.tracks.report.explanations import faithfulness_table
from contactlens.tracks.report.findings import (
    best_baseline,
    ceiling_finding,
    coverage_finding,
    epistemic_finding,
    gate_finding,
    nll_finding,
)
from contactlens.tracks.report.inputs import ReportInputs, input_shown, track_attribution
from contactlens.tracks.report.metrics import metric_table
from contactlens.tracks.report.sections import SECTIONS, tracks_report, tracks_sections


def report_in(folder: Path, reasons: list[str] | None = None) -> Report:
    reports = samples.write_reports(folder / "tracks")
    inputs = ReportInputs(
        reports,
        reports / "figures",
        samples.DISTANCE,
        "a.u.",
        samples.RADIUS,
        samples.promoter_state(),
        samples.REASONS if reasons is None else reasons,
    )
    return tracks_report(inputs, "Tracks", {"seed": "7"})


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return report_in(tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="module")
def html(report: Report) -> str:
    return build_report(report)


def figures_of(report: Report) -> list[FigureBlock]:
    first = [report.headline.figure] if report.headline and report.headline.figure else []
    return first + [block for section in report.sections for block in section.blocks if isinstance(block, FigureBlock)]


def test_every_figure_is_written_with_its_csv_and_embedded(report: Report, html: str) -> None:
    figures = figures_of(report)
    assert len(figures) == 19
    assert all(figure.csv and figure.csv.stem == figure.path.stem for figure in figures)
    written = {path.name for path in figures[0].path.parent.iterdir()}
    assert written == {path.name for figure in figures for path in (figure.path, figure.csv) if path}
    assert html.count('<img src="data:image/webp;base64,') == 19
    for figure in figures:
        assert f"Data: {figure.path.stem}.csv" in html


def test_every_figure_says_what_is_seen_and_what_would_make_it_wrong(report: Report) -> None:
    for figure in figures_of(report):
        assert len(figure.alt) > 40 and figure.alt != figure.caption, figure.path.stem
        assert figure.doubt.endswith(".") and figure.doubt.count(". ") == 0, figure.path.stem


def test_tracks_to_choose_from_are_the_predictions_own(report: Report) -> None:
    (page,) = [block for one in report.sections for block in one.blocks if isinstance(block, HtmlBlock)]
    data = json.loads(re.findall(r'<script type="application/json">(.*?)</script>', page.fragment, re.DOTALL)[0])
    predictions = samples.predictions()
    names = re.findall(r"<option>(.*?): NLL", page.fragment)
    assert names and len(names) == len(data["tracks"]) and data["radius"] == samples.RADIUS
    for name, track in zip(names, data["tracks"], strict=True):
        own = predictions[predictions["track_id"] == name].set_index("frame")
        observed = own.index - own.index.min()
        assert len(track["mean"]) == observed.max() + 1
        np.testing.assert_allclose([track["mean"][i] for i in observed], own["mean"], rtol=6e-3)
        half = np.array([track["high"][i] for i in observed]) - [track["low"][i] for i in observed]
        np.testing.assert_allclose(half, 2 * 1.645 * own["sd"], rtol=0.05, atol=0.05)
        missing = set(range(len(track["mean"]))) - set(observed)
        assert all(track["signal"][i] is None for i in missing)
    assert "https://" not in page.fragment


@pytest.mark.slow
def test_a_rerun_gives_the_same_bytes_from_another_folder(html: str, tmp_path: Path) -> None:
    assert html == build_report(report_in(tmp_path))


def test_csv_behind_a_figure_is_the_stages_table(report: Report) -> None:
    stored = {figure.path.stem: pd.read_csv(figure.csv) for figure in figures_of(report) if figure.csv}
    pd.testing.assert_frame_equal(stored["pit"], samples.pit(), check_dtype=False, rtol=1e-5)
    pd.testing.assert_frame_equal(stored["gate_midpoint"], samples.trials(), check_dtype=False, rtol=1e-5)
    assert set(stored["examples"]["percentile"]) == {10, 50, 90}


def test_captions_say_by_which_rule_tracks_were_picked(report: Report) -> None:
    captions = {figure.path.stem: figure.caption for figure in figures_of(report)}
    assert "10th, 50th and 90th percentile of the mean NLL" in captions["examples"]
    assert "whose gate is open most" in captions["matrix_mean"]
    assert not any("{" in caption or "  " in caption for caption in captions.values())


NEEDS = {
    "Sweep": ["trials.csv"],
    "Comparison with baselines": ["metrics.csv"],
    "Example tracks": ["predictions.parquet"],
    "The learned threshold": ["predictions.parquet", "trials.csv"],
    "Training": ["history.csv", "seeds.csv"],
    "Faithfulness": ["deletion_curve.csv", "faithfulness.csv"],
    "Which moments drive the signal": ["attribution.npz", "lag_profile.csv"],
    "Calibration": ["reliability.csv", "pit.csv", "ence_bins.csv", "metrics.csv", "predictions.parquet"],
    "Motion": ["msd.csv"],
}


@pytest.mark.parametrize("title", NEEDS)
def test_a_section_without_its_inputs_is_left_out(title: str, tmp_path: Path) -> None:
    reports = samples.write_reports(tmp_path / "tracks")
    for name in NEEDS[title]:
        (reports / name).unlink(missing_ok=True)
    build = next(build for name, _, build in SECTIONS if name == title)
    assert build(ReportInputs(reports, tmp_path / "figures", samples.DISTANCE, "a.u.")) == []
    assert not (tmp_path / "figures").exists()


def test_a_report_of_few_inputs_holds_their_sections_alone(tmp_path: Path) -> None:
    samples.metrics().to_csv(tmp_path / "metrics.csv", index=False)
    samples.msd().to_csv(tmp_path / "msd.csv", index=False)
    inputs = ReportInputs(tmp_path, tmp_path / "figures", samples.DISTANCE, "a.u.")
    found = [section.title for section in tracks_sections(inputs)]
    assert found == ["Motion", "Comparison with baselines", "Calibration"]


def test_a_cross_validation_shows_which_frames_lose_a_score(tmp_path: Path) -> None:
    samples.metrics().assign(over="4 groups").to_csv(tmp_path / "cross_validation.csv", index=False)
    group = {"group": "e1", "model": "network", "tracks": 3, "frames": 90, "nll": 2.0, "crps": 1.0, "coverage_90": 0.9}
    pd.DataFrame([group]).to_csv(tmp_path / "cross_validation_groups.csv", index=False)
    less = {"nll_less": -0.2, "nll_less_low": -0.3, "nll_less_high": -0.1}
    less |= {"crps_less": 0.02, "crps_less_low": -0.01, "crps_less_high": 0.05}
    rows = [{"model": "network"}, {"model": "boosted_trees", **less}]
    parts = pd.DataFrame(rows).assign(part="at limit", frames=0.521, nll=0.31, crps=0.4)
    parts.to_csv(tmp_path / "cross_validation_parts.csv", index=False)
    inputs = ReportInputs(tmp_path, tmp_path / "figures", samples.DISTANCE, "a.u.")
    (section,) = [one for one in tracks_sections(inputs) if one.title == "Cross-validation"]
    block = section.blocks[1]
    assert isinstance(block, TableBlock)
    table = block.frame.set_index("model")
    assert table["frames"].unique().tolist() == ["52%"]
    assert table["ensemble's NLL less this"].tolist() == ["", "-0.200 [-0.300, -0.100]"]
    assert table["ensemble's CRPS less this"].tolist() == ["", "0.020 [-0.010, 0.050]"]


def test_tracks_without_a_signal_have_a_report_of_their_motion(tmp_path: Path) -> None:
    samples.msd().assign(fitted_nm2=4000 * samples.msd()["lag_s"] ** 0.5).to_csv(tmp_path / "msd.csv", index=False)
    report = tracks_report(ReportInputs(tmp_path, tmp_path / "f", samples.DISTANCE, ""), "Yeast", {})
    assert [section.title for section in report.sections] == ["Motion"]
    assert list(report.findings) == []
    assert "without a signal" in build_report(report)


def test_scalar_driver_is_named_with_its_unit_and_nothing_is_called_true(tmp_path: Path) -> None:
    reports = samples.write_reports(tmp_path / "tracks", samples.KNIRPS)
    samples.lag_profile().query("method != 'true_kernel'").to_csv(reports / "lag_profile.csv", index=False)
    shown = {"metrics.csv", "predictions.parquet", "seeds.csv", "lag_profile.csv"}
    for path in reports.iterdir():
        if path.is_file() and path.name not in shown:
            path.unlink()
    inputs = ReportInputs(reports, tmp_path / "f", samples.KNIRPS, "a.u.")
    html = build_report(tracks_report(inputs, "Knirps", {}))
    assert "Below which Knirps does the gate open?" in html
    assert "The truth is" not in html and "known from the simulation" not in html


def test_gate_finding_gives_mean_and_spread_and_claims_no_length() -> None:
    finding = gate_finding(samples.seeds(), samples.DISTANCE, shows_signal=False)
    assert finding.answer == "103.3 nm"
    assert "3 seeds, which range from 96 to 110 nm" in finding.detail and "no measured length" in finding.detail


@pytest.mark.parametrize(("shift", "verdict"), [(0.0, "good"), (0.155, "neutral"), (0.4, "bad")])
def test_nll_finding_is_the_paired_difference_to_the_best_baseline(shift: float, verdict: str) -> None:
    metrics = samples.metrics()
    numbers = ["estimate", "low", "high"]
    own = (metrics["model"] == "network") & metrics["metric"].str.startswith("nll")
    metrics.loc[own, numbers] += shift
    finding = nll_finding(metrics, "network")
    assert finding is not None and "boosted trees" in finding.detail
    assert finding.answer == f"{0.5 + shift - 0.66:+.3f} nats"
    assert f"95 % interval {shift - 0.17:+.4f} to {shift - 0.15:+.4f}" in finding.detail
    assert finding.verdict == verdict


def test_distance_to_the_ceiling_is_told_or_why_there_is_none_and_the_ceiling_is_no_baseline() -> None:
    metrics = pd.DataFrame(
        [
            ("ensemble", "nll_minus_ceiling", 0.0171, 0.012, 0.022),
            ("ensemble", "nll_minus_trees", -0.03, -0.04, -0.02),
            ("trees", "nll", 2.7, 2.6, 2.8),
            ("ceiling", "nll", 2.65, 2.6, 2.7),
        ],
        columns=["model", "metric", "estimate", "low", "high"],
    )
    described = pd.DataFrame({"tracks": [40], "samples": [500], "reason": [""]})
    found = ceiling_finding(metrics, "ensemble", described)
    assert found is not None
    assert found.answer == "+0.017 nats" and "40 test tracks" in found.detail and "+0.0120" in found.detail
    assert best_baseline(metrics, "ensemble") == "trees"
    none = ceiling_finding(metrics.iloc[1:3], "ensemble", described.assign(reason="the tracks are imported"))
    assert none is not None and "imported" in none.detail and none.answer == "Not known"
    assert ceiling_finding(metrics, "ensemble", None) is None


def test_what_is_served_as_it_is_has_to_beat_recalibrated_baselines_too() -> None:
    baseline = pd.DataFrame(
        [
            ("trees_recalibrated", "nll", 0.45, 0.44, 0.46),
            ("ensemble", "nll", 0.44, 0.43, 0.45),
            ("ensemble", "nll_minus_boosted_trees", -0.22, -0.23, -0.21),
            ("ensemble", "nll_minus_trees_recalibrated", -0.01, -0.02, 0.0),
        ],
        columns=["model", "metric", "estimate", "low", "high"],
    )
    finding = nll_finding(pd.concat([samples.metrics(), baseline]), "ensemble")
    assert finding is not None and finding.verdict == "neutral"
    assert "of the ensemble less that of the best baseline (trees recalibrated)" in finding.detail


def test_the_share_of_the_variance_between_seeds_is_told() -> None:
    predictions = samples.predictions()  # 0.6 sd of it epistemic
    finding = epistemic_finding(predictions)
    assert finding is not None and finding.answer == "36.0 %"
    assert epistemic_finding(predictions.drop(columns="epistemic")) is None


def test_coverage_finding_asks_whether_the_interval_holds_nine_tenths() -> None:
    metrics = samples.metrics()
    finding = coverage_finding(metrics, "network_recalibrated")
    assert finding is not None and (finding.answer, finding.verdict) == ("90.1 %", "good")
    raw = coverage_finding(metrics, "network")
    assert raw is not None and (raw.answer, raw.verdict) == ("84.0 %", "bad")
    assert "before recalibration" in raw.detail and "90.1 % after it" in raw.detail
    rows = (metrics["model"] == "network_recalibrated") & (metrics["metric"] == "coverage_90")
    metrics.loc[rows, ["estimate", "low", "high"]] -= 0.1
    worse = coverage_finding(metrics, "network_recalibrated")
    assert worse is not None and worse.verdict == "bad"
    assert coverage_finding(metrics[metrics["metric"] == "nll"], "network") is None


def test_promotion_finding_names_what_failed() -> None:
    finding = promotion_finding(samples.REASONS)
    assert (finding.answer, finding.verdict) == ("fails 1 of 2", "bad")
    assert "MACE, 0.03" in finding.detail and "boosted_trees" not in finding.detail
    assert promotion_finding(samples.REASONS[:1]).verdict == "good"


def test_tables_keep_the_order_and_the_intervals() -> None:
    table = metric_table(samples.metrics(), ["crps", "nll", "absent"], "a.u.")
    assert list(table.columns) == ["model", "CRPS (a.u.)", "NLL (nats per frame)"]
    assert list(table["model"]) == [name.replace("_", " ") for name in samples.MODELS]
    assert table["NLL (nats per frame)"].iloc[0] == "0.500 [0.480, 0.520]"
    trust = faithfulness_table(samples.faithfulness(), "mean").set_index("metric")
    assert trust.loc["lag of the peak (s)", "integrated gradients"] == "60.0 [54.0, 66.0]"
    assert trust.loc["completeness error (1)", "integrated gradients"] == "0.001"  # no interval was computed


def test_matrix_of_a_track_is_cut_to_its_frames(tmp_path: Path) -> None:
    predictions = samples.predictions().query("track_id == 't001' and frame < 50")
    padded = np.pad(samples.matrix(50), ((0, 70), (0, 70)))[None]
    arrays = {"ig_mean": padded, "track_ids": np.array(["t001"])}
    track = track_attribution(arrays, "mean", "t001", predictions, "ep_distance_nm")
    frames = int(predictions["frame"].max()) + 1
    assert track.matrix.shape == (frames, frames) and len(track.minutes) == frames
    assert track.minutes[1] == samples.STEP_S / 60
    seen = np.flatnonzero(~np.isnan(track.driver))
    np.testing.assert_array_equal(seen, predictions["frame"])


def test_the_input_axis_of_a_model_of_ms2_alone_shows_ms2() -> None:
    driver = samples.DISTANCE
    assert input_shown({"channels": np.array([*samples.FEATURES, "ms2"])}, driver, "a.u.") == ("ep_distance_nm", driver)
    column, shown = input_shown({"channels": np.array(["ms2"])}, driver, "a.u.")
    assert (column, shown.name, shown.unit) == ("ms2", "signal", "a.u.")


def test_inputs_take_units_and_truth_from_the_track_set(tmp_path: Path) -> None:
    empty = pd.DataFrame()
    truth = Truth(empty, samples.promoter_state(), empty, empty, {"contact_radius_nm": 120.0})
    tracks = TrackSet(empty, 30.0, samples.DISTANCE, "a.u.", "simulated", truth)
    inputs = ReportInputs.of(tracks, tmp_path, tmp_path / "f")
    assert (inputs.true_radius, inputs.signal_unit, inputs.driver) == (120.0, "a.u.", samples.DISTANCE)
    unknown = ReportInputs.of(TrackSet(empty, 30.0, samples.KNIRPS, "a.u.", "a file"), tmp_path, tmp_path / "f")
    assert unknown.true_radius is None and unknown.promoter_state is None


def test_promotion_rules_are_listed_with_their_outcome(report: Report) -> None:
    (table,) = report.sections[-1].blocks
    assert isinstance(table, TableBlock)
    assert list(table.frame["outcome"]) == ["passed", "failed"]


def test_a_sweep_of_one_trial_is_a_table_without_a_figure(tmp_path: Path) -> None:
    reports = samples.write_reports(tmp_path / "tracks")
    samples.trials().head(1).to_csv(reports / "trials.csv", index=False)
    inputs = ReportInputs(reports, reports / "figures", samples.DISTANCE, "a.u.", samples.RADIUS)
    (section,) = [build for name, _, build in SECTIONS if name == "Sweep"]
    assert [type(block) for block in section(inputs)] == [TableBlock]
