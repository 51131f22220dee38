import numpy as np
import pytest

from contactlens.tracks.simulation.rouse import RouseChain, SeparationSampler

CHAIN = RouseChain(beads=100, loci=(40, 60), mean_distance_nm=300.0, msd_amplitude_nm2_per_sqrt_s=1e4)


def test_loci_are_a_random_walk_apart() -> None:
    """For a linear chain the mode sum at lag 0 is |i - j| b^2 / 3 per axis, whatever the chain's length."""
    expected = 20 * CHAIN.bond_nm2 / 3
    assert CHAIN.covariance(np.zeros(1))[0] == pytest.approx(expected, rel=1e-10)
    assert 3 * CHAIN.axis_variance_nm2 == pytest.approx(20 * CHAIN.bond_nm2)


def test_short_time_msd_has_the_asked_amplitude_and_exponent_one_half() -> None:
    """Between the bond's relaxation time and that of the stretch between the loci (a fine chain shows it)."""
    fine = RouseChain(beads=1000, loci=(400, 600), mean_distance_nm=300.0, msd_amplitude_nm2_per_sqrt_s=1e4)
    lag = np.array([0.2, 0.8, 3.2])
    msd = 6 * (fine.covariance(np.zeros(1)) - fine.covariance(lag))
    np.testing.assert_allclose(msd / np.sqrt(lag), 1e4, rtol=0.08)


def test_a_dimer_is_an_ornstein_uhlenbeck_process() -> None:
    dimer = RouseChain(beads=2, loci=(0, 1), mean_distance_nm=300.0, msd_amplitude_nm2_per_sqrt_s=1e4)
    lag = np.linspace(0, 20, 9) / dimer.spring_rate_per_s
    expected = dimer.axis_variance_nm2 * np.exp(-2 * dimer.spring_rate_per_s * lag)
    np.testing.assert_allclose(dimer.covariance(lag), expected, rtol=1e-12)


def test_drawn_paths_have_the_exact_covariance_and_no_correlation_between_axes() -> None:
    n, step = 4000, 3.0
    paths = SeparationSampler(CHAIN, 128, step).draw(n, np.random.default_rng(5)).astype(np.float64)
    assert paths.shape == (n, 3, 128)
    expected = CHAIN.covariance(np.arange(128) * step)
    for start, lag in [(0, 0), (0, 1), (40, 10), (100, 27), (0, 127)]:
        product = paths[:, :, start] * paths[:, :, start + lag]
        error = product.std() / np.sqrt(product.size)
        assert abs(product.mean() - expected[lag]) < 4 * error
    across = paths[:, 0, 10] * paths[:, 1, 10]
    assert abs(across.mean()) < 4 * across.std() / np.sqrt(n)


def test_real_and_imaginary_paths_are_independent() -> None:
    """Track k's axes and those of track k + n / 2 come from one transform."""
    paths = SeparationSampler(CHAIN, 32, 3.0).draw(4000, np.random.default_rng(6)).reshape(2, -1, 32)
    product = (paths[0] * paths[1])[:, 3].astype(np.float64)
    assert abs(product.mean()) < 4 * product.std() / np.sqrt(product.size)
