"""Indels in a sequence made by hand, and their mirror images."""

import numpy as np
import pytest
from word_model import other_strand

from contactlens.dna.data.shown import Shown
from contactlens.dna.serving.alleles import Change, changed

#        0         1
#        0123456789012345678
BASES = "TTTTACGTACCCCGGGATT"
ELEMENTS = ((4, 9), (13, 17))  # ACGTA, GGGA


@pytest.mark.parametrize(
    ("at", "ref", "alt", "bases", "inside"),
    [
        (5, "C", "T", "TTTTATGTACCCCGGGATT", ("ATGTA", "GGGA")),
        (4, "AC", "A", "TTTTAGTACCCCGGGATT", ("AGTA", "GGGA")),  # a base of the first element is deleted
        (9, "CC", "CCA", "TTTTACGTACCACCGGGATT", ("ACGTA", "GGGA")),  # inserted between the elements
        (5, "C", "CTTT", "TTTTACTTTGTACCCCGGGATT", ("ACTTTGTA", "GGGA")),  # inserted inside of the first
        (3, "T", "TGG", "TTTTGGACGTACCCCGGGATT", ("ACGTA", "GGGA")),  # at its left border: outside
        (8, "A", "AGG", "TTTTACGTAGGCCCCGGGATT", ("ACGTA", "GGGA")),  # at its right border: outside
        (2, "TTAC", "T", "TTTGTACCCCGGGATT", ("GTA", "GGGA")),  # across its left border
        (7, "TACC", "T", "TTTTACGTCCGGGATT", ("ACGT", "GGGA")),  # across its right border
        (2, "TTAC", "GGGGG", "TTGGGGGGTACCCCGGGATT", ("GGGGTA", "GGGA")),  # two bases stay outside of it
        (0, "TTTT", "T", "TACGTACCCCGGGATT", ("ACGTA", "GGGA")),
    ],
)
def test_bases_and_elements_after_a_change(at: int, ref: str, alt: str, bases: str, inside: tuple[str, ...]) -> None:
    assert BASES[at : at + len(ref)] == ref
    found = changed(Shown(BASES, ELEMENTS), Change(at, ref, alt).trimmed())
    assert found.bases == bases
    assert tuple(found.bases[start:end] for start, end in found.elements) == inside


def test_an_element_that_is_deleted_whole_has_no_length() -> None:
    found = changed(Shown(BASES, ELEMENTS), Change(12, BASES[12:18], BASES[12]).trimmed())
    assert found.bases == BASES[:13] + BASES[18:]
    assert found.elements == ((4, 9), (13, 13))


@pytest.mark.parametrize(
    ("change", "bases"),
    [
        ((6, "G", ""), "G"),
        ((10, "C", ""), "CCCC"),  # any of the four
        ((11, "", "CC"), "ACCCCG"),  # with a base on either side
        ((5, "C", "T"), "C"),
        ((7, "", "G"), "CGT"),
        ((7, "", "C"), "GT"),
    ],
)
def test_an_indel_of_a_repeat_touches_all_of_it(change: tuple[int, str, str], bases: str) -> None:
    first, last = Change(*change).touched(BASES)
    assert BASES[first:last] == bases


@pytest.mark.parametrize(
    ("given", "trimmed"),
    [
        ((5, "CG", "C"), (6, "G", "")),
        ((5, "C", "CAA"), (6, "", "AA")),
        ((5, "CGT", "CAT"), (6, "G", "A")),
        ((5, "CGT", "AGA"), (5, "CGT", "AGA")),
        ((5, "CAA", "CA"), (6, "A", "")),  # the leftmost of two equal bases
    ],
)
def test_shared_bases_are_no_part_of_a_change(given: tuple[int, str, str], trimmed: tuple[int, str, str]) -> None:
    assert Change(*given).trimmed() == trimmed


def test_a_change_of_the_other_strand_is_the_mirror_image() -> None:
    """1,000 random changes: elements and bases mirror each other, whatever touches whatever."""
    rng = np.random.default_rng(0)
    for _ in range(1000):
        bases = "".join(rng.choice(list("ACGT"), 30))
        a, b, c, d = np.sort(rng.choice(31, 4, replace=False)).tolist()
        shown = Shown(bases, ((a, b), (c, d)))
        at, length = int(rng.integers(26)), int(rng.integers(1, 5))
        change = Change(at, bases[at : at + length], "".join(rng.choice(list("ACGT"), int(rng.integers(5)))))
        change = change if rng.random() < 0.5 or not change.alt else Change(at, "", change.alt)
        mirrored = Change(30 - change.end, other_strand(change.ref), other_strand(change.alt))
        after, other = changed(shown, change), changed(shown.reverse_complement(), mirrored)
        assert other == after.reverse_complement()
        first, last = change.touched(bases)
        assert mirrored.touched(other_strand(bases)) == (30 - last, 30 - first)
        assert len(after.bases) == 30 + len(change.alt) - len(change.ref)
