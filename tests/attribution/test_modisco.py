"""TF-MoDISco on sequences of two letters: a planted stretch is found where it is, whatever letters are absent."""

from dataclasses import replace

import numpy as np
import pytest
from peaks_for_modisco import peaks_for_modisco

from contactlens.attribution.modisco import core_of, find_patterns
from contactlens.attribution.modisco_config import ModiscoConfig

N, L, WIDTH = 150, 80, 5
CONFIG = ModiscoConfig(
    min_sequences=80,
    sliding_window=12,
    flank=4,
    seqlet_fdr=0.1,
    leiden_runs=2,
    max_seqlets=1000,
    trim_share=0.3,
    min_width=2,
    pattern_window=20,
    pattern_flank=0,
)


def planted(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """C everywhere but at one A in ten and at a stretch of A in the middle third, which alone contributes."""
    rng = np.random.default_rng(seed)
    letters = (rng.random((N, L)) > 0.1).astype(int)
    start = rng.integers(L // 3, 2 * L // 3 - WIDTH, N)
    stretch = start[:, None] + np.arange(WIDTH)
    rows = np.arange(N)[:, None]
    letters[rows, stretch] = 0
    hypothetical = rng.normal(0, 0.01, (N, L, 4))
    hypothetical[rows, stretch, 0] += 1.0
    return hypothetical, np.eye(4, dtype=np.uint8)[letters], start


@pytest.fixture(params=["peaks", pytest.param("modisco", marks=pytest.mark.slow)])
def _searched(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "peaks":
        monkeypatch.setattr("modiscolite.tfmodisco.TFMoDISco", peaks_for_modisco)


@pytest.mark.usefixtures("_searched")
def test_a_stretch_of_one_of_two_letters_is_found_in_place_and_never_reversed() -> None:
    hypothetical, one_hot, start = planted()
    discovery = find_patterns(hypothetical, one_hot, CONFIG, 3, unit="frames")
    pattern = discovery.patterns[0]
    assert pattern.name == "pos_0" and pattern.n_seqlets > 0.4 * N
    assert pattern.consensus == "A" * WIDTH
    assert not pattern.seqlets["is_revcomp"].any()
    found = pattern.seqlets["start"] + pattern.kept[0]
    assert (found.to_numpy() == start[pattern.seqlets["row"]]).mean() > 0.95
    assert "no negative pattern" in discovery.reason


@pytest.mark.usefixtures("_searched")
def test_a_cap_that_cuts_is_said() -> None:
    hypothetical, one_hot, _ = planted()
    cut = find_patterns(hypothetical, one_hot, replace(CONFIG, max_seqlets=101), 3)
    assert "101 positive seqlets were clustered, all that max_seqlets allows" in cut.reason and not cut.failed


@pytest.mark.parametrize("error", [ZeroDivisionError("by nothing"), BaseException("Cannot accept NaN weights.")])
def test_a_search_that_breaks_off_is_no_search_that_finds_nothing(
    monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    """leidenalg raises a bare BaseException; what ends a program does so here too."""
    hypothetical, one_hot, _ = planted()

    def broken(*args: object, **kwargs: object) -> None:
        raise error

    monkeypatch.setattr("modiscolite.tfmodisco.TFMoDISco", broken)
    found = find_patterns(hypothetical, one_hot, CONFIG, 3)
    assert found.failed and len(found) == 0 and f"({type(error).__name__}: {error})" in found.reason
    assert not find_patterns(0 * hypothetical, one_hot, CONFIG, 3).failed
    error = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        find_patterns(hypothetical, one_hot, CONFIG, 3)


@pytest.mark.usefixtures("_searched")
def test_letters_that_never_occur_contribute_nothing() -> None:
    hypothetical, one_hot, _ = planted()
    loud = hypothetical.copy()
    loud[..., 2:] = 100.0
    quiet, noisy = (find_patterns(values, one_hot, CONFIG, 3).patterns for values in (hypothetical, loud))
    assert len(quiet) == len(noisy) > 0
    for one, other in zip(quiet, noisy, strict=True):
        np.testing.assert_array_equal(one.contributions, other.contributions)
        np.testing.assert_allclose(one.contributions[:, 2:], 0.0)


def test_too_little_to_search_says_so_in_the_callers_unit() -> None:
    hypothetical, one_hot, _ = planted()
    short = find_patterns(hypothetical[:, :19], one_hot[:, :19], CONFIG, 3, unit="frames")
    assert short.reason == "windows of 19 frames, shorter than a seqlet of 20 frames"
    few = find_patterns(hypothetical[:79], one_hot[:79], CONFIG, 3)
    assert few.reason.startswith("79 windows") and len(few) == 0
    assert find_patterns(0 * hypothetical, one_hot, CONFIG, 3).reason == "all contributions are zero"


def test_core_is_bounded_by_the_strong_positions() -> None:
    contributions = np.zeros((6, 4))
    contributions[[1, 4], [0, 1]] = [1.0, -0.5]
    assert core_of(contributions, 0.4) == (1, 5)
    assert core_of(contributions, 0.6) == (1, 2)


@pytest.mark.parametrize(
    ("field", "value"),
    [("flank", 0), ("sliding_window", 5), ("seqlet_fdr", 1.0), ("max_seqlets", 100), ("pattern_flank", -1)],
)
def test_nonsense_settings_are_refused(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{field} must"):
        replace(CONFIG, **{field: value})
