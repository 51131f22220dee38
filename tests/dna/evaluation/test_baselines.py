"""Each baseline learns what it can see and nothing else; truths are planted or counted by brute force."""

from collections import Counter
from dataclasses import replace
from functools import cache
from unittest.mock import patch

import numpy as np
import pytest
import torch
from planted_windows import (
    ENHANCER,
    LENGTH,
    PENALTIES,
    PROMOTER,
    pairs,
    parts_of,
    planted,
    random_bases,
    regions,
    reverse_complement,
    split,
    turned,
)
from scipy.special import expit
from sklearn.metrics import roc_auc_score

from contactlens.base.errors import InputError
from contactlens.dna.data.batch import StoredWindows, stored
from contactlens.dna.data.genome import Genome
from contactlens.dna.data.window_set import WindowSet
from contactlens.dna.evaluation.baselines import applicable_baselines, fit_baselines
from contactlens.dna.evaluation.baselines.cnn import Cnn, CnnBaseline
from contactlens.dna.evaluation.baselines.composition import GcContent, composition, element_sequences, labels
from contactlens.dna.evaluation.baselines.distance import DistanceLogistic
from contactlens.dna.evaluation.baselines.kmer import KmerLogistic, kmer_counts
from contactlens.dna.evaluation.baselines.propensity import ElementPropensity
from contactlens.dna.evaluation.config import (
    BaselineConfig,
    CnnConfig,
    CompositionConfig,
    DistanceConfig,
    KmerConfig,
    MotifScanConfig,
    PropensityConfig,
)

DISTANCE, PROPENSITY = DistanceConfig(5, PENALTIES), PropensityConfig(2.0, 5, PENALTIES)
ADDITIVE = KmerConfig((5, 6), 0, PENALTIES)
PRODUCTS = replace(ADDITIVE, interaction_components=8)
CNN = CnnConfig(
    filters=24,
    kernel_size=11,
    hidden=24,
    dropout=0.1,
    learning_rate=0.005,
    weight_decay=0.001,
    batch_size=32,
    max_epochs=20,
    patience=6,
    starts=1,
    device="cpu",
)
SCAN = MotifScanConfig((4,), 0.8, 0.1, 50, 8, 10, 5, PENALTIES)
A, B, C, D = "TGACGTCATC", "CCAAGGTTAG", "GATAAGGCAC", "ACCGGAAGTA"


@cache
def matching(sites: int = 1) -> tuple[WindowSet, WindowSet, WindowSet]:
    """Positive where enhancer A meets promoter C or B meets D: no motif alone says anything. Sites in each element."""
    rng = np.random.default_rng(1)
    first, second = rng.integers(0, 2, (2, 1000))

    def window(i: int, j: int) -> str:
        enhancer = dict.fromkeys(parts_of(ENHANCER, sites), (A, B)[i])
        return planted(rng, enhancer | dict.fromkeys(parts_of(PROMOTER, sites), (C, D)[j]))

    return split(pairs([window(*both) for both in zip(first, second, strict=True)], first == second), (600, 750))


@cache
def separable() -> tuple[WindowSet, WindowSet, WindowSet]:
    """Positive where the enhancer holds A."""
    rng = np.random.default_rng(2)
    label = rng.integers(0, 2, 600)
    sequences = [planted(rng, {ENHANCER: A} if y else {}) for y in label]
    return split(pairs(sequences, label), (300, 400))


def auroc(model, windows: WindowSet) -> float:
    probability = model.predict(windows)
    assert probability.shape == (len(windows.windows),)
    assert ((probability >= 0) & (probability <= 1)).all()
    return float(roc_auc_score(labels(windows), probability))


def test_kmer_counts_equal_a_count_by_hand():
    rng = np.random.default_rng(0)
    sequences = [random_bases(rng, 40), "ACGTNNacgtRACGTTT".upper(), "AC", "", "N" * 20]
    for k in (1, 3, 4):
        counts = kmer_counts(sequences, k).toarray()
        known = sorted({min(w, reverse_complement(w)) for w in _all_words(k)})
        assert counts.shape == (len(sequences), len(known))
        for row, bases in zip(counts, sequences, strict=True):
            words = [bases[i : i + k] for i in range(len(bases) - k + 1)]
            expected = Counter(min(w, reverse_complement(w)) for w in words if set(w) <= set("ACGT"))
            assert row.tolist() == [expected[word] for word in known]


