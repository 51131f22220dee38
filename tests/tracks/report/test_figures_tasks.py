"""Figures of states, latents, attention and systems show what their tables say."""

import numpy as np
import pandas as pd
import pytest
import report_samples as samples
import task_samples as tasks
from matplotlib.colors import to_hex

from contactlens.reporting.figure_style import BLUE, CYCLE, GREY
from contactlens.tracks.report import figures

UNIT = "a.u."


def test_examples_of_states_are_ranked_by_their_cross_entropy() -> None:
    predictions = tasks.state_predictions()
    chosen = figures.choose_examples(predictions, [0, 100])
    right = np.where(predictions["state"], predictions["p_on"], 1 - predictions["p_on"])
    by_track = pd.Series(-np.log(right)).groupby(predictions["track_id"]).mean()
    assert list(chosen["nll"]) == pytest.approx([by_track.min(), by_track.max()])


def test_a_state_that_was_held_impossible_has_a_finite_cost() -> None:
    predictions = tasks.state_predictions().assign(p_on=0.0)
    assert np.isfinite(figures.choose_examples(predictions)["nll"]).all()


def test_strips_cover_the_frames_that_are_on() -> None:
    predictions = tasks.state_predictions()
    chosen = pd.DataFrame({"percentile": [50.0], "track_id": ["t006"], "nll": [0.1]})  # a track without gaps
    examples = figures.example_frames(predictions, chosen)
    figure = figures.state_examples_figure(examples, samples.DISTANCE, UNIT, 104.0)
    strips = {str(patch.get_label()): patch for patch in figure.axes[-1].collections}
    for column, label in (("on", "decoded on"), ("state", "truly on")):
        runs = examples[column].ne(examples[column].shift()).cumsum()[examples[column]]
        ends = examples["time_s"].groupby(runs).agg(["min", "max"]) / 60
        spans = [path.vertices[:, 0] for path in strips[label].get_paths()]
        half = 0.5 * samples.STEP_S / 60  # a frame stands for half an interval on either side
        np.testing.assert_allclose([span.min() for span in spans], ends["min"] - half, atol=1e-9)
        np.testing.assert_allclose([span.max() for span in spans], ends["max"] + half, atol=1e-9)


def test_a_model_without_a_gate_shows_neither_gate_nor_radius() -> None:
    predictions = tasks.state_predictions()
    examples = figures.example_frames(predictions, figures.choose_examples(predictions, [50]))
    figure = figures.state_examples_figure(examples, samples.DISTANCE, UNIT, np.nan, samples.RADIUS)
    labels = [axes.get_ylabel() for axes in figure.axes]
    assert "gate (open = 1)" not in labels and "P(on) (probability)" in labels
    assert "gate's midpoint" not in figure.axes[0].get_legend_handles_labels()[1]


def test_roc_draws_every_model_and_names_its_area() -> None:
    figure = figures.roc_figure(tasks.roc(), tasks.state_metrics())
    lines = {str(line.get_label()): line for line in figure.axes[0].lines}
    curve = tasks.roc().query("model == 'compound_hmm'")
    np.testing.assert_allclose(lines["compound hmm  0.890 [0.880, 0.900]"].get_ydata(), curve["tpr"])
    assert to_hex(lines["network  0.930 [0.920, 0.940]"].get_color()) == BLUE.lower()


def test_lengths_are_per_minute_and_an_empty_bin_is_a_gap() -> None:
    segments = tasks.segments()
    (axes, on) = figures.lengths_figure(segments).axes
    steps = {str(patch.get_label()): patch.get_data() for patch in on.patches}
    rows = segments.query("model == 'truth' and state == 'on'")
    np.testing.assert_allclose(steps["truth"].values, 60 * rows["density"])
    np.testing.assert_allclose(steps["truth"].edges, [*(rows["left_s"] / 60), rows["right_s"].iloc[-1] / 60])
    assert np.isnan(steps["compound hmm"].values[-1])
    # The area under a density is the share of segments in its bins, in any unit of time.
    assert np.nansum(steps["network"].values * np.diff(steps["network"].edges)) == pytest.approx(
        (segments.query("model == 'network' and state == 'on'").eval("density * (right_s - left_s)")).sum()
    )
    assert axes.get_title("left") == "promoter off"


def test_reliability_of_states_is_against_the_predicted_probability() -> None:
    table = tasks.state_reliability()
    axes = figures.state_reliability_figure(table).axes
    np.testing.assert_allclose(axes[0].lines[0].get_xdata(), table.query("model == 'network'")["predicted"])
    assert axes[1].get_xlabel() == "predicted P(on) (fraction)"


