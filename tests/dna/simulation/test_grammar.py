"""Combinations, places and instances: against enumeration and the motif's own distribution."""

import itertools
from collections import Counter

import numpy as np
import pytest

from contactlens.dna.data.motif_database import Motif, motif
from contactlens.dna.simulation.grammar import (
    Span,
    deal_combinations,
    draw_elements,
    draw_instances,
    factor_sets,
    place_alone,
    place_cluster,
    reverse_complement,
    score_instances,
)


@pytest.mark.parametrize("n_pairs", [1, 2, 3, 4])
def test_sets_are_all_subsets_but_the_empty_one(n_pairs: int) -> None:
    found = factor_sets(n_pairs)
    wanted = {frozenset(i for i in range(n_pairs) if number >> i & 1) for number in range(1, 2**n_pairs)}
    assert len(found) == len(wanted) and {frozenset(one) for one in found} == wanted
    assert [len(one) for one in found] == sorted(len(one) for one in found)
    assert all(list(one) == sorted(set(one)) for one in found)


@pytest.mark.parametrize(
    ("n_pairs", "positive", "negative"), [(2, 30, 30), (2, 30, 33), (2, 6, 60), (3, 42, 42), (3, 21, 28), (4, 30, 45)]
)
def test_labels_tell_whether_sets_match_and_nothing_of_either(n_pairs: int, positive: int, negative: int) -> None:
    rng, n_sets = np.random.default_rng(0), len(factor_sets(n_pairs))
    labels = rng.permutation(np.repeat([1, 0], [positive, negative]))
    dealt = deal_combinations(labels, n_sets, rng)
    assert ((dealt[:, 0] == dealt[:, 1]) == labels).all()
    carried = np.array([[i in one for i in range(n_pairs)] for one in factor_sets(n_pairs)])
    for label, element in itertools.product((0, 1), (0, 1)):
        sets = dealt[labels == label, element]
        assert len(set(np.bincount(sets, minlength=n_sets))) == 1
        assert len(set(carried[sets].sum(axis=0))) == 1


def test_all_combinations_that_do_not_match_are_dealt_alike() -> None:
    dealt = deal_combinations(np.zeros(7 * 6 * 5, dtype=np.int64), 7, np.random.default_rng(9))
    assert Counter(map(tuple, dealt.tolist())) == dict.fromkeys(itertools.permutations(range(7), 2), 5)


@pytest.mark.parametrize("n_sets", [3, 7])
def test_rounds_that_are_not_full_favour_no_set(n_sets: int) -> None:
    rng, n = np.random.default_rng(1), 3000
    dealt = np.concatenate([deal_combinations(np.array([0, 1]), n_sets, rng) for _ in range(n)]).reshape(n, 2, 2)
    for label, element in itertools.product((0, 1), (0, 1)):
        counts = np.bincount(dealt[:, label, element], minlength=n_sets)
        assert np.abs(counts - n / n_sets).max() < 4 * np.sqrt(n / n_sets)


def test_elements_are_as_far_apart_as_asked_on_either_side_anywhere() -> None:
    rng = np.random.default_rng(2)
    seen = Counter()
    for _ in range(4000):
        enhancer, promoter = draw_elements(40, (10, 6), 15, rng)
        assert (enhancer.end - enhancer.start, promoter.end - promoter.start) == (10, 6)
        assert abs(sum(enhancer) - sum(promoter)) / 2 == 15
        assert min(enhancer.start, promoter.start) >= 0 and max(enhancer.end, promoter.end) <= 40
        seen[enhancer.start < promoter.start, min(enhancer.start, promoter.start)] += 1
    # 15 + 8 bases between the outer ends leave 18 places on either side, all alike: SD of a count is 10.4.
    assert len(seen) == 2 * 18 and max(abs(count - 4000 / 36) for count in seen.values()) < 4 * 10.4


@pytest.mark.parametrize("widths", [(4,), (2, 2), (2, 4), (4, 2), (1, 3, 2)])
def test_every_arrangement_of_a_cluster_is_equally_likely(widths: tuple[int, ...]) -> None:
    element, gap = Span(5, 18), 3
    allowed = [
        starts
        for starts in itertools.product(range(element.start, element.end), repeat=len(widths))
        if starts[-1] + widths[-1] <= element.end
        and all(starts[i] + widths[i] + gap <= starts[i + 1] for i in range(len(widths) - 1))
    ]
    rng = np.random.default_rng(3)
    seen = Counter(tuple(place_cluster(element, widths, gap, rng).tolist()) for _ in range(200 * len(allowed)))
    assert sorted(seen) == allowed and len(allowed) > 1
    assert max(abs(count - 200) for count in seen.values()) < 4 * np.sqrt(200)


def test_a_cluster_without_bases_to_spare_has_one_arrangement() -> None:
    assert place_cluster(Span(5, 17), [1, 3, 2], 3, np.random.default_rng(0)).tolist() == [5, 9, 15]


def test_a_single_site_goes_wherever_it_keeps_its_distance() -> None:
    taken, width, gap = [Span(8, 11), Span(20, 24)], 3, 2
    free = [
        start
        for start in range(30 - width + 1)
        if all(start + width + gap <= begin or start >= end + gap for begin, end in taken)
    ]
    rng = np.random.default_rng(4)
    assert sorted({place_alone(taken, 30, width, gap, rng) for _ in range(500)}) == free
    assert place_alone([Span(0, 10)], 12, 3, 2, rng) is None


def test_instances_follow_the_matrix() -> None:
    ctcf = motif("MA0139.2")
    codes = draw_instances(ctcf, 40_000, 0.0, np.random.default_rng(5))
    frequency = (codes[:, :, None] == np.arange(4)).mean(axis=0)
    assert codes.shape == (40_000, 15) and np.abs(frequency - ctcf.probabilities).max() < 0.012
    assert score_instances(ctcf, codes).mean() == pytest.approx(ctcf.information_bits, abs=0.06)


def test_weak_instances_are_left_out() -> None:
    ctcf = motif("MA0139.2")
    free = score_instances(ctcf, draw_instances(ctcf, 40_000, 0.0, np.random.default_rng(6)))
    strong = score_instances(ctcf, draw_instances(ctcf, 5_000, 0.25, np.random.default_rng(7)))
    assert strong.min() >= np.quantile(free, 0.25) - 0.3
    assert np.quantile(strong, 0.5) == pytest.approx(np.quantile(free, 0.625), abs=0.1)
    # What is dropped must not follow the order in which instances are dealt to windows.
    assert abs(np.corrcoef(np.arange(5_000), strong)[0, 1]) < 0.05


def test_scores_are_log_odds_over_a_quarter() -> None:
    toy = Motif("toy", "toy", np.array([[99.75, 0, 0, 0.0], [0, 50, 50, 0]]))
    scores = score_instances(toy, np.array([[0, 1], [0, 2], [3, 1]], dtype=np.uint8))
    expected = np.log2(4 * toy.probabilities)
    assert scores[0] == scores[1] == pytest.approx(expected[0, 0] + expected[1, 1]) and scores[2] < 0


def test_reverse_complement() -> None:
    assert reverse_complement(np.array([[0, 0, 1, 2]], dtype=np.uint8)).tolist() == [[1, 2, 3, 3]]
