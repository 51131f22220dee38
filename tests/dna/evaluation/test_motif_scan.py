"""The motif scan: scores against sums by hand, motifs planted from the database, rules that need both elements."""

from functools import cache

import numpy as np
import pytest
from planted_windows import (
    ENHANCER,
    LENGTH,
    PENALTIES,
    PROMOTER,
    pairs,
    planted,
    random_bases,
    regions,
    reverse_complement,
    split,
    turned,
)
from sklearn.metrics import roc_auc_score

from contactlens.dna.data.motif_database import Motif, motif
from contactlens.dna.data.window_set import WindowSet
from contactlens.dna.evaluation.baselines import motif_scan as scan
from contactlens.dna.evaluation.baselines.composition import labels
from contactlens.dna.evaluation.baselines.kmer import KmerLogistic
from contactlens.dna.evaluation.baselines.motif_scan import BestMotif, MotifScan
from contactlens.dna.evaluation.config import KmerConfig, MotifScanConfig
from contactlens.dna.simulation.grammar import draw_instances

CONFIG = MotifScanConfig((3, 6), 0.8, 0.1, 60, 8, 10, 10, PENALTIES)
# Of four families; ids of JASPAR.
FACTORS = {"CTCF": "MA0139.2", "SPI1": "MA0080.7", "GATA1": "MA0035.5", "HNF4A": "MA0114.5"}


