"""Motifs in backgrounds without any: the curve is what the toy model says of the words, to the digit."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from word_model import WORD, WordModel, other_strand, worth

from contactlens.base.errors import InputError
from contactlens.dna.data.motif_database import motif
from contactlens.dna.data.shown import Shown
from contactlens.dna.serving.marginalize import Insert, MarginalSettings, insert_of, marginalize, random_backgrounds

A, B = Insert("a", "GATTACAC"), Insert("b", "CCGTTGCA")
TASKS = {"region": ((0, 120),), "pair": ((5, 55), (65, 115))}


def backgrounds(task: str = "region", n: int = 12) -> list[Shown]:
    """Random DNA, some of it with a word of its own."""
    rng = np.random.default_rng(1)
    found = []
    for i in range(n):
        bases = "".join(rng.choice(list("ACGT"), 120))
        found.append(Shown(bases[:6] + WORD + bases[14:] if i % 3 == 0 else bases, TASKS[task]))
    return found


class SpacedPair(nn.Module):
    """1 for a, 0.25 for b, and 3 more where b follows a after 10 to 12 bases, all on the + strand; 0 without a region.

    A background of N alone has none of them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1, dtype=torch.float64))

    def forward(self, ids: Tensor, regions: Tensor) -> Tensor:
        found = []
        for row in ids.tolist():
            bases = "".join("ACGT"[token - 7] if 7 <= token <= 10 else "N" for token in row)
            first, second = bases.find(A.bases), bases.find(B.bases)
            near = first >= 0 and second >= 0 and 10 <= second - first - len(A.bases) <= 12
            found.append((first >= 0) + 0.25 * (second >= 0) + 3.0 * near)
        return self.scale * torch.tensor(found, dtype=torch.float64)


def test_one_motif_adds_its_worth_in_every_background_and_on_either_strand() -> None:
    found = marginalize(WordModel(), backgrounds(), [A], orientations=("+", "-"))
    assert found.table["estimate"].tolist() == [2.0, 2.0]
    assert found.table["low"].tolist() == found.table["high"].tolist() == [2.0, 2.0]
    assert (found.backgrounds, found.skipped) == (12, 0)


def test_the_interval_is_that_of_the_mean_over_backgrounds() -> None:
    """Words that the motif overwrites come off: the change differs between backgrounds."""
    several = [
        Shown(one.bases[:56] + WORD + one.bases[64:] if i % 4 == 0 else one.bases, one.elements)
        for i, one in enumerate(backgrounds(n=40))
    ]
    found = marginalize(WordModel(), several, [A], orientations=("+",)).table.iloc[0]
    change = np.array([worth(s.bases[:56] + WORD + s.bases[64:], s.elements) - worth(*s) for s in several])
    assert set(change) == {0.0, 2.0} and found["estimate"] == pytest.approx(change.mean())
    half = 1.96 * change.std() / np.sqrt(len(change))
    assert change.mean() - found["low"] == pytest.approx(half, rel=0.3)
    assert found["high"] - change.mean() == pytest.approx(half, rel=0.3)


def test_a_pair_shows_its_rule_of_spacing_and_orientation() -> None:
    empty = [Shown("N" * 120, TASKS["region"])] * 3
    spacings = [0, 5, 10, 11, 12, 13, 30]
    table = marginalize(SpacedPair(), empty, [A, B], spacings, ("++", "+-", "--")).table
    value = table.set_index(["quantity", "orientation", "spacing_bp"])["estimate"]
    for gap in spacings:
        bonus = 3.0 if 10 <= gap <= 12 else 0.0
        assert value["effect", "++", gap] == 1.25 + bonus
        assert (value["first", "++", gap], value["second", "++", gap]) == (1.0, 0.25)
        assert value["interaction", "++", gap] == bonus
        assert value["effect", "+-", gap] == 1.0 and value["effect", "--", gap] == 0.0


def test_a_motif_in_each_element() -> None:
    settings = MarginalSettings(elements=(1, 0))
    table = marginalize(WordModel(), backgrounds("pair"), [A, A], (), ("+-",), settings).table
    value = table.set_index("quantity")["estimate"]
    assert value.to_dict() == {"effect": 2.5, "first": 0.5, "second": 2.0, "interaction": 0.0}


def test_backgrounds_without_room_are_left_out_of_every_arrangement() -> None:
    short = [Shown(one.bases, ((10, 30),)) for one in backgrounds()[:4]]
    found = marginalize(WordModel(), [*backgrounds(), *short], [A, A], [0, 10], ("++",))
    assert (found.backgrounds, found.skipped) == (12, 4)
    assert (found.table["backgrounds"] == 12).all()
    with pytest.raises(InputError, match="0 of 4 backgrounds have an element with room for a and a"):
        marginalize(WordModel(), short, [A, A], [0, 10], ("++",))


@pytest.mark.parametrize(
    ("inserts", "spacings", "orientations", "elements", "message"),
    [
        ([], (), ("+",), (0,), "one motif or two can be inserted, not 0"),
        ([A, A, A], (), ("+++",), (0,), "one motif or two"),
        ([A], (), ("++",), (0,), r"orientation '\+\+': of 1 motifs it is \+ or -"),
        ([A, B], (5,), ("+",), (0,), r"orientation '\+': of 2 motifs it is \+\+, \+-"),
        ([A, B], (5,), ("+x",), (0,), "orientation"),
        ([A, B], (), ("++",), (0,), "a pair in one element needs a spacing or more"),
        ([A], (5,), ("+",), (0,), "a motif alone in its element has no spacing"),
        ([A, B], (5,), ("++",), (0, 1), "has no spacing"),
        ([A, B], (-1,), ("++",), (0,), "spacings must be 0 or more bases, got -1"),
        ([A], (), ("+",), (0, 1), "motifs in two elements need two motifs"),
    ],
)
def test_arguments_that_do_not_go_together(
    inserts: list[Insert], spacings: tuple[int, ...], orientations: tuple[str, ...], elements: tuple[int], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        marginalize(
            WordModel(), backgrounds("pair"), inserts, spacings, orientations, MarginalSettings(elements=elements)
        )


def test_motifs_are_bases_or_ids() -> None:
    assert insert_of("gattaca") == Insert("GATTACA", "GATTACA")
    ctcf = insert_of("MA0139.2")
    assert ctcf.name == "CTCF MA0139.2" and len(ctcf.bases) == len(motif("MA0139.2"))
    assert ctcf.on("-") == other_strand(ctcf.bases)
    with pytest.raises(InputError, match="no motif 'MA9999'"):
        insert_of("MA9999")
    with pytest.raises(InputError, match="neither bases"):
        insert_of("; DROP TABLE")


def test_random_backgrounds_have_the_composition_of_human_dna() -> None:
    found = random_backgrounds(2000, 20, 0)
    text = "".join(one.bases for one in found)
    assert [one.elements for one in found] == [((0, 2000),)] * 20
    assert (text.count("C") + text.count("G")) / len(text) == pytest.approx(0.41, abs=0.01)
    chance = text.count("C") / len(text) * text.count("G") / len(text)
    assert text.count("CG") / len(text) < 0.35 * chance
    assert random_backgrounds(50, 3, 1) == random_backgrounds(50, 3, 1) != random_backgrounds(50, 3, 2)
