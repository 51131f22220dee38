"""Metrics of explanations that are perfect, random, or wrong in a known way."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import average_precision_score, roc_auc_score
from torch import nn

from contactlens.dna.data.batch import WindowBatch
from contactlens.dna.data.genome import Genome
from contactlens.dna.data.tokens import BASES, PAD
from contactlens.dna.data.window_set import WindowSet
from contactlens.dna.explanation.base_faithfulness import (
    Bootstrap,
    Planted,
    curve_rows,
    element_groups,
    error_row,
    mutation_rows,
    overlap_rows,
    permuted_within,
)
from contactlens.dna.explanation.config import ExplainConfig
from contactlens.dna.explanation.methods.lrp import one_hot_tokens

N, L = 12, 60
APART = np.arange(N)  # no two windows share an element
CONFIG = ExplainConfig(
    splits=("test",),
    methods=("lrp",),
    stored=("best",),
    min_probability=0.9,
    min_windows=1,
    max_windows=50,
    ig_steps=4,
    reference_shuffles=2,
    max_completeness_error=0.25,
    faithfulness_windows=10,
    mutagenesis_windows=2,
    curve_fractions=(0.0, 0.1, 0.3, 1.0),
    replacement_draws=3,
    mutations_per_window=30,
    bootstrap_replicates=200,
    interval_level=0.9,
    rows_per_pass=64,
    precision="float32",
    workers=1,
    gpus_per_worker=1.0,
)


class Linear(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        weight = torch.randn(L, 16, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        self.weight = nn.Parameter(weight)

    def forward(self, ids, regions):
        return (one_hot_tokens(self, ids) * self.weight).sum((1, 2))


@pytest.fixture
def batch() -> WindowBatch:
    ids = torch.randint(7, 11, (N, L), generator=torch.Generator().manual_seed(4))
    ids[0, 3:5] = PAD
    regions = torch.zeros(N, 2, L, dtype=torch.bool)
    regions[:, 0, 5:25], regions[:, 1, 40:55] = True, True
    return WindowBatch(ids, regions, torch.ones(N), [f"w{i}" for i in range(N)])


def planted() -> Planted:
    meaning, decoy = np.zeros((N, L), dtype=bool), np.zeros((N, L), dtype=bool)
    meaning[:, 8:16], decoy[: N // 2, 45:50] = True, True
    return Planted(meaning, decoy)


def one(rows, **where) -> dict:
    found = pd.DataFrame(rows)
    for name, value in where.items():
        found = found[found[name] == value]
    assert len(found) == 1
    return found.iloc[0].to_dict()


def test_overlap_is_the_mean_of_the_scores_within_windows(batch):
    truth = planted()
    rng = np.random.default_rng(0)
    values = rng.normal(size=(N, L)) + 2 * truth.meaning
    rows = overlap_rows(batch, {"m": values}, truth, APART, CONFIG, seed=0)
    free = (batch.ids != PAD).numpy() & ~truth.meaning & ~truth.decoy
    for name, score in (("auroc", roc_auc_score), ("auprc", average_precision_score)):
        inside = batch.regions.any(1).numpy()
        of_kind = {"planted": (truth.meaning & inside, free & inside), "decoy": (truth.decoy, free)}
        for kind, (site, others) in of_kind.items():
            expected = [
                score(site[i][site[i] | others[i]], np.abs(values[i])[site[i] | others[i]])
                for i in range(N)
                if site[i].any()
            ]
            found = one(rows, method="m", metric=f"{kind}_{name}", control=False)
            assert found["estimate"] == pytest.approx(np.mean(expected))
            assert found["low"] <= found["estimate"] <= found["high"] and found["n_windows"] == len(expected)


def test_perfect_overlap_and_its_controls(batch):
    truth = planted()
    rows = overlap_rows(batch, {"m": np.where(truth.meaning, -1.0, 1e-3)}, truth, APART, CONFIG, seed=1)
    assert one(rows, method="m", metric="planted_auroc", control=False)["estimate"] == 1
    assert one(rows, method="m", metric="planted_auprc", control=False)["estimate"] == 1
    assert abs(one(rows, method="random", metric="planted_auroc")["estimate"] - 0.5) < 0.1
    # Permuted inside the enhancer it knows the element, and nothing more, which inside the elements is little.
    permuted = one(rows, method="m", metric="planted_auroc", control=True)["estimate"]
    assert 0.4 < permuted < 0.95
    assert one(rows, method="m", metric="decoy_auroc", control=False)["estimate"] == 0.5


def test_permutation_stays_within_elements(batch):
    group = element_groups(batch)
    assert set(group[0, 3:5]) == {-1} and set(group[1, 5:25]) == {1} and set(group[1, 40:55]) == {2}
    values = np.random.default_rng(0).normal(size=(N, L))
    permuted = permuted_within(values, group, np.random.default_rng(1))
    assert not np.array_equal(values, permuted)
    for inside in (slice(5, 25), slice(40, 55)):
        np.testing.assert_array_equal(np.sort(values[:, inside]), np.sort(permuted[:, inside]))


def test_contributions_of_a_linear_model_are_faithful_by_every_metric(batch):
    model = Linear()
    best = model.weight[:, list(BASES)].argmax(-1) + BASES[0]  # most bases speak for the score, as in a positive
    batch.ids[:, ::2] = best[::2]
    weight = model.weight.detach().numpy()[:, list(BASES)]
    hypothetical = np.broadcast_to(weight, (N, L, 4))
    one_hot = (batch.ids.numpy()[..., None] == np.array(BASES)).astype(float)
    centred = ((hypothetical - hypothetical.mean(-1, keepdims=True)) * one_hot).sum(-1)
    rows = mutation_rows(model, batch, {"m": hypothetical, "wrong": -hypothetical}, APART, CONFIG, seed=0)
    assert one(rows, method="m", control=False)["estimate"] == pytest.approx(1)
    assert one(rows, method="wrong", control=False)["estimate"] == pytest.approx(-1)
    assert abs(one(rows, method="m", control=True)["estimate"]) < 0.25
    assert abs(one(rows, method="random")["estimate"]) < 0.25
    curves, metrics = curve_rows(model, batch, {"m": centred, "wrong": -centred}, APART, CONFIG, seed=0)
    deletion, insertion = (one(metrics, method="m", metric=f"{name}_gain") for name in ("deletion", "insertion"))
    assert deletion["low"] > 0 and insertion["low"] > 0
    assert one(metrics, method="wrong", metric="deletion_gain")["high"] < 0
    ends = (
        one(curves, method="m", control=False, curve="deletion", fraction=0.0),
        one(curves, method="m", control=False, curve="deletion", fraction=1.0),
    )
    assert [round(end["score"], 9) for end in ends] == [1, 0]
    assert {row["method"] for row in metrics if row["control"]} == {"random", "m", "wrong"}


class Match(Linear):
    """Score = -(a - b)^2, where a and b count G in either region."""

    def forward(self, ids, regions):
        a, b = ((ids == BASES[2])[:, None] & regions).sum(-1).double().unbind(1)
        return -((a - b) ** 2)


def test_bases_that_make_a_match_are_found_by_curves_of_one_region_at_a_time(batch):
    batch.ids[:] = torch.randint(7, 9, (N, L), generator=torch.Generator().manual_seed(0))  # A and C ...
    for start in (8, 42):
        batch.ids[:, start : start + 9] = BASES[2]  # ... and nine G in either region
    matching = {"m": (batch.ids == BASES[2]).double().numpy()}
    _, metrics = curve_rows(Match(), batch, matching, APART, CONFIG, seed=0)
    assert one(metrics, method="m", metric="deletion_gain")["low"] > 0
    assert one(metrics, method="m", metric="insertion_gain")["low"] > 0


def test_same_seed_same_numbers(batch):
    values = {"m": np.random.default_rng(0).normal(size=(N, L))}
    first = pd.DataFrame(curve_rows(Linear(), batch, values, APART, CONFIG, seed=5)[0])
    pd.testing.assert_frame_equal(first, pd.DataFrame(curve_rows(Linear(), batch, values, APART, CONFIG, seed=5)[0]))


def test_windows_that_share_elements_are_drawn_together():
    """Four copies of each window say no more than one of each, and far less than as many that share nothing."""
    missed, of = np.random.default_rng(0).exponential(size=(2, N))
    once = error_row("m", "error", missed, of, Bootstrap.of(np.arange(N) + 7, CONFIG, 0))
    copied = np.tile(missed, 4), np.tile(of, 4)
    together = error_row("m", "error", *copied, Bootstrap.of(np.tile(np.arange(N), 4), CONFIG, 0))
    apart = error_row("m", "error", *copied, Bootstrap.of(np.arange(4 * N), CONFIG, 0))
    assert [together[key] for key in ("estimate", "low", "high")] == pytest.approx(
        [once[key] for key in ("estimate", "low", "high")]
    )
    assert together["high"] - together["low"] > 1.5 * (apart["high"] - apart["low"])
    assert (once["n_windows"], together["n_windows"]) == (N, 4 * N)


def test_errors_are_shares():
    bootstrap = Bootstrap.of(np.arange(3), CONFIG, 0)
    row = error_row("m", "error", np.array([1.0, -1.0, 0.0]), np.array([2.0, -4.0, 4.0]), bootstrap)
    assert row["estimate"] == pytest.approx(0.2)


def test_planted_bases_of_both_kinds():
    columns = ["window_id", "motif_id", "name", "start", "end", "strand", "element"]
    table = pd.DataFrame(
        [
            ("a", "M1", "X", 2, 5, "+", "enhancer"),
            ("a", "M2", "D", 4, 8, "-", "background"),
            ("b", "M1", "X", 0, 3, "+", "region"),
            ("c", "M1", "X", 0, 3, "+", "promoter"),
        ],
        columns=columns,
    )
    windows = pd.DataFrame({"window_id": list("abc"), "win_start": [0, 10, 20], "win_end": [10, 20, 30]})
    known = WindowSet("region", windows, Genome.of({}), "test", {}, table)
    found = Planted.of(known, ["b", "a"])
    assert found is not None
    np.testing.assert_array_equal(np.flatnonzero(found.meaning[1]), [2, 3, 4])
    np.testing.assert_array_equal(np.flatnonzero(found.decoy[1]), [5, 6, 7])
    np.testing.assert_array_equal(np.flatnonzero(found.meaning[0]), [0, 1, 2])
    assert Planted.of(WindowSet("region", windows, Genome.of({}), "test", {}, None), ["a"]) is None
