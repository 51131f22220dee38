"""Composition of the background: against the table it is made from, closed forms, and human DNA."""

import gzip

import numpy as np
import pytest

from contactlens.dna.simulation.grammar import HUMAN_GC, HUMAN_ODDS, background, dinucleotides
from reference_files import SMALL

HUMAN = SMALL / "data" / "hg19_chr20_1-2Mb.fa.gz"


def counted(codes: np.ndarray) -> np.ndarray:
    pairs = codes[:, :-1].astype(int) * 4 + codes[:, 1:]
    return np.bincount(pairs.ravel(), minlength=16).reshape(4, 4) / pairs.size


@pytest.mark.parametrize("gc", [0.3, HUMAN_GC, 0.6])
def test_the_table_meets_the_composition_and_keeps_the_preferences(gc: float) -> None:
    table = dinucleotides(np.array([gc]))[0]
    bases = np.array([1 - gc, gc, gc, 1 - gc]) / 2
    assert np.allclose(table.sum(axis=0), bases, atol=1e-9) and np.allclose(table.sum(axis=1), bases, atol=1e-9)
    assert np.allclose(table, table[::-1, ::-1].T, atol=1e-4)  # the other strand reads the same

    def odds_ratio(matrix: np.ndarray) -> float:
        return matrix[1, 2] * matrix[3, 0] / (matrix[1, 0] * matrix[3, 2])

    # Scaling rows and columns leaves odds ratios as they are.
    assert odds_ratio(table) == pytest.approx(odds_ratio(HUMAN_ODDS))


def test_dna_has_the_dinucleotides_of_its_table() -> None:
    codes = background(np.full(800, HUMAN_GC), 1000, np.random.default_rng(1))
    assert codes.shape == (800, 1000) and codes.dtype == np.uint8 and codes.max() == 3
    expected = dinucleotides(np.array([HUMAN_GC]))[0]
    assert np.abs(counted(codes) - expected).max() < 1e-3
    assert 0.15 < expected[1, 2] / (HUMAN_GC / 2) ** 2 < 0.25  # CpG, observed over expected


def test_each_row_has_its_own_gc_from_the_first_base_on() -> None:
    gc = np.repeat([0.3, 0.5], 2000)
    strong = np.isin(background(gc, 200, np.random.default_rng(2)), [1, 2])
    assert strong[:2000].mean() == pytest.approx(0.3, abs=0.005)
    assert strong[2000:].mean() == pytest.approx(0.5, abs=0.005)
    for column in (0, 100, 199):
        assert strong[:2000, column].mean() == pytest.approx(0.3, abs=0.04)


def test_equal_seeds_equal_bytes() -> None:
    first, again, other = (background(np.full(5, 0.4), 300, np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_the_preferences_are_those_counted_on_human_dna() -> None:
    with gzip.open(HUMAN, "rt") as file:
        text = "".join(line.strip() for line in file if line[0] != ">").upper()
    codes = np.full(256, 4, dtype=np.uint8)
    codes[[65, 67, 71, 84]] = range(4)
    bases = codes[np.frombuffer(text.encode(), dtype=np.uint8)]
    known = (bases[:-1] < 4) & (bases[1:] < 4)
    table = counted(np.stack([bases[:-1][known], bases[1:][known]], axis=1))
    table = (table + table[::-1, ::-1].T) / 2
    assert np.abs(table / np.outer(table.sum(axis=1), table.sum(axis=1)) - HUMAN_ODDS).max() < 0.01
