"""Masking, crops and pre-training, against their stated probabilities and sequences that can be learned by heart;
losses without a network, against entropies in closed form and counts by hand.
"""

import itertools
import math
from collections import Counter
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import torch
from scipy.stats import binom, chisquare
from tiny_pretraining import CONFIG, SIZE, genome

from contactlens.base.errors import InputError
from contactlens.dna.data.tokens import BASES, MASK, PAD, N, encode
from contactlens.dna.training import pretrain as pretraining
from contactlens.dna.training.pretrain import (
    IGNORED,
    Masked,
    Pretrained,
    context_loss,
    draw_crops,
    either_strand,
    mask_bases,
    pretrain,
)
from contactlens.training.loop import Trainer


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def run(train: list[str], validation: list[str], seed: int = 0, folder: Path | None = None, **changes) -> Pretrained:
    trainer = replace(CONFIG.trainer, **{key: changes.pop(key) for key in list(changes) if key in ("batch_size",)})
    return pretrain(train, validation, SIZE, replace(CONFIG, trainer=trainer, **changes), seed, folder)


def same_weights(one: Pretrained, other: Pretrained) -> bool:
    state = other.model.state_dict()
    return all(torch.equal(value, state[name]) for name, value in one.model.state_dict().items())


def plausible(hits: int, tries: int, share: float) -> bool:
    """Within what a binomial gives in all but one of 100,000 cases."""
    return binom.cdf(hits, tries, share) > 5e-6 and binom.sf(hits - 1, tries, share) > 5e-6


def test_a_share_of_the_bases_is_chosen_and_80_10_10_of_them_masked_swapped_and_kept() -> None:
    ids = torch.randint(16, (200, 1000), generator=generator(1))
    found = mask_bases(ids, 0.15, generator())
    base = (ids >= BASES[0]) & (ids <= BASES[-1])
    chosen = found.target != IGNORED
    assert not (chosen & ~base).any()
    assert torch.equal(found.target[chosen], ids[chosen]) and torch.equal(found.ids[~chosen], ids[~chosen])
    n = int(chosen.sum())
    assert plausible(n, int(base.sum()), 0.15)
    given, shown = ids[chosen], found.ids[chosen]
    assert plausible(int((shown == MASK).sum()), n, 0.8)
    assert plausible(int((shown == given).sum()), n, 0.1 + 0.1 / 4)  # a quarter of the random bases are the right one
    swapped = shown[(shown != MASK) & (shown != given)]
    assert set(swapped.tolist()) == set(BASES)
    assert all(plausible(int((swapped == one).sum()), len(swapped), 0.25) for one in BASES)
    assert all(plausible(int((given == one).sum()), n, 0.25) for one in BASES)


def test_what_is_no_base_is_never_chosen_and_masks_follow_the_generator() -> None:
    ids = torch.tensor([[PAD, N, MASK, 6, 0] * 40])
    found = mask_bases(ids, 0.9, generator())
    assert torch.equal(found.ids, ids) and (found.target == IGNORED).all()
    bases = torch.randint(7, 11, (4, 100), generator=generator(2))
    first, again, other = (mask_bases(bases, 0.5, generator(seed)) for seed in (0, 0, 1))
    assert torch.equal(first.ids, again.ids) and not torch.equal(first.ids, other.ids)


def test_crops_lie_inside_of_records_and_every_place_is_equally_likely() -> None:
    """Tokens that tell record and position: records of 30, 4 (too short), 12 and 5 (one place) bases."""
    records = [np.arange(n, dtype=np.uint8) + 50 * k for k, n in enumerate((30, 4, 12, 5))]
    crops = draw_crops(records, 20_000, 5, generator())
    assert crops.shape == (20_000, 5) and crops.dtype == torch.int64
    assert (crops.diff(dim=1) == 1).all()
    places = [*range(26), *range(100, 108), 150]
    counts = Counter(crops[:, 0].tolist())
    assert set(counts) == set(places)
    assert chisquare([counts[place] for place in places]).pvalue > 1e-4


