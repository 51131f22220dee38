"""Changes of bases against brute force, one change at a time."""

import numpy as np
import torch
from torch import nn

from contactlens.dna.data.tokens import BASES, PAD
from contactlens.dna.explanation.methods.lrp import one_hot_tokens
from contactlens.dna.explanation.methods.mutagenesis import Replacement, mutation_effects, sample_mutations, scores

L = 20


class Pairs(nn.Module):
    """Score = number of equal neighbours inside region 0, plus 0.1 for every A anywhere: not linear in the bases."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1, dtype=torch.float64))
        self.calls = 0

    def forward_one_hot(self, x, regions):
        x = x[..., list(BASES)]
        inside = regions[:, 0, :-1] & regions[:, 0, 1:]
        return ((x[:, :-1] * x[:, 1:]).sum(-1) * inside).sum(1) + 0.1 * x[..., 0].sum(1)

    def forward(self, ids, regions):
        self.calls = max(self.calls, len(ids))
        return self.forward_one_hot(one_hot_tokens(self, ids), regions)


def windows():
    ids = torch.randint(7, 11, (3, L), generator=torch.Generator().manual_seed(5))
    ids[1, 4] = PAD
    regions = torch.zeros(3, 1, L, dtype=torch.bool)
    regions[:, :, 2:12] = True
    return ids, regions


def test_effects_are_those_of_one_change_at_a_time():
    model = Pairs()
    ids, regions = windows()
    spans = regions[:, 0].clone()
    spans[2] = False
    found = mutation_effects(model, ids, regions, spans, rows_per_pass=7)
    assert model.calls == 7
    for window in range(3):
        for position in range(L):
            for column, base in enumerate(BASES):
                mutant = ids[window : window + 1].clone()
                if spans[window, position] and ids[window, position] != PAD:
                    mutant[0, position] = base
                one = regions[window : window + 1]
                expected = model(mutant, one) - model(ids[window : window + 1], one)
                assert abs(float(found[window, position, column] - expected)) < 1e-12
    assert mutation_effects(model, ids, regions, torch.zeros_like(spans), 4).abs().max() == 0


def test_sampled_mutations_lie_in_the_regions_and_are_all_different():
    model = Pairs()
    ids, regions = windows()
    found = sample_mutations(model, ids, regions, per_window=27, seed=1, rows_per_pass=8)
    full = mutation_effects(model, ids, regions, regions[:, 0], rows_per_pass=8).numpy()
    for window in range(3):
        drawn = set(zip(found.position[window].tolist(), found.after[window].tolist(), strict=True))
        assert len(drawn) == 27 and all(2 <= position < 12 for position, _ in drawn)
        assert not (found.position[1] == 4).any()
    np.testing.assert_allclose(found.predicted(full), found.effect, atol=1e-12)
    assert (found.before != found.after).all()
    again = sample_mutations(model, ids, regions, per_window=27, seed=1, rows_per_pass=3)
    np.testing.assert_array_equal(found.position, again.position)


def test_more_mutations_than_there_are_repeat_some():
    ids, regions = windows()
    found = sample_mutations(Pairs(), ids, regions[:, :, :].logical_and(torch.arange(L) < 4), 20, 0, 64)
    assert found.effect.shape == (3, 20)
    nowhere = sample_mutations(Pairs(), ids, torch.zeros_like(regions), 20, 0, 64)
    assert nowhere.effect.shape == (3, 20)


def test_replacement_changes_every_base_and_nothing_else():
    ids, regions = windows()
    replacement = Replacement.of(
        Pairs(), ids, regions, torch.ones_like(ids, dtype=torch.bool), draws=50, seed=3, rows_per_pass=32
    )
    known = ids != PAD
    assert (replacement.other != ids)[:, known].all() and ((replacement.other >= 7) & (replacement.other <= 10))[
        :, known
    ].all()
    np.testing.assert_allclose(replacement.intact, scores(Pairs(), ids, regions, 8))
    np.testing.assert_allclose(replacement.kept_scores(torch.ones_like(known)[None]), replacement.intact)
    counts = torch.stack([(replacement.other[:, 0, 0] == base).float().mean() for base in BASES if base != ids[0, 0]])
    assert ((counts - 1 / 3).abs() < 0.25).all()


def test_curves_replace_the_most_important_first():
    """The A's count 0.1 each and are ranked first: without them only equal neighbours are left."""

    class CountsA(Pairs):
        def forward_one_hot(self, x, regions):
            return x[..., BASES[0]].sum(1)

    ids, regions = windows()
    ids[:] = torch.tensor([7, 8] * 10)  # ten A's
    ids[1, 4] = PAD
    replacement = Replacement.of(
        CountsA(), ids, regions, torch.ones_like(ids, dtype=torch.bool), draws=200, seed=3, rows_per_pass=512
    )
    importance = np.where(ids == 7, 1.0, 0.0)
    curves = replacement.curves(importance, (0.0, 0.25, 0.5, 1.0))
    np.testing.assert_allclose(curves["deletion"][0], [10, 5, 0, replacement.replaced[0]], atol=1e-9)
    np.testing.assert_allclose(curves["insertion"][0, [0, 3]], [replacement.replaced[0], 10])
    # Kept: 5 or all 10 A's, beside a third of the ten C's that became A.
    np.testing.assert_allclose(curves["insertion"][0, 1:3], [5 + 10 / 3, 10 + 10 / 3], rtol=0.1)
    last = replacement.curves(-importance, (0.0, 0.5, 1.0))
    assert last["deletion"][0, 1] > 10 and last["insertion"][0, 1] < 1


def test_replacement_stays_inside_its_span():
    ids, regions = windows()
    replacement = Replacement.of(Pairs(), ids, regions, regions[:, 0], draws=4, seed=3, rows_per_pass=32)
    changed = [
        scores(Pairs(), torch.where(regions[:, 0] & (ids != PAD), one, ids), regions, 8) for one in replacement.other
    ]
    np.testing.assert_allclose(replacement.replaced, torch.stack(changed).mean(0))
    assert replacement.known.equal(regions[:, 0] & (ids != PAD))