def test_events_stand_at_their_times_with_the_truth_on_top() -> None:
    events = tasks.loading_events()
    example = figures.LoadingExample(samples.predictions().query("track_id == 't006'"), events)
    axes = figures.loading_figure(example, UNIT).axes
    (below,) = [axis for axis in axes[2:3] if axis.collections]
    rows = sorted(below.collections, key=lambda row: -row.get_lineoffset())  # type: ignore[attr-defined]
    for row, model in zip(rows, ["truth", "network", "deconvolution"], strict=True):
        times = events.loc[events["model"] == model, "time_s"] / 60
        np.testing.assert_allclose(np.sort(row.get_positions()), np.sort(times))  # type: ignore[attr-defined]
    start, end = axes[1].get_xlim()
    counts = {low: events.query("model == 'truth'")["time_s"].div(60).between(low, low + 30).sum() for low in (0, 30)}
    assert (start, end) == (max(counts, key=lambda low: counts[low]), start + 30)


def test_alignment_frame_reads_score_and_tolerance_off_the_metric() -> None:
    frame = figures.alignment_frame(tasks.loading_metrics())
    assert len(frame) == len(tasks.LOADING_MODELS) * 3 * 3  # the paired differences are no scores
    row = frame.query("model == 'network' and score == 'recall' and tolerance_s == 15").iloc[0]
    assert row["estimate"] == pytest.approx(0.9 * 0.7 * 0.6)
    assert frame["tolerance_s"].is_monotonic_increasing


def test_attention_of_each_head_is_drawn_on_its_layers_axis() -> None:
    arrays, minutes = tasks.attention(), np.arange(samples.FRAMES) * 0.5
    frame = figures.attention_frame(arrays["attention"], arrays["attention_rollout"], samples.matrix()[60], minutes)
    axes = figures.attention_figure(frame, 30.0, "mean", UNIT).axes
    for layer in (0, 1):
        heads = [line for line in axes[layer].lines if str(line.get_label()).startswith("head")]
        drawn = np.stack([np.asarray(line.get_ydata()) for line in heads])
        np.testing.assert_array_equal(drawn, arrays["attention"][layer])
    np.testing.assert_array_equal(axes[3].lines[0].get_ydata(), samples.matrix()[60])
    low, high = axes[3].get_xlim()
    assert 15 < low < 26 and 30 < high < 36  # heads look back by 0 to 4 min with a spread of 1 min


def test_methods_beyond_the_palette_keep_apart_by_their_lines() -> None:
    curve = samples.deletion_curve().query("method == 'saliency'")
    curves = pd.concat([curve.assign(method=f"m{number}") for number in range(len(CYCLE) + 3)])
    lines = figures.insertion_figure(curves).axes[0].lines
    looks = {(line.get_color(), line.get_linestyle()) for line in lines}
    assert len(looks) == len(lines) == len(CYCLE) + 3


def test_a_single_output_is_drawn_on_its_methods_row() -> None:
    table = tasks.as_logit(samples.faithfulness())
    axes = figures.faithfulness_figure(table).axes[0]
    points = axes.containers[0].lines[0]
    np.testing.assert_array_equal(points.get_ydata(), range(len(samples.METHODS)))


def test_each_system_is_shown_by_the_score_of_what_it_predicts() -> None:
    shown = figures.headline_frame(tasks.systems())
    assert shown.groupby("system", sort=False)["metric"].unique().map(list).to_dict() == {
        "ep_to_ms2, unet_resnet": ["r2"],
        "ep_to_ms2, unet_resnet\ngated=false": ["r2"],
        "epms2_to_states, transformer": ["balanced_accuracy"],
        "ms2_to_ms2_vae, bernoulli_vae": ["f1_within_30s"],
    }
    assert not shown["row"].str.contains("recalibrated").any()
    axes = figures.systems_figure(shown).axes
    assert [axis.get_xlabel().split()[0] for axis in axes] == ["R²", "balanced", "F1"]
    network, *baselines = axes[0].containers
    assert to_hex(network.lines[0].get_color()) == BLUE.lower()
    assert {to_hex(one.lines[0].get_color()) for one in baselines} == {GREY.lower()}
    assert list(network.lines[0].get_xdata()) == list(shown.query("metric == 'r2' and row == 'network'")["estimate"])
