"""Contributions and the windows cut around their peaks, against brute force."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from contactlens.attribution.centring import centred
from contactlens.base.errors import InputError
from contactlens.dna.data.genome import Genome
from contactlens.dna.data.window_set import WindowSet
from contactlens.dna.explanation.attributions import Attributions, read_attributions_by
from contactlens.dna.motifs.peaks import cut_peaks, smoothed, window_peaks

L = 500


def window_set(starts: list[int], length: int = L) -> WindowSet:
    table = pd.DataFrame({"window_id": [f"w{n}" for n in range(len(starts))], "chrom": "chr1", "win_start": starts})
    table["win_end"] = table["win_start"] + length
    table["label"], table["record"], table["record_start"] = 1, "chr1", 0
    return WindowSet("region", table, Genome.of({"chr1": "A" * (max(starts) + length)}), "test", {}, None)


def contributions(actual: np.ndarray) -> Attributions:
    """All bases A; the other three bases' contributions make the mean over bases zero."""
    one_hot = np.zeros((*actual.shape, 4), dtype=np.uint8)
    one_hot[..., 0] = 1
    hypothetical = np.repeat(-actual[..., None] / 3, 4, axis=-1)
    hypothetical[..., 0] = actual
    ids = np.array([f"w{n}" for n in range(len(actual))])
    return Attributions(ids, np.zeros(len(actual)), hypothetical.astype(np.float32), one_hot)


def test_smoothing_is_the_mean_of_the_bases_that_exist() -> None:
    values = np.random.default_rng(0).normal(size=(2, 40))
    for width in (1, 4, 7, 40, 60):
        w = min(width, 40)
        brute = [[row[max(i - w // 2, 0) : max(i - w // 2 + w, 0)].mean() for i in range(40)] for row in values]
        np.testing.assert_allclose(smoothed(values, width), brute, atol=1e-12)


def test_windows_hold_their_peaks_lie_inside_and_never_overlap() -> None:
    rng = np.random.default_rng(1)
    for _ in range(50):
        height = rng.random(700) * (rng.random(700) < 0.05)
        found = window_peaks(height, 200, 5)
        starts = sorted(start for start, _ in found)
        assert all(0 <= start <= 500 and start <= peak < start + 200 for start, peak in found)
        assert all(b - a >= 200 for a, b in pairwise(starts))
        assert height[found[0][1]] == height.max()


def test_peak_at_the_edge_shifts_the_window_inside() -> None:
    height = np.zeros(L)
    height[[3, 490]] = [2.0, 1.0]
    assert window_peaks(height, 200, 4) == [(0, 3), (300, 490)]


def test_window_is_shifted_aside_of_one_that_is_taken() -> None:
    height = np.zeros(L)
    height[[250, 360]] = [2.0, 1.0]  # the first takes 200-300 of width 100, the second would take 310-410
    assert window_peaks(height, 100, 2) == [(200, 250), (310, 360)]
    height[[360, 305]] = [0.0, 1.0]
    assert window_peaks(height, 100, 2)[1] == (300, 305)


def test_short_windows_are_taken_whole() -> None:
    peaks = cut_peaks(contributions(np.full((2, L), 0.5)), window_set([0, L]).windows, L, 3, 11)
    assert peaks.width == L and peaks.table["start"].tolist() == [0, 0]
    assert cut_peaks(contributions(np.full((2, L), 0.5)), window_set([0, L]).windows, 2 * L, 3, 11).width == L


def test_cut_arrays_are_the_bases_of_the_table() -> None:
    rng = np.random.default_rng(2)
    given = contributions(rng.normal(size=(6, L)))
    peaks = cut_peaks(given, window_set([n * L for n in range(6)]).windows, 120, 2, 9)
    assert len(peaks) == 12
    for row, place in peaks.table.iterrows():
        n, start = int(place["window_id"][1:]), place["start"]
        np.testing.assert_allclose(peaks.hypothetical[row], given.hypothetical[n, start : start + 120], atol=1e-6)
        assert place["genome_start"] == n * L + start


def test_a_place_shared_by_two_windows_counts_once() -> None:
    actual = np.zeros((2, L))
    actual[0, 300], actual[1, 100] = 1.0, 2.0  # the same base of the genome, seen by both
    peaks = cut_peaks(contributions(actual), window_set([0, 200]).windows, 100, 1, 1)
    assert peaks.table[["window_id", "genome_start", "peak"]].to_numpy().tolist() == [["w1", 250, 100]]


def test_centring_is_idempotent_and_removes_what_all_bases_share() -> None:
    gradient = np.random.default_rng(3).normal(size=(5, 9, 4))
    once = centred(gradient)
    np.testing.assert_allclose(once, centred(once + 7.0), atol=1e-12)
    np.testing.assert_allclose(once.sum(axis=-1), 0, atol=1e-12)


def test_bad_contributions_are_named(tmp_path: Path) -> None:
    good = contributions(np.ones((3, 20)))
    arrays = {"window_ids": good.window_ids, "logits": good.logits, "one_hot": good.one_hot}
    path = tmp_path / "a.npz"
    for broken, message in (
        (
            {"saliency": np.moveaxis(good.hypothetical, 1, 2)},
            r"must be \(windows, bases, 4\).*'saliency': \(3, 4, 20\)",
        ),
        ({"saliency": np.where(np.arange(20)[:, None] == 4, np.nan, good.hypothetical)}, "not finite numbers"),
        ({"gradient": good.hypothetical}, "no contributions by saliency; it holds gradient"),
        ({"saliency": good.hypothetical[:, :10]}, r"must be .*'saliency': \(3, 10, 4\)"),
    ):
        np.savez(path, **arrays, **broken)
        with pytest.raises(InputError, match=message) as found:
            read_attributions_by(path, "saliency")
        assert str(path) in str(found.value)
    np.savez(path, **arrays, saliency=good.hypothetical)
    np.testing.assert_array_equal(read_attributions_by(path, "saliency").actual, good.actual)
    path.write_bytes(b"not a zip")
    with pytest.raises(InputError, match="not an NPZ"):
        read_attributions_by(path, "saliency")
    with pytest.raises(InputError, match="no such file"):
        read_attributions_by(tmp_path / "b.npz", "saliency")


def test_unknown_window_is_an_error() -> None:
    with pytest.raises(InputError, match="contributions of 3 windows, and places of 2"):
        cut_peaks(contributions(np.ones((3, L))), window_set([0, L]).windows, 100, 1, 1)
    with pytest.raises(InputError, match="1 windows missing, first w9"):
        contributions(np.ones((3, 20))).select(["w0", "w9"])