def _all_words(k: int) -> list[str]:
    return [""] if k == 0 else [base + word for base in "ACGT" for word in _all_words(k - 1)]


def test_composition_by_hand():
    gc, cpg = composition("ACGCGTNN")
    assert gc == pytest.approx(4 / 6)
    assert cpg == pytest.approx(2 * 6 / (2 * 2))  # two CpG; C * G / length expected
    assert composition("NNNN") == (0, 0)


def test_kmers_and_cnn_learn_a_motif_of_one_class():
    train, validation, test = separable()
    assert auroc(KmerLogistic.fit(train, validation, ADDITIVE, 0), test) > 0.97
    assert auroc(CnnBaseline.fit(train, validation, CNN, 0), test) > 0.97


@pytest.mark.slow
def test_a_match_is_learned_by_products_and_by_the_cnn_and_by_nothing_that_adds():
    train, validation, test = matching()
    for weak in (
        KmerLogistic.fit(train, validation, ADDITIVE, 0),
        ElementPropensity.fit(train, validation, PROPENSITY, 0),
        DistanceLogistic.fit(train, validation, DISTANCE, 0),
    ):
        assert auroc(weak, test) == pytest.approx(0.5, abs=0.12)
    assert auroc(KmerLogistic.fit(train, validation, PRODUCTS, 0), test) > 0.97
    train, validation, test = matching(sites=2)
    assert auroc(CnnBaseline.fit(train, validation, CNN, 0), test) > 0.95


@pytest.mark.parametrize("model", ["products", "propensity", "distance", "cnn"])
def test_a_window_and_its_reverse_complement_get_the_same_probability(model: str):
    train, validation, test = matching()
    fitted = {
        "products": lambda: KmerLogistic.fit(train, validation, PRODUCTS, 0),
        "propensity": lambda: ElementPropensity.fit(train, validation, PROPENSITY, 0),
        "distance": lambda: DistanceLogistic.fit(train, validation, DISTANCE, 0),
        "cnn": lambda: CnnBaseline.fit(train, validation, replace(CNN, max_epochs=1), 0),
    }[model]()
    np.testing.assert_allclose(fitted.predict(turned(test)), fitted.predict(test), atol=1e-6)


def test_cnn_weights_follow_the_seed_and_leave_the_callers_generator_alone():
    train, validation, test = separable()
    short = replace(CNN, max_epochs=2)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    one, two, other = (CnnBaseline.fit(train, validation, short, seed).predict(test) for seed in (0, 0, 1))
    assert torch.equal(torch.rand(3), expected)
    assert one.tobytes() == two.tobytes() != other.tobytes()


def test_cnn_maxima_are_of_each_element_alone():
    """Bases far from an element don't change its maxima, and the maximum over the window is never the smaller."""
    torch.manual_seed(0)
    model = Cnn(2, CNN).eval()
    seen: list[torch.Tensor] = []
    model.norms[2].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    ids = torch.randint(7, 11, (6, 400))
    regions = torch.zeros(6, 2, 400, dtype=torch.bool)
    regions[:, 0, 50:90] = regions[:, 1, 300:340] = True
    other = ids.clone()
    other[:, 150:250] = torch.randint(7, 11, (6, 100))
    other[:, 310] = 17 - other[:, 310]  # A <-> T, C <-> G inside the promoter
    with torch.no_grad():
        model(ids, regions), model(other, regions)
    before, after = (pooled.reshape(6, 3, CNN.filters) for pooled in seen)
    assert torch.equal(before[:, 1], after[:, 1])
    assert not torch.equal(before[:, 2], after[:, 2]) and not torch.equal(before[:, 0], after[:, 0])
    assert (before[:, :1] >= before[:, 1:]).all()


def test_distance_recovers_the_curve_that_made_the_labels():
    rng = np.random.default_rng(3)
    n = 3000
    width = rng.integers(4, 60, n)
    enhancers = np.stack([ENHANCER[1] - width, np.full(n, ENHANCER[1])], axis=1)
    windows = pairs(["A" * LENGTH] * n, np.zeros(n), enhancers)
    truth = expit(3 * np.sin(windows.distances() / 8))
    windows.windows["label"] = (rng.random(n) < truth).astype(np.int64)
    train, validation, test = split(windows, (2000, 2500))
    fitted = DistanceLogistic.fit(train, validation, DistanceConfig(8, PENALTIES), 0)
    assert np.mean(np.abs(fitted.predict(test) - truth[2500:])) < 0.06