def test_records_that_are_all_too_short_are_an_error() -> None:
    short = [np.zeros(4, np.uint8), np.zeros(9, np.uint8)]
    with pytest.raises(InputError, match="crop_bp: no sequence has 10 bases, the longest has 9"):
        draw_crops(short, 3, 10, generator())
    with pytest.raises(InputError, match="the longest has 0"):
        draw_crops([], 3, 10, generator())
    with pytest.raises(InputError, match="crop_bp"):
        run(genome(0), ["ACGT"])
    assert draw_crops(short, 3, 9, generator()).shape == (3, 9)


@pytest.mark.slow
def test_a_repeat_is_learned_far_below_the_entropy_of_its_composition() -> None:
    repeat = "AACGTCAGGT" * 60
    entropy = -sum(p * math.log(p) for p in (0.3, 0.2, 0.3, 0.2))
    trainer = replace(CONFIG.trainer, batch_size=16, max_epochs=12, patience=12, learning_rate=2e-2)
    size = replace(SIZE, d_model=16)
    config = replace(CONFIG, crops_per_epoch=256, validation_crops=32, trainer=trainer)
    done = pretrain([repeat], [repeat], size, config, 0)
    first, last = done.training.history[0], done.training.history[-1]
    assert last["validation_loss"] < 0.25 * entropy and last["validation_loss"] < 0.5 * first["validation_loss"]
    assert last["validation_accuracy"] > 0.9
    assert last["validation_perplexity"] == pytest.approx(math.exp(last["validation_loss"]))


@pytest.mark.slow
def test_random_sequence_stays_at_the_entropy_of_its_composition() -> None:
    """Were the chosen bases scored that training shows, each right with probability 5/8, it would fall 0.06 below."""
    done = run(genome(0, 5000), genome(1, 5000), validation_crops=64, crops_per_epoch=1000)
    assert done.training.history[-1]["validation_loss"] == pytest.approx(math.log(4), abs=0.01)


def test_the_score_is_cross_entropy_over_the_chosen_bases_of_held_out_sequence() -> None:
    """On a record of one crop: its probabilities and masks by hand, with the masks that the seed gives."""
    record = genome(2, 64)
    done = run(genome(0), record, validation_crops=5)
    random = generator(0)
    ids = torch.from_numpy(encode(record[0]).astype(np.int64)).expand(5, -1)
    torch.randint(1, (5,), generator=random)  # which places: there is one
    masked = mask_bases(ids, 0.15, random)
    masked = Masked(torch.where(masked.target == IGNORED, masked.ids, MASK), masked.target)
    with torch.no_grad():
        p = done.model(masked.ids).softmax(-1)
    chosen = (masked.target != IGNORED).nonzero()
    losses = [-math.log(p[row, at, ids[row, at]]) for row, at in chosen.tolist()]
    best = done.training.history[done.training.best_epoch]
    assert best["validation_loss"] == pytest.approx(np.mean(losses), rel=1e-5)
    right = [int(p[row, at].argmax()) == int(ids[row, at]) for row, at in chosen.tolist()]
    assert best["validation_accuracy"] == pytest.approx(np.mean(right))


def test_validation_does_not_touch_the_random_numbers_of_training() -> None:
    few, many = (run(genome(0), genome(1), validation_crops=n) for n in (4, 20))
    elsewhere = run(genome(0), genome(5))
    losses = [[log["train_loss"] for log in done.training.history] for done in (few, many, elsewhere)]
    assert losses[0] == losses[1] == losses[2]


def test_same_seed_gives_the_same_weights_and_another_others() -> None:
    first, again, other = (run(genome(0), genome(1), seed) for seed in (1, 1, 2))
    assert same_weights(first, again) and first.training == again.training
    assert not same_weights(first, other)


