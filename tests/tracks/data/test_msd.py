"""MSD and its exponent against a plain double loop and processes whose MSD is known in closed form."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from track_inputs import DRIVERS, YEAST

from contactlens.base.errors import InputError
from contactlens.tracks.data.importing.table import import_table
from contactlens.tracks.data.msd import fit_power_law, mean_squared_displacement
from contactlens.tracks.data.track_set import TrackSet
from reference_files import both

INTERVAL = 20.0


def set_of(paths: np.ndarray, observed: np.ndarray | None = None) -> TrackSet:
    """Track set of (N, T, 3) positions in nm, with only the `observed` (N, T) frames."""
    n, length, _ = paths.shape
    observed = np.ones((n, length), dtype=bool) if observed is None else observed
    track, frame = np.nonzero(observed)
    x = paths[track, frame]
    columns = {
        "track_id": [f"t{i:03d}" for i in track],
        "group": "g",
        "frame": frame,
        "time_s": frame * INTERVAL,
        "ep_x_nm": x[:, 0],
        "ep_y_nm": x[:, 1],
        "ep_z_nm": x[:, 2],
        "ep_distance_nm": np.linalg.norm(x, axis=1),
    }
    return TrackSet(pd.DataFrame(columns), INTERVAL, DRIVERS["vector"], None, "made here")


def test_the_same_as_a_double_loop_over_pairs_with_gaps() -> None:
    rng = np.random.default_rng(0)
    paths = rng.normal(size=(6, 25, 3))
    observed = rng.random((6, 25)) < 0.6
    msd = mean_squared_displacement(set_of(paths, observed), 8, 10, 0)
    for lag in range(1, 9):
        squares = [
            ((paths[i, t + lag] - paths[i, t]) ** 2).sum()
            for i in range(6)
            for t in range(25 - lag)
            if observed[i, t] and observed[i, t + lag]
        ]
        assert msd.lag_s[lag - 1] == lag * INTERVAL
        assert msd.pairs[lag - 1] == len(squares)
        assert msd.msd[lag - 1] == pytest.approx(np.mean(squares))


def test_straight_motion_has_exponent_two_and_turning_alone_moves_no_distance() -> None:
    angle = np.linspace(0, 1, 30)
    straight = np.zeros((4, 30, 3))
    straight[..., 0] = 3.0 * np.arange(30)
    law = fit_power_law(mean_squared_displacement(set_of(straight), 10, 50, 0), 20, 200)
    assert (law.exponent, law.low, law.high) == pytest.approx((2, 2, 2))
    assert law.prefactor == pytest.approx((3 / INTERVAL) ** 2)
    turning = np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1)[None] * 100
    assert mean_squared_displacement(set_of(turning), 5, 5, 0).msd[0] > 1
    assert mean_squared_displacement(set_of(turning), 5, 5, 0, of_distance=True).msd == pytest.approx(0)


@pytest.mark.parametrize("hurst", [0.25, 0.5])
def test_fractional_brownian_motion(hurst: float) -> None:
    """MSD = 3 t^(2H): H = 1/2 is free diffusion, H = 1/4 the Rouse polymer at short times."""
    t = np.arange(1, 101)
    covariance = 0.5 * (t[:, None] ** (2 * hurst) + t ** (2 * hurst) - np.abs(t[:, None] - t) ** (2 * hurst))
    noise = np.random.default_rng(1).normal(size=(300, 100, 3))
    paths = np.einsum("ij,njc->nic", np.linalg.cholesky(covariance), noise)
    msd = mean_squared_displacement(set_of(paths), 12, 400, 0)
    truth = 3 * np.arange(1, 13) ** (2 * hurst)
    assert msd.msd == pytest.approx(truth, rel=0.05)
    assert ((msd.low < truth) & (truth < msd.high)).mean() > 0.7
    law = fit_power_law(msd, INTERVAL, 12 * INTERVAL)
    assert law.low < 2 * hurst < law.high
    assert law.high - law.low < 0.1


def test_the_interval_is_that_of_the_mean_over_tracks() -> None:
    rng = np.random.default_rng(2)
    paths = rng.normal(size=(200, 20, 3)) * rng.gamma(2, size=(200, 1, 1))
    msd = mean_squared_displacement(set_of(paths), 1, 4000, 0, level=0.9)
    per_track = ((paths[:, 1:] - paths[:, :-1]) ** 2).sum(axis=2).mean(axis=1)
    width = 2 * 1.645 * per_track.std() / np.sqrt(200)
    assert msd.high[0] - msd.low[0] == pytest.approx(width, rel=0.06)


def test_the_seed_decides() -> None:
    tracks = set_of(np.random.default_rng(3).normal(size=(10, 20, 3)))
    first, again, other = (mean_squared_displacement(tracks, 4, 30, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.resamples, again.resamples)
    assert (first.low != other.low).all()


def test_too_little_to_measure() -> None:
    alone = set_of(np.zeros((3, 1, 3)))
    with pytest.raises(InputError, match="no track has two frames"):
        mean_squared_displacement(alone, 5, 10, 0)
    tracks = set_of(np.random.default_rng(3).normal(size=(10, 20, 3)))
    with pytest.raises(InputError, match="longest lag"):
        mean_squared_displacement(tracks, 0, 10, 0)
    with pytest.raises(InputError, match="1 lags between 20 and 30 s"):
        fit_power_law(mean_squared_displacement(tracks, 4, 10, 0), 20, 30)


@pytest.mark.parametrize("path", both("data/yeast_two_locus.csv.gz"))
def test_yeast_loci_move_subdiffusively_and_are_confined(path: Path) -> None:
    tracks = import_table(path, YEAST).track_set
    frames = tracks.frames[tracks.frames["group"].str.contains("_WT_")]
    wild_type = TrackSet(frames, tracks.frame_interval_s, tracks.driver, None, tracks.source)
    msd = mean_squared_displacement(wild_type, 20, 200, 0, of_distance=True)
    law = fit_power_law(msd, 30, 300)
    lowest = 0.15 if len(frames) > 50_000 else 0.1  # 96 cells leave a wider interval
    assert lowest < law.low < law.exponent < law.high < 0.5
    # A plateau: no MSD exceeds twice the variance of the distance by much.
    assert (msd.msd < 2.5 * frames["ep_distance_nm"].var()).all()