def test_distance_that_never_varies_gives_the_prevalence():
    train, validation, test = separable()
    probability = DistanceLogistic.fit(train, validation, DISTANCE, 0).predict(test)
    np.testing.assert_allclose(probability, labels(train).mean(), atol=1e-3)


def elements_of_habit(shared: bool) -> tuple[WindowSet, WindowSet, WindowSet]:
    """Twelve promoters, each positive in nearly all or in nearly none of its windows."""
    rng = np.random.default_rng(4)
    promoters = [random_bases(rng, PROMOTER[1] - PROMOTER[0]) for _ in range(24)]
    who = rng.integers(0, 12, 600)
    label = rng.random(600) < np.where(who % 2, 0.95, 0.05)
    who[400:] += 0 if shared else 12
    sequences = [random_bases(rng, PROMOTER[0]) + promoters[i] + random_bases(rng, LENGTH - PROMOTER[1]) for i in who]
    return split(pairs(sequences, label), (300, 400))


def test_propensity_wins_where_elements_recur_and_fails_where_they_do_not():
    train, validation, test = elements_of_habit(shared=True)
    assert auroc(ElementPropensity.fit(train, validation, PROPENSITY, 0), test) > 0.9
    train, validation, test = elements_of_habit(shared=False)
    assert auroc(ElementPropensity.fit(train, validation, PROPENSITY, 0), test) < 0.7


def test_propensity_does_not_see_a_training_windows_own_label():
    """Elements that occur once each say nothing: a model that saw its own label would be sure of it."""
    rng = np.random.default_rng(5)
    windows = pairs([random_bases(rng, LENGTH) for _ in range(400)], rng.integers(0, 2, 400))
    train, validation, _ = split(windows, (250, 399))
    fitted = ElementPropensity.fit(train, validation, PROPENSITY, 0)
    assert auroc(fitted, train) < 0.75
    assert fitted.predict(train).std() < 0.15


def test_gc_content_learns_composition_and_no_motif():
    rng = np.random.default_rng(6)
    label = rng.integers(0, 2, 500)
    rich, poor = (0.2, 0.3, 0.3, 0.2), (0.3, 0.2, 0.2, 0.3)
    sequences = [random_bases(rng, LENGTH, rich if y else poor) for y in label]
    train, validation, test = split(regions(pairs(sequences, label)), (200, 300))
    assert auroc(GcContent.fit(train, validation, CompositionConfig(PENALTIES), 0), test) > 0.95
    balanced = "ACGTTGCATCAG"
    sequences = [planted(rng, {(0, LENGTH): balanced} if y else {}) for y in label]
    train, validation, test = split(regions(pairs(sequences, label)), (200, 300))
    assert auroc(GcContent.fit(train, validation, CompositionConfig(PENALTIES), 0), test) < 0.65
    assert auroc(KmerLogistic.fit(train, validation, PRODUCTS, 0), test) > 0.95


def test_every_baseline_of_a_task_by_name():
    config = BaselineConfig(
        DISTANCE,
        PROPENSITY,
        CompositionConfig(PENALTIES),
        replace(ADDITIVE, lengths=(3,)),
        SCAN,
        replace(CNN, max_epochs=1),
    )
    train, validation, test = separable()
    fitted = fit_baselines(train, validation, config, 0)
    assert list(fitted) == [
        "distance",
        "element_propensity",
        "kmer_logistic",
        "motif_scan",
        "motif_arrangement",
        "cnn",
    ]
    of_regions = fit_baselines(regions(train), regions(validation), config, 0)
    assert list(of_regions) == ["gc_content", "kmer_logistic", "best_motif", "motif_scan", "cnn"]
    with_products = replace(config, kmer=replace(config.kmer, interaction_components=2))
    assert list(fit_baselines(regions(train), regions(validation), with_products, 0)) == list(of_regions)
    of_pairs = fit_baselines(train, validation, with_products, 0)
    named = [f"{name}_recalibrated" for name in (*of_regions, *of_pairs, "unknown")]
    fitted_to = {"region": (of_regions, config), "pair": (of_pairs, with_products)}
    for task, (names, settings) in fitted_to.items():
        fair = applicable_baselines(task, named, settings)
        assert set(fair) == {f"{name}_recalibrated" for name in (*names, "unknown")}
    assert "kmer_products" not in applicable_baselines("pair", [*of_pairs], config)
    assert list(of_pairs) == [*list(fitted)[:3], "kmer_products", *list(fitted)[3:]]
    assert of_pairs["kmer_logistic"].predict(test).tobytes() == fitted["kmer_logistic"].predict(test).tobytes()
    assert all(np.isfinite(model.predict(regions(test))).all() for model in of_regions.values())


