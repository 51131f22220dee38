"""The scores of all folds against those of one test split, the two parts of a score, and the baselines' censoring."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from contactlens.calibration import metrics, scores
from contactlens.calibration.config import RecalibrationConfig
from contactlens.calibration.scores import Gaussian
from contactlens.ops.systems import SystemRow, params_of
from contactlens.tracks.data.batch import TrackBatch
from contactlens.tracks.data.dataset import batch_of
from contactlens.tracks.data.split import cross_validation_splits
from contactlens.tracks.evaluation.config import SignalEvaluationConfig
from contactlens.tracks.evaluation.cross_validation import (
    FILE,
    CrossValidated,
    CrossValidationTables,
    Limit,
    cross_validation_tables,
    frame_scores,
    run_fold,
)
from contactlens.tracks.simulation.simulators import simulate_by

ROOT = Path(__file__).parents[3]

CONFIG = SignalEvaluationConfig(
    bootstrap_replicates=400,
    confidence=0.95,
    coverage_levels=[0.9],
    reliability_levels=19,
    pit_bins=10,
    ence_bins=6,
    recalibration=RecalibrationConfig(sd_bins=10, residual_bins=4, residual_groups=30),
)
TRACKS, FRAMES, GROUPS = 6, 50, 8


def fold(number: int, offset: float, floor: float | None) -> tuple[TrackBatch, dict[str, Gaussian]]:
    """One group of tracks, and predictions of a network that is `offset` too high in it and of a wide constant."""
    rng = np.random.default_rng(number)
    signal = rng.normal(1, 1, size=(TRACKS, FRAMES))
    signal = signal if floor is None else np.maximum(signal, floor)
    batch = TrackBatch(
        driver=torch.zeros(TRACKS, 1, FRAMES),
        signal=torch.tensor(signal, dtype=torch.float32),
        observed=torch.ones(TRACKS, FRAMES, dtype=torch.bool),
        track_ids=[f"g{number}t{i}" for i in range(TRACKS)],
        groups=[f"g{number}"] * TRACKS,
        frame_interval_s=20.0,
    )
    size = TRACKS * FRAMES
    return batch, {
        "network": Gaussian(np.full(size, 1 + offset), np.ones(size)),
        "constant_gaussian": Gaussian(np.ones(size), np.full(size, 1.5)),
    }


def tables(
    folder: Path, offsets: list[float], floor: float | None = None
) -> tuple[CrossValidationTables, pd.DataFrame]:
    folders = [folder / str(number) for number in range(len(offsets))]
    limit = None if floor is None else Limit(floor, 0.0)
    scored = []
    for number, offset in enumerate(offsets):
        folders[number].mkdir()
        batch, models = fold(number, offset, floor)
        forms = models | {f"{name}_recalibrated": form for name, form in models.items()}
        scored.append(frame_scores(batch, forms, limit))
        scored[-1].to_parquet(folders[number] / FILE, index=False)
    return cross_validation_tables(folders, CONFIG, seed=3), pd.concat(scored)


def number(found: CrossValidationTables, model: str, metric: str, column: str = "estimate") -> float:
    return float(found.metrics.set_index(["model", "metric"]).loc[(model, metric), column])


def test_metrics_of_all_folds_are_those_of_all_frames_at_once(tmp_path: Path) -> None:
    found, _ = tables(tmp_path, [0.0] * GROUPS)
    batches = [fold(i, 0.0, None)[0] for i in range(GROUPS)]
    y = np.concatenate([batch.signal.numpy().ravel() for batch in batches]).astype(np.float64)
    for model, sd in (("network", 1.0), ("constant_gaussian", 1.5)):
        mean, spread = np.ones(y.size), np.full(y.size, sd)
        pits = metrics.pit(y, mean, spread)
        assert number(found, model, "nll") == pytest.approx(scores.gaussian_nll(y, mean, spread).mean())
        assert number(found, model, "crps") == pytest.approx(scores.gaussian_crps(y, mean, spread).mean())
        assert number(found, model, "coverage_90") == pytest.approx(metrics.coverage(pits, 0.9))
    difference = number(found, "network", "nll_minus_constant_gaussian")
    assert difference == pytest.approx(number(found, "network", "nll") - number(found, "constant_gaussian", "nll"))
    assert number(found, "network", "nll_minus_constant_gaussian", "high") < 0
    assert not found.metrics["metric"].str.contains("_limit").any()


def test_a_network_that_is_better_in_half_of_the_groups_only_decides_nothing(tmp_path: Path) -> None:
    """Over tracks alone, which are alike within a group, the same difference would look certain."""
    found, scored = tables(tmp_path, [0.0] * (GROUPS // 2) + [0.75] * (GROUPS // 2))
    low, high = (number(found, "network", "nll_minus_constant_gaussian", end) for end in ("low", "high"))
    assert low < 0 < high
    nll = scored.pivot_table(index=["group", "track_id"], columns="model", values="nll")
    per_track = nll["network"] - nll["constant_gaussian"]
    assert high - low > 1.4 * 2 * 1.96 * per_track.std() / np.sqrt(len(per_track))


def test_each_group_has_its_own_row(tmp_path: Path) -> None:
    found, scored = tables(tmp_path, [0.0, 0.5, 1.0, 0.0])
    own = found.groups[found.groups["model"] == "network"].set_index("group")
    assert list(own.index) == ["g0", "g1", "g2", "g3"]
    assert (own["tracks"] == TRACKS).all() and (own["frames"] == TRACKS * FRAMES).all()
    expected = scored[scored["model"] == "network"].groupby("group")["nll"].mean()
    pd.testing.assert_series_equal(own["nll"], expected, check_names=False)
    assert own["nll"].idxmax() == "g2"


def test_parts_at_and_above_the_limit_add_up_to_the_score_and_to_its_difference(tmp_path: Path) -> None:
    found, _ = tables(tmp_path, [0.0] * 4, floor=0.0)
    for score in ("nll", "crps"):
        for metric in (score, f"{score}_minus_constant_gaussian"):
            head, _, tail = metric.partition("_minus_")
            whole = number(found, "network", metric)
            rest = f"_minus_{tail}" if tail else ""
            parts = [number(found, "network", f"{head}{part}{rest}") for part in ("_at_limit", "_above_limit")]
            assert sum(parts) == pytest.approx(whole)


def test_the_table_of_parts_says_which_frames_lose_a_score(tmp_path: Path) -> None:
    found, scored = tables(tmp_path, [0.5] * 4, floor=0.0)
    assert found.parts is not None
    parts = found.parts.set_index(["part", "model"])
    frames = scored[scored["model"] == "network"]
    assert parts.loc[("at limit", "network"), "frames"] == pytest.approx(frames["at_limit"].mean())
    for part, at_limit in (("at limit", True), ("above limit", False)):
        mean = {
            model: own["nll"].where(own["at_limit"] == at_limit, 0.0).mean() for model, own in scored.groupby("model")
        }
        assert parts.loc[(part, "network"), "nll"] == pytest.approx(mean["network"])
        row = parts.loc[(part, "constant_gaussian")]
        assert row["nll_less"] == pytest.approx(mean["network"] - mean["constant_gaussian"])
        assert row["nll_less_low"] < row["nll_less"] < row["nll_less_high"]
    # Half a unit too high: too few frames at the limit, and above it less lost than a constant of 1.5 times the spread.
    assert parts.loc[("at limit", "constant_gaussian"), "nll_less_low"] > 0
    assert parts.loc[("above limit", "constant_gaussian"), "nll_less_high"] < 0


def test_without_a_limit_there_are_no_parts(tmp_path: Path) -> None:
    assert tables(tmp_path, [0.0] * 4)[0].parts is None


def test_with_a_limit_a_density_is_scored_as_cut_off_there() -> None:
    """Of N(1, 1) cut off at 0, a frame at 0 costs -log Phi(-1), not the density at 0."""
    batch, models = fold(0, 0.0, 0.0)
    scored = frame_scores(batch, models, Limit(0.0, 0.0))
    own = scored[(scored["model"] == "network") & scored["at_limit"]]
    assert len(own) > 20 and (own["ms2"] == 0).all()
    np.testing.assert_allclose(own["nll"], 1.8410216, rtol=1e-6)


def test_a_fold_is_trained_without_its_test_groups_and_scored_on_them_alone(tmp_path: Path) -> None:
    tiny = {"toy": {"n_tracks": 40, "n_frames": 61}, "fit": {"max_epochs": 1, "threads": 1}, "train": {"n_seeds": 2}}
    profile = ROOT / "profiles" / "systems_small.yaml"
    own = params_of(
        SystemRow("toy", "unet", {"model": {"width": 4}}), ROOT / "params.yaml", [profile, {"tracks": tiny}]
    )
    tracks = simulate_by("random_walk", own.tracks.simulate, own.tracks.toy, own.seed)
    splits = cross_validation_splits(tracks, 4, own.tracks.split, own.seed)
    shared = CrossValidated(tracks, own.tracks.training, own.tracks.train, own.tracks.evaluation, own.seed)
    folders = [tmp_path / name for name in ("once", "again")]
    for folder in folders:
        folder.mkdir()
        run_fold(splits[1], shared, folder)
    scores, again = (pd.read_parquet(folder / FILE) for folder in folders)
    pd.testing.assert_frame_equal(scores, again)
    assert sorted(scores["track_id"].unique()) == splits[1]["test"]
    assert {"network", "ensemble", "network_recalibrated", "constant_gaussian"} <= set(scores["model"])
    batch = batch_of(tracks, splits[1]["train"])
    constant = scores[scores["model"] == "constant_gaussian"]
    assert constant["mean"].to_numpy() == pytest.approx(batch.signal[batch.observed].mean().item(), rel=1e-4)
    assert not scores["at_limit"].any()