@pytest.fixture(autouse=True)
def few_motifs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The four factors and six others stand in for the whole database."""
    others = ("MA0106.3", "MA0003.5", "MA0488.1", "MA0099.4", "MA0506.3", "MA0052.5")
    database = tuple(motif(name.split(".")[0]) for name in (*FACTORS.values(), *others))
    monkeypatch.setattr(scan, "jaspar_core", lambda: database)
    scan._scanned.cache_clear()
    yield
    scan._scanned.cache_clear()


def instance(name: str, rng: np.random.Generator) -> str:
    codes = draw_instances(motif(FACTORS[name].split(".")[0]), 1, 0.0, rng)[0]
    return "".join("ACGT"[code] for code in codes)


@cache
def peaks() -> tuple[WindowSet, WindowSet, WindowSet]:
    """Regions that hold CTCF where they are positive, and GATA1 in half of all."""
    rng = np.random.default_rng(0)
    label = rng.integers(0, 2, 500)
    sequences = []
    for y in label:
        sites = {(0, 70): instance("CTCF", rng)} if y else {}
        sites |= {(80, LENGTH): instance("GATA1", rng)} if rng.random() < 0.5 else {}
        sequences.append(planted(rng, sites))
    return split(regions(pairs(sequences, label)), (300, 400))


@cache
def matches() -> tuple[WindowSet, WindowSet, WindowSet]:
    """Positive where an enhancer of CTCF meets a promoter of SPI1, or one of GATA1 meets HNF4A."""
    rng = np.random.default_rng(1)
    first, second = rng.integers(0, 2, (2, 900))
    sequences = [
        planted(rng, {ENHANCER: instance(("CTCF", "GATA1")[i], rng), PROMOTER: instance(("SPI1", "HNF4A")[j], rng)})
        for i, j in zip(first, second, strict=True)
    ]
    return split(pairs(sequences, first == second), (600, 700))


def auroc(model: MotifScan | BestMotif | KmerLogistic, windows: WindowSet) -> float:
    return float(roc_auc_score(labels(windows), model.predict(windows)))


def by_hand(bases: str, one: Motif) -> float:
    """The best sum of log-odds over places and strands, a base at a time."""
    column = {base: i for i, base in enumerate("ACGT")}
    return max(
        sum(one.scores[i][column[base]] for i, base in enumerate(strand[at : at + len(one)]) if base in column)
        for strand in (bases, reverse_complement(bases))
        for at in range(max(1, len(bases) - len(one) + 1))
    )


def test_best_scores_are_the_sums_of_log_odds() -> None:
    rng = np.random.default_rng(2)
    motifs = [motif("MA0139"), motif("MA0080"), motif("MA0035"), motif("MA0106")]
    sequences = [random_bases(rng, n) for n in (20, 33, 150, 31)] + ["ACGTNNNNACGGATAAGNNACGTTGCA", "N" * 30]
    found = scan.best_scores(sequences, motifs)
    expected = [[by_hand(bases, one) for one in motifs] for bases in sequences]
    np.testing.assert_allclose(found, expected, atol=40 / (2 * scan.STEPS_PER_BIT))
    assert (found[-1] == 0).all()
    assert scan.best_scores([], motifs).shape == (0, 4)
    assert np.isfinite(scan.best_scores(["ACG"], motifs)).all()  # shorter than any of them


def test_aurocs_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(3)
    above, below = rng.integers(0, 5, (40, 3)), rng.integers(0, 4, (30, 3))
    y = np.repeat([1, 0], [40, 30])
    expected = [roc_auc_score(y, np.concatenate([above[:, m], below[:, m]])) for m in range(3)]
    np.testing.assert_allclose(scan.aurocs(above, below), expected, rtol=1e-12)


def test_the_motif_of_the_positives_is_the_best_one_and_is_nearly_enough() -> None:
    train, validation, test = peaks()
    best = BestMotif.fit(train, validation, CONFIG, 0)
    assert best.motif.name == "CTCF"
    assert auroc(best, test) > 0.93
    assert auroc(MotifScan.fit(train, validation, CONFIG, 0), test) > 0.93


def test_a_match_of_two_elements_is_learned_from_the_products() -> None:
    train, validation, test = matches()
    fitted = MotifScan.fit(train, validation, CONFIG, 0)
    names = list(FACTORS)  # the database's first four
    chosen = [{names[column] for column in columns if column < 4} for columns in fitted.features.columns]
    assert {"CTCF", "GATA1"} <= chosen[0] and {"SPI1", "HNF4A"} <= chosen[1]
    assert auroc(fitted, test) > 0.9
    additive = KmerLogistic.fit(train, validation, KmerConfig((5,), 0, PENALTIES), 0)
    assert auroc(additive, test) == pytest.approx(0.5, abs=0.12)


def test_a_window_and_its_reverse_complement_get_the_same_probability() -> None:
    train, validation, test = matches()
    fitted = MotifScan.fit(train, validation, CONFIG, 0)
    assert fitted.predict(turned(test)).tobytes() == fitted.predict(test).tobytes()


def test_motifs_are_chosen_on_training_windows_alone() -> None:
    """Labels of the test windows, turned round, change nothing: only `train` and `validation` are given."""
    train, validation, test = peaks()
    one = MotifScan.fit(train, validation, CONFIG, 0)
    scan._scanned.cache_clear()
    two = MotifScan.fit(train, validation, CONFIG, 0)
    assert one.predict(test).tobytes() == two.predict(test).tobytes()
    (enriched,) = scan.enrichment(train, 0)
    y = labels(train) > 0.5
    own = scan.element_scans(train)[0]
    expected = np.array([roc_auc_score(y, column) for column in own.T])
    np.testing.assert_allclose(enriched, np.maximum(expected, 1 - expected), rtol=1e-12)


def test_relatives_of_a_chosen_motif_are_passed_over() -> None:
    rng = np.random.default_rng(4)
    base = rng.standard_normal((200, 2))
    scores = np.column_stack([base[:, 0], base[:, 0] + 0.05 * rng.standard_normal(200), base[:, 1]])
    enriched = np.array([0.9, 0.8, 0.6])
    assert scan.chosen_motifs(scores, enriched, 3, 0.8).tolist() == [0, 2]
    assert scan.chosen_motifs(scores, enriched, 3, 1.0).tolist() == [0, 1, 2]
    assert scan.chosen_motifs(scores, enriched, 1, 0.8).tolist() == [0]