def test_a_split_of_one_class_is_named():
    config = BaselineConfig(DISTANCE, PROPENSITY, CompositionConfig(PENALTIES), ADDITIVE, SCAN, CNN)
    train, validation, _ = separable()
    negatives = validation.windows.query("label == 0")["window_id"].tolist()
    with pytest.raises(InputError, match="toy: the validation split has windows of one label only"):
        fit_baselines(train, validation.select(negatives), config, 0)


def test_unknown_bases_are_no_obstacle():
    train, validation, test = separable()
    sequences = [bases[:30] + "N" * 20 + bases[50:] for bases in test.sequences()]
    masked = replace(test, genome=Genome.of(dict(zip(test.windows["record"], sequences, strict=True))))
    for model in (
        KmerLogistic.fit(train, validation, ADDITIVE, 0),
        CnnBaseline.fit(train, validation, replace(CNN, max_epochs=1), 0),
        ElementPropensity.fit(train, validation, PROPENSITY, 0),
    ):
        assert np.isfinite(model.predict(masked)).all()


@pytest.mark.parametrize(
    ("config", "change"),
    [
        (DISTANCE, {"knots": 1}),
        (DISTANCE, {"inverse_penalties": ()}),
        (PROPENSITY, {"folds": 1}),
        (PROPENSITY, {"smoothing": 0.0}),
        (CompositionConfig(PENALTIES), {"inverse_penalties": (0.0,)}),
        (ADDITIVE, {"lengths": (11,)}),
        (ADDITIVE, {"interaction_components": -1}),
        (CNN, {"filters": 0}),
        (CNN, {"dropout": 1.0}),
        (CNN, {"learning_rate": 0.0}),
        (SCAN, {"motifs": ()}),
        (SCAN, {"max_leaves": 1}),
        (SCAN, {"max_correlation": 1.1}),
    ],
)
def test_impossible_settings_are_refused(config, change: dict):
    with pytest.raises(ValueError, match="must"):
        replace(config, **change)


def test_of_pairs_elements_alone_are_held_and_the_cnn_reads_a_batch_at_a_time() -> None:
    """Both against the whole windows' bases; what is read at once is what is held."""
    train, validation, test = (part.select(part.windows["window_id"][:70].tolist()) for part in separable())
    read, whole = [], test.sequences()
    fetch = Genome.fetch
    with patch.object(Genome, "fetch", autospec=True, side_effect=lambda *of: read.append(of) or fetch(*of)):
        found = element_sequences(test)
    rows = test.windows
    for element, name in (("enhancer", "enh"), ("promoter", "prom")):
        bounds = zip(rows[f"{name}_rel_start"], rows[f"{name}_rel_end"], strict=True)
        assert found[element] == [bases[start:end] for bases, (start, end) in zip(whole, bounds, strict=True)]
    assert len(read) == 140 and sum(end - start for *_, start, end in read) == sum(
        len(bases) for element in found.values() for bases in element
    )
    sizes, of_rows = [], StoredWindows.read
    with patch.object(
        StoredWindows, "read", autospec=True, side_effect=lambda w, r: sizes.append(len(r)) or of_rows(w, r)
    ):
        fitted = CnnBaseline.fit(train, validation, replace(CNN, max_epochs=2), 0)
        probability = fitted.predict(test)
    # Epochs of 70 // 32 batches each, then 32, 32 and 6 windows of the validation; the test windows in the end.
    assert sizes == 2 * [35, 35, 32, 32, 6] + [32, 32, 6]
    batch = stored(test).read(range(70))
    with torch.no_grad():
        both = [fitted.model(one.ids, one.regions).double() for one in (batch, batch.reverse_complement())]
    np.testing.assert_allclose(probability, expit(((both[0] + both[1]) / 2).numpy()), rtol=0, atol=1e-6)
