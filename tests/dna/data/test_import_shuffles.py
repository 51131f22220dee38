"""Shuffles keep every dinucleotide, and all sequences that do are equally likely."""

from collections import Counter
from itertools import pairwise, permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from contactlens.dna.data.dinucleotide_shuffle import dinucleotide_shuffle

SEQUENCES = st.one_of(
    st.text("ACGT", max_size=300),
    st.text("ACGTN", max_size=120),
    st.text("AC", max_size=60),
    st.text("ACGTRN", max_size=9),
)


@given(SEQUENCES, st.integers(0, 2**32))
def test_dinucleotides_unknown_bases_and_ends_stay(sequence: str, seed: int) -> None:
    shuffled = dinucleotide_shuffle(sequence, np.random.default_rng(seed))
    assert Counter(pairwise(shuffled)) == Counter(pairwise(sequence))
    assert [(i, c) for i, c in enumerate(shuffled) if c not in "ACGT"] == [
        (i, c) for i, c in enumerate(sequence) if c not in "ACGT"
    ]
    assert (shuffled[:1], shuffled[-1:]) == (sequence[:1], sequence[-1:])
    assert dinucleotide_shuffle(sequence, np.random.default_rng(seed)) == shuffled


@pytest.mark.parametrize("sequence", ["ACAGATCA", "AACCGGTAC", "ACGTCAGTA", "AAATTTAT"])
def test_all_sequences_of_the_same_dinucleotides_are_equally_likely(sequence: str) -> None:
    wanted = Counter(pairwise(sequence))
    inner = {"".join(p) for p in permutations(sequence[1:-1])}
    possible = sorted(text for p in inner if Counter(pairwise(text := sequence[0] + p + sequence[-1])) == wanted)
    rng = np.random.default_rng(7)
    drawn = Counter(dinucleotide_shuffle(sequence, rng) for _ in range(400 * len(possible)))
    assert sorted(drawn) == possible
    assert len(possible) > 2
    assert chisquare([drawn[text] for text in possible]).pvalue > 1e-3


def test_a_long_sequence_is_changed_throughout() -> None:
    sequence = "".join(np.random.default_rng(1).choice(list("ACGT"), 4000))
    shuffled = dinucleotide_shuffle(sequence, np.random.default_rng(2))
    same = np.mean([a == b for a, b in zip(sequence, shuffled, strict=True)])
    assert 0.2 < same < 0.3
