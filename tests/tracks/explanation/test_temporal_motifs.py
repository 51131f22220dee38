"""Temporal motifs of models whose use of contact is known: a filter of the contact indicator."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from peaks_for_modisco import peaks_for_modisco
from torch import Tensor, nn
from torch.nn import functional as F

from contactlens.attribution.modisco_config import ModiscoConfig
from contactlens.attribution.reach import temporal_reach
from contactlens.base.errors import InputError
from contactlens.tracks.data.batch import TrackBatch
from contactlens.tracks.data.track_set import Driver
from contactlens.tracks.explanation.motifs.analysis import (
    TemporalMotifs,
    compare_motifs,
    temporal_motifs,
    with_drivers_exchanged,
    write_temporal_motifs,
)
from contactlens.tracks.explanation.motifs.config import TemporalMotifConfig
from contactlens.tracks.explanation.motifs.contact_alphabet import (
    MISSING,
    Typical,
    at_distance,
    contact_states,
    one_hot,
)
from contactlens.tracks.explanation.motifs.contributions import (
    Contributions,
    contact_contributions,
    draw_frames,
    outputs_with_frame_replaced,
)
from contactlens.tracks.explanation.motifs.histories import ALL_WINDOWS
from contactlens.tracks.explanation.motifs.windows import cut_histories
from contactlens.tracks.report.figures.temporal_motifs import lag_frame, motif_figure, motif_frame, motif_lag_figure

N, T, DT, RADIUS = 60, 130, 20.0, 150.0
LAGS = (3, 4, 5)  # frames between a contact and what it does
BEFORE, AFTER = 20, 12  # reach of the filter, which is never quite 0 within it, as in a trained model
KERNEL = np.random.default_rng(5).normal(0, 0.02, AFTER + 1 + BEFORE)  # from lag -AFTER to lag BEFORE
KERNEL[[AFTER + lag for lag in LAGS]] += 1.0
NEAR, AWAY = 90.0, 320.0
CONFIG = TemporalMotifConfig(
    n_tracks=60,
    predicted_per_track=8,
    window_frames=61,
    smoothing_frames=3,
    lag_max_s=400.0,
    rows_per_pass=64,
    modisco=ModiscoConfig(
        min_sequences=80,
        sliding_window=12,
        flank=4,
        seqlet_fdr=0.1,
        leiden_runs=1,
        max_seqlets=1000,
        trim_share=0.3,
        min_width=1,
        pattern_window=20,
        pattern_flank=0,
    ),
)


class ContactFilter(nn.Module):
    """mean(t) = sum over lags of KERNEL [distance(t - lag) <= RADIUS]; the second output is its negative."""

    driver_channels = 4

    def forward(self, x: Tensor, observed: Tensor) -> Tensor:
        contact = (torch.sigmoid(RADIUS - x[:, 3]) * observed)[:, None]
        mean = F.conv1d(F.pad(contact, (BEFORE, AFTER)), torch.from_numpy(KERNEL[::-1].copy())[None, None])
        return torch.cat([mean, -mean], dim=1)


@pytest.fixture(scope="module")
def tracks() -> tuple[Tensor, Tensor]:
    """Contacts that come and go at random, three frames long on average, one frame in five."""
    rng = np.random.default_rng(0)
    contact = np.zeros((N, T), dtype=bool)
    for t in range(1, T):
        contact[:, t] = np.where(contact[:, t - 1], rng.random(N) > 1 / 3, rng.random(N) < 1 / 12)
    distance = np.where(contact, NEAR, AWAY) * rng.uniform(0.9, 1.1, (N, T))
    direction = rng.normal(size=(N, 3, T))
    vector = distance[:, None] * direction / np.linalg.norm(direction, axis=1, keepdims=True)
    observed = np.ones((N, T), dtype=bool)
    observed[0, 90:] = False
    observed[1, 40] = False
    x = np.concatenate([vector, distance[:, None]], axis=1) * observed[:, None]
    return torch.from_numpy(x), torch.from_numpy(observed)


def contributions_of(tracks, channel: int = 0) -> Contributions:
    x, observed = tracks
    return contact_contributions(
        ContactFilter(),
        x,
        observed,
        radius=RADIUS,
        channel=channel,
        per_track=4,
        rows_per_pass=32,
        rng=np.random.default_rng(1),
    )


def search(tracks, folder: Path, channel: int = 0) -> TemporalMotifs:
    x, observed = tracks
    return temporal_motifs(
        ContactFilter(),
        x,
        observed,
        [f"t{i}" for i in range(N)],
        radius=RADIUS,
        frame_interval_s=DT,
        config=CONFIG,
        seed=4,
        hdf5=folder / "modisco.h5",
        channel=channel,
        memories={"filter": max(LAGS) * DT, "frame": 0.0},
    )


@pytest.fixture(scope="module", params=["peaks", pytest.param("modisco", marks=pytest.mark.slow)])
def found(request, tracks, tmp_path_factory) -> Iterator[TemporalMotifs]:
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "peaks":
            patch.setattr("modiscolite.tfmodisco.TFMoDISco", peaks_for_modisco)
            patch.setattr("contactlens.attribution.modisco._save", lambda *_: None)  # written by modisco-lite
        yield search(tracks, tmp_path_factory.mktemp("motifs"))


def test_the_leading_pattern_is_a_contact_that_ends_at_the_filters_lag(found):
    leading = found.leading
    assert leading["pattern"].startswith("pos_") and "1" in leading["history"] and leading["n_tracks"] > 10
    assert min(LAGS) * DT <= leading["contact_last_lag_s"] <= leading["contact_first_lag_s"] <= max(LAGS) * DT
    assert leading["within_filter"] > 0.9 > 0.5 > found.chance["filter"]
    assert leading["within_frame"] < 0.1 and 0 < found.chance["frame"] < found.chance["filter"]
    core = found.positions[(found.positions["pattern"] == leading["pattern"]) & found.positions["kept"]]
    assert (core.loc[core["contact"] > 0.9, "distance"] < RADIUS).all()
    assert core["lag_s"].is_monotonic_decreasing


def test_lag_profile_of_the_contributions_is_the_filter(found):
    profile = found.lags[found.lags["pattern"] == ALL_WINDOWS].set_index("lag_s")
    outside = ~profile.index.isin([lag * DT for lag in LAGS])
    assert profile.loc[outside, "contribution"].abs().max() < 0.1
    of_pattern = found.lags[found.lags["pattern"] == found.leading["pattern"]].set_index("lag_s")
    assert (of_pattern.loc[~outside, "contribution"] > 0.1).any()
    assert of_pattern.loc[~outside, "contact"].mean() > 2 * found.typical.share


@pytest.mark.slow
def test_contact_that_lowers_an_output_leads_the_negative_patterns(tracks, found, tmp_path):
    lowered = search(tracks, tmp_path, channel=1)
    strongest = lowered.patterns.loc[lowered.patterns["total"].idxmin()]
    assert strongest["pattern"].startswith("neg_") and "1" in strongest["history"]
    assert min(LAGS) * DT <= strongest["contact_last_lag_s"] <= max(LAGS) * DT
    assert lowered.strength == pytest.approx(found.strength)


def test_contributions_are_the_filter_at_every_frame_contact_or_not(tracks):
    found = contributions_of(tracks)
    _, observed = tracks
    seen = observed.numpy()
    for track in (0, 1, 7):
        for slot, frame in enumerate(found.frames[track]):
            lag = frame - np.arange(T)
            within = (lag >= -AFTER) & (lag <= BEFORE) & seen[track]
            expected = np.where(within, KERNEL[(lag + AFTER).clip(0, len(KERNEL) - 1)], 0.0)
            np.testing.assert_allclose(found.difference[track, slot], expected, atol=1e-9)
    share = found.typical.share
    contact = found.states == 0
    np.testing.assert_allclose(found.actual[7], found.difference[7] * np.where(contact[7], 1 - share, -share))
    # against the mean of the states at their frequencies, the letters' contributions average to 0
    np.testing.assert_allclose(found.by_state @ np.array([share, 1 - share]), 0.0, atol=1e-12)


def test_frames_replaced_together_are_as_if_replaced_alone(tracks):
    """Against a loop over predicted and input frames, on a model that is not linear."""
    torch.manual_seed(0)
    body = nn.Sequential(nn.Conv1d(4, 6, 3, padding=1), nn.Tanh(), nn.Conv1d(6, 2, 5, padding=2)).double()

    class Body(nn.Module):
        driver_channels = 4

        def forward(self, x: Tensor, observed: Tensor) -> Tensor:
            return body(x * observed[:, None] / 300)

    x, observed = (part[:2, ..., :40] for part in tracks)
    model, frames, other = Body(), torch.tensor([[5, 20], [0, 39]]), torch.randn(2, 4, 40, dtype=x.dtype) * 300
    reach = temporal_reach(model, x[:1], (torch.ones_like(observed[:1]),), 8)
    together = outputs_with_frame_replaced(model, x, other, observed, 1, frames, reach, 7)
    for track in range(2):
        for t in range(40):
            alone = x[track : track + 1].clone()
            alone[..., t] = other[track, :, t]
            output = model(alone, observed[track : track + 1])[0, 1, frames[track]]
            torch.testing.assert_close(together[track, :, t], output)


def test_windows_hold_the_track_around_the_peak_and_stay_inside_it(tracks):
    found = contributions_of(tracks)
    windows = cut_histories(found, 61, 3)
    end = np.where(windows.table["track"] == 0, 90, T)
    first = (windows.table["peak"] - 30).clip(0, end - 61)
    assert (windows.table["start"] == first).all() and (first == 0).any() and (first == T - 61).any()
    lag = windows.table["predicted_frame"] - windows.table["peak"]
    assert (lag.between(min(LAGS) - 1, max(LAGS) + 1)).mean() > 0.9
    letters = one_hot(found.states)
    for row, (track, slot, start) in enumerate(windows.table[["track", "slot", "start"]].to_numpy()):
        np.testing.assert_array_equal(windows.one_hot[row], letters[track, start : start + 61])
        contact = found.by_state[track, slot, start : start + 61]
        np.testing.assert_allclose(windows.hypothetical[row, :, :2], contact, rtol=1e-6)


def test_states_and_what_stands_for_them():
    x = torch.tensor([[[30.0, 0.0, 300.0, 0.0], [40.0, 0.0, 400.0, 0.0], [50.0, 0.0, 500.0, 0.0]]])
    observed = torch.tensor([[True, True, True, False]])
    states = contact_states(x, observed, 3, 100.0)
    assert states.tolist() == [[0, 0, 1, MISSING]]
    np.testing.assert_array_equal(one_hot(states.numpy())[0].sum(axis=1), [1, 1, 1, 0])
    assert Typical.of(x, states, 3) == Typical(contact=0.0, no_contact=500.0, share=2 / 3)
    moved = at_distance(x, 3, 100.0)
    assert moved[0, :, 2].tolist() == pytest.approx([60.0, 80.0, 100.0])
    assert moved[0, :, 1].tolist() == [0.0, 0.0, 100.0]
    with pytest.raises(InputError, match="0 frames in contact and 3 not"):
        Typical.of(x, contact_states(x, observed, 3, -1.0), 3)


def test_predicted_frames_are_observed_ones_drawn_once():
    observed = np.ones((3, 20), dtype=bool)
    observed[1, 2:] = False
    observed[2] = False
    frames = draw_frames(observed, 5, np.random.default_rng(0))
    assert (np.diff(frames[0]) > 0).all() and frames[0].min() >= 0
    assert frames[1].tolist() == [0, 1, -1, -1, -1] and frames[2].tolist() == [-1] * 5


def test_control_pairs_every_signal_with_the_driver_of_another_track(tracks):
    x, observed = tracks
    signal = torch.arange(N, dtype=x.dtype)[:, None].expand(N, T) * observed
    batch = TrackBatch(x, signal, observed, [f"t{i}" for i in range(N)], ["g"] * N, DT)
    control = with_drivers_exchanged(batch, 3)
    torch.testing.assert_close(control.signal[5], signal[5] * control.observed[5])
    source = [int((x[:, 0, 10] == row[0, 10]).nonzero()[0]) for row in control.driver]
    assert sorted(source) == list(range(N)) and all(a != b for a, b in enumerate(source))
    assert torch.equal(control.observed, observed & observed[source])
    assert torch.equal(with_drivers_exchanged(batch, 3).driver, control.driver)


@pytest.mark.slow
def test_same_seed_same_files(tracks, found, tmp_path):
    again = search(tracks, tmp_path)
    for folder, one in (("a", found), ("b", again)):
        write_temporal_motifs(one, tmp_path / folder)
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert names == ["lags.csv", "patterns.csv", "positions.csv", "seqlets.csv", "summary.json"]
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    summary = json.loads((tmp_path / "a" / "summary.json").read_text())
    assert summary["contact_share"] == pytest.approx(0.2, abs=0.03)
    seqlets = pd.read_csv(tmp_path / "a" / "seqlets.csv")
    assert (seqlets["last_frame"] >= seqlets["first_frame"]).all()


def test_nothing_to_search_leaves_empty_tables_and_says_why(tracks, tmp_path):
    x, observed = tracks
    few = temporal_motifs(
        ContactFilter(),
        x[:2],
        observed[:2],
        ["a", "b"],
        radius=RADIUS,
        frame_interval_s=DT,
        config=CONFIG,
        seed=0,
        hdf5=tmp_path / "modisco.h5",
    )
    assert few.patterns.empty and few.positions.empty and few.seqlets.empty
    assert "fewer than the 80" in few.reason
    write_temporal_motifs(few, tmp_path / "tables")
    table = compare_motifs({"model": few})
    assert table.loc[0, "patterns"] == 0 and table.loc[0, "strength"] > 0
    frame = motif_frame(few.patterns, few.positions, 3)
    driver = Driver("vector", "E-P distance", "nm")
    assert "No temporal motif" in motif_figure(frame, driver, "a.u.", RADIUS, few.reason).texts[0].get_text()


def test_figures_show_every_pattern_and_model(found):
    driver = Driver("vector", "E-P distance", "nm")
    frame = motif_frame(found.patterns, found.positions, 2)
    shown = list(dict.fromkeys(frame["pattern"]))
    figure = motif_figure(frame, driver, "a.u.", RADIUS)
    assert len(figure.axes) == 2 * len(shown)
    assert figure.axes[0].get_title(loc="left").startswith(shown[0])
    lags = lag_frame({"model": found.lags, "control": found.lags}, {"model": found.leading["pattern"]})
    drawn = motif_lag_figure(lags, driver, "a.u.", pd.DataFrame({"lag_s": [0.0, 60.0], "response": [0.0, 1.0]}))
    assert [len(axis.get_lines()) for axis in drawn.axes] == [5, 4, 4]


@pytest.mark.parametrize(("field", "value"), [("n_tracks", 0), ("lag_max_s", 0.0), ("window_frames", 19)])
def test_nonsense_settings_are_refused(field, value):
    with pytest.raises(ValueError, match=f"{field} must"):
        replace(CONFIG, **{field: value})
