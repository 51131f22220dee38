import numpy as np
import pytest
from scipy import stats

from contactlens.tracks.simulation.promoter import Events, load_polymerases, poisson_events, switch


def candidates_everywhere(n_tracks: int = 300, rate: float = 0.05, seed: int = 1) -> Events:
    return poisson_events(rate, n_tracks, -500.0, 5000.0, np.random.default_rng(seed))


def test_poisson_events_have_the_rate_and_uniform_times() -> None:
    events = candidates_everywhere()
    expected = 0.05 * 5500 * 300
    assert abs(events.time_s.size - expected) < 4 * np.sqrt(expected)
    assert stats.kstest(events.time_s, stats.uniform(-500, 5500).cdf).pvalue > 1e-3
    assert np.all(np.diff(events.track) >= 0)


def test_always_in_contact_is_the_plain_telegraph_model() -> None:
    """Stationary P(on) = k_on / (k_on + k_off); on-times Exp(k_off), off-times Exp(k_on)."""
    events = candidates_everywhere()
    bursts = switch(events, np.ones(events.time_s.size, bool), 0.02, 300, np.random.default_rng(2))
    on = np.clip(np.minimum(bursts.end_s, 5000) - np.maximum(bursts.start_s, 0), 0, None).sum()
    assert on / (300 * 5000) == pytest.approx(0.05 / 0.07, abs=0.01)
    early = bursts.start_s < 4000
    assert stats.kstest((bursts.end_s - bursts.start_s)[early], stats.expon(scale=50).cdf).pvalue > 1e-3
    same = bursts.track[1:] == bursts.track[:-1]
    off = (bursts.start_s[1:] - bursts.end_s[:-1])[same]
    assert off.min() >= 0
    middle = bursts.start_s[1:][same] < 4000
    assert off[middle].mean() == pytest.approx(20, rel=0.03)


def test_rounds_agree_with_a_walk_along_each_track() -> None:
    """The same durations, dealt in the same order, must come out of a plain loop over candidates."""
    events = candidates_everywhere(n_tracks=20)
    rng = np.random.default_rng(3)
    contact = rng.uniform(size=events.time_s.size) < 0.3
    bursts = switch(events, contact, 0.02, 20, rng)
    duration = dict(zip(bursts.candidate, bursts.end_s - bursts.start_s, strict=True))
    free = np.full(20, -np.inf)
    started = []
    for i in np.flatnonzero(contact):
        track, time = events.track[i], events.time_s[i]
        if time >= free[track]:
            started.append(i)
            free[track] = time + duration[i]
    assert started == bursts.candidate.tolist()
    assert contact[bursts.candidate].all()


def test_no_contact_means_no_burst() -> None:
    events = candidates_everywhere(5)
    bursts = switch(events, np.zeros(events.time_s.size, bool), 0.02, 5, np.random.default_rng(0))
    assert bursts.start_s.size == 0
    assert load_polymerases(bursts, 0.2, 5000.0, np.random.default_rng(0)).time_s.size == 0


def test_polymerases_load_only_while_on_at_the_rate() -> None:
    events = candidates_everywhere()
    bursts = switch(events, np.ones(events.time_s.size, bool), 0.02, 300, np.random.default_rng(2))
    loading = load_polymerases(bursts, 0.25, 5000.0, np.random.default_rng(4))
    expected = 0.25 * np.clip(np.minimum(bursts.end_s, 5000) - bursts.start_s, 0, None).sum()
    assert abs(loading.time_s.size - expected) < 4 * np.sqrt(expected)
    key = bursts.track * 1e6 + bursts.start_s
    owner = np.searchsorted(key, loading.track * 1e6 + loading.time_s, side="right") - 1
    assert np.array_equal(bursts.track[owner], loading.track)
    assert (loading.time_s <= np.minimum(bursts.end_s[owner], 5000)).all()
