import numpy as np
import pytest

from contactlens.attribution import lag

T, L = 60, 8


@pytest.fixture
def contact_model():
    """A[t_out, t_in] = h(lag) contact(t_in), what integrated gradients give for a filter of contacts."""
    rng = np.random.default_rng(0)
    h = np.array([0.0, 1.0, 3.0, 2.0, 0.5])
    contact = (rng.random((20, T)) < 0.2).astype(float)
    difference = np.arange(T)[:, None] - np.arange(T)[None, :]
    inside = (difference >= 0) & (difference < len(h))
    scores = np.where(inside, h[np.clip(difference, 0, len(h) - 1)], 0) * contact[:, None, :]
    return h, contact, scores


def profile(scores, weights, valid, frames):
    sums = [lag.lag_sums(a, frames, w, v, L) for a, w, v in zip(scores, weights, valid, strict=True)]
    return [np.stack(part) for part in zip(*sums, strict=True)]


def test_contact_weighted_profile_is_the_filter_itself(contact_model):
    h, contact, scores = contact_model
    numerator, denominator = profile(scores, contact, np.ones_like(contact, dtype=bool), np.arange(T))
    expected = np.concatenate([np.zeros(L), h, np.zeros(L + 1 - len(h))])
    np.testing.assert_allclose(numerator.sum(0) / denominator.sum(0), expected, atol=1e-12)


def test_sums_equal_a_loop_over_pairs_of_frames(contact_model):
    _, contact, scores = contact_model
    valid = np.ones(T, dtype=bool)
    valid[[5, 20, 21]] = False
    frames = np.arange(0, T, 3)
    numerator, denominator = lag.lag_sums(scores[0][frames], frames, contact[0], valid, L)
    for i, step in enumerate(range(-L, L + 1)):
        pairs = [(t, t - step) for t in frames if 0 <= t - step < T and valid[t] and valid[t - step]]
        assert numerator[i] == pytest.approx(sum(scores[0][t, s] * contact[0][s] for t, s in pairs))
        assert denominator[i] == pytest.approx(sum(contact[0][s] for _, s in pairs))


def test_summaries_in_closed_form():
    lags = np.array([-20.0, -10.0, 0.0, 10.0, 20.0])
    truth = np.array([0.0, 0.0, 1.0, 3.0, 0.0])
    assert lag.correlation(5 * truth + 2, truth) == pytest.approx(1)
    assert lag.correlation(np.stack([-truth, truth]), truth) == pytest.approx([-1, 1])
    assert np.isnan(lag.correlation(np.ones(5), truth))
    assert lag.peak(truth, lags) == 10
    assert lag.mean_lag(truth, lags) == pytest.approx(7.5)
    assert lag.acausal_share(np.array([1.0, -1.0, 2.0, 0.0, 0.0]), lags) == pytest.approx(0.5)
