"""Losses without a network, against entropies in closed form and counts by hand."""

import itertools
import math
from collections import Counter

import numpy as np
import pytest

from contactlens.dna.training import context_baseline
from contactlens.dna.training.context_baseline import context_loss


def independent(n: int, seed: int, share: tuple[float, ...] = (0.25, 0.25, 0.25, 0.25)) -> str:
    return "".join(np.random.default_rng(seed).choice(list("ACGT"), n, p=share))


def test_uniform_bases_are_worth_ln_4() -> None:
    for flank in (0, 1, 2):
        loss = context_loss([independent(200_000, 0)], [independent(200_000, 1)], flank)
        assert loss == pytest.approx(math.log(4), abs=2e-3)


def test_composition_alone_is_worth_its_entropy() -> None:
    share = (0.4, 0.1, 0.2, 0.3)
    entropy = -sum(p * math.log(p) for p in share)
    loss = context_loss([independent(100_000, 0, share)], [independent(100_000, 1, share)], 0)
    assert loss == pytest.approx(entropy, abs=5e-3)


def test_a_repeat_is_worth_nothing_once_the_context_tells_its_phase() -> None:
    repeat = "AACGT" * 4000
    assert context_loss([repeat], [repeat], 0) == pytest.approx(1.332, abs=1e-3)  # two fifths A, a fifth each other
    assert context_loss([repeat], [repeat], 2) < 1e-3


def test_neighbours_of_a_markov_chain_are_worth_the_conditional_entropy() -> None:
    """H(X_t | X_t-1, X_t+1) = sum over l, x, r of pi_l P_lx P_xr ln of (sum over y of P_ly P_yr) / (P_lx P_xr)."""
    rng = np.random.default_rng(0)
    step = rng.dirichlet(np.ones(4), 4)
    values, vectors = np.linalg.eig(step.T)
    start = np.real(vectors[:, np.argmax(np.real(values))])
    triple = (start / start.sum())[:, None, None] * step[:, :, None] * step[None]
    entropy = (triple * np.log(triple.sum(axis=1, keepdims=True) / triple)).sum()

    def chain(n: int) -> str:
        states = [0]
        for draw in rng.random(n):
            states.append(int(np.searchsorted(step[states[-1]].cumsum()[:3], draw)))
        return "".join("ACGT"[state] for state in states)

    assert context_loss([chain(100_000)], [chain(100_000)], 1) == pytest.approx(entropy, abs=1e-2)


@pytest.mark.parametrize("flank", [0, 1, 2, 3])
def test_counts_are_those_of_a_dictionary(flank: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unknown bases, short records and lower case included, whole or in pieces of seven bases."""
    rng = np.random.default_rng(3)
    train, validation = (["".join(rng.choice(list("ACGTacgtNR"), n)) for n in (0, 1, 3, 200, 7, 14)] for _ in range(2))

    def places(records: list[str]) -> Counter[tuple[str, str]]:
        found: Counter[tuple[str, str]] = Counter()
        for record in map(str.upper, records):
            for at in range(flank, len(record) - flank):
                word = record[at - flank : at + flank + 1]
                if set(word) <= set("ACGT"):
                    found[word[:flank] + word[flank + 1 :], word[flank]] += 1
        return found

    known, seen = places(train), places(validation)
    total = 0.0
    for (context, base), n in seen.items():
        of_context = sum(known[context, other] for other in "ACGT")
        total -= n * math.log((known[context, base] + 1) / (of_context + 4))
    expected = total / sum(seen.values())
    assert context_loss(train, validation, flank) == pytest.approx(expected, rel=1e-12)
    monkeypatch.setattr(context_baseline, "CHUNK", 7)
    assert context_loss(train, validation, flank) == pytest.approx(expected, rel=1e-12)


def test_what_was_never_seen_is_worth_ln_4() -> None:
    """One pseudocount a base: a context without counts gives all bases a quarter."""
    for flank, unknown in itertools.product((1, 2), ("", "N" * 50, "A")):
        assert context_loss([unknown], ["ACGTTGCAAC"], flank) == pytest.approx(math.log(4))