def test_crops_without_any_base_do_no_harm() -> None:
    """As in the unknown stretches of real chromosomes, where a batch can have nothing to predict."""
    done = run(["N" * 3000 + genome(0, 100)[0]], genome(1), batch_size=1)
    assert all(torch.isfinite(value).all() for value in done.model.state_dict().values())
    assert all(math.isfinite(log["train_loss"]) for log in done.training.history)


class KilledError(Exception):
    pass


def test_a_killed_pre_training_resumes_to_the_same_weights(tmp_path: Path) -> None:
    def killed(_: dict[str, float]) -> None:
        raise KilledError

    whole = run(genome(0), genome(1))
    with pytest.raises(KilledError):
        pretrain(genome(0), genome(1), SIZE, CONFIG, 0, tmp_path, killed)
    logs: list[dict[str, float]] = []
    with patch.object(Trainer, "epoch", autospec=True, side_effect=Trainer.epoch) as epoch:
        again = pretrain(genome(0), genome(1), SIZE, CONFIG, 0, tmp_path, logs.append)
    assert epoch.call_count == 1 and logs == whole.training.history
    assert same_weights(again, whole) and again.training == whole.training


@pytest.mark.parametrize("part", ["train", "validation", "validation_crops", "mask_fraction", "function"])
def test_checkpoints_of_other_sequence_or_settings_are_ignored(part: str, tmp_path: Path) -> None:
    """Other sequence of the same length, too."""
    run(genome(0), genome(1), folder=tmp_path)
    train, validation = genome(3 if part == "train" else 0), genome(3 if part == "validation" else 1)
    size = replace(SIZE, fused_add_norm=False) if part == "function" else SIZE
    changes = {"validation_crops": {"validation_crops": 9}, "mask_fraction": {"mask_fraction": 0.2}}.get(part, {})
    with patch.object(Trainer, "epoch", autospec=True, side_effect=Trainer.epoch) as epoch:
        pretrain(train, validation, size, replace(CONFIG, **changes), 0, tmp_path)
    assert epoch.call_count == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [("crop_bp", 0), ("crops_per_epoch", 0), ("validation_crops", 0), ("mask_fraction", 0.0), ("mask_fraction", 1.0)],
)
def test_nonsense_settings_are_refused(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name} must"):
        replace(CONFIG, **{name: value})


def test_each_crop_is_turned_with_even_odds() -> None:
    crops = torch.from_numpy(np.tile(encode("ACCGN"), (2000, 1)).astype(np.int64))
    shown = Counter(map(tuple, either_strand(crops, generator()).tolist()))
    assert set(shown) == {tuple(encode("ACCGN").tolist()), tuple(encode("NCGGT").tolist())}
    assert plausible(shown[tuple(encode("NCGGT").tolist())], 2000, 0.5)


@pytest.mark.parametrize("rcps", [True, False])
def test_only_a_model_that_does_not_know_of_strands_is_shown_both(rcps: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: set[int] = set()

    def record(ids: torch.Tensor, fraction: float, random: torch.Generator) -> object:
        seen.update(ids.unique().tolist())
        return mask_bases(ids, fraction, random)

    monkeypatch.setattr("contactlens.dna.training.pretrain.mask_bases", record)
    pretrain(["AC" * 200], ["AC" * 100], replace(SIZE, rcps=rcps), CONFIG, 0)
    assert seen == set(encode("AC" if rcps else "ACGT").tolist())


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
    monkeypatch.setattr(pretraining, "CHUNK", 7)
    assert context_loss(train, validation, flank) == pytest.approx(expected, rel=1e-12)


def test_what_was_never_seen_is_worth_ln_4() -> None:
    """One pseudocount a base: a context without counts gives all bases a quarter."""
    for flank, unknown in itertools.product((1, 2), ("", "N" * 50, "A")):
        assert context_loss([unknown], ["ACGTTGCAAC"], flank) == pytest.approx(math.log(4))
