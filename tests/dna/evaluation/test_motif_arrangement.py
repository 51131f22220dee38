"""The scan that is told strands and places: sites where they were put, either way of reading, and a rule of strands."""

from functools import cache

import numpy as np
import pytest
from planted_windows import (
    ENHANCER,
    LENGTH,
    PENALTIES,
    PROMOTER,
    pairs,
    random_bases,
    reverse_complement,
    split,
    turned,
)
from sklearn.metrics import roc_auc_score

from contactlens.dna.data.motif_database import motif
from contactlens.dna.data.window_set import WindowSet
from contactlens.dna.evaluation.baselines import motif_arrangement, motif_scan
from contactlens.dna.evaluation.baselines.composition import labels
from contactlens.dna.evaluation.baselines.motif_arrangement import ArrangedScan, best_sites
from contactlens.dna.evaluation.baselines.motif_scan import MotifScan
from contactlens.dna.evaluation.config import MotifScanConfig
from contactlens.dna.simulation.grammar import draw_instances

CONFIG = MotifScanConfig((2, 4), 0.8, 0.1, 60, 8, 10, 10, PENALTIES)
CTCF, SPI1 = "MA0139", "MA0080"


@pytest.fixture(autouse=True)
def few_motifs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two planted factors and four others stand in for the whole database."""
    database = tuple(map(motif, (CTCF, SPI1, "MA0106", "MA0003", "MA0488", "MA0099")))
    for module in (motif_scan, motif_arrangement):
        monkeypatch.setattr(module, "jaspar_core", lambda: database)
    motif_scan._scanned.cache_clear()
    yield
    motif_scan._scanned.cache_clear()


def consensus(name: str) -> str:
    return "".join("ACGT"[i] for i in motif(name).scores.argmax(axis=1))


def with_site(bases: str, at: int, site: str) -> str:
    return bases[:at] + site + bases[at + len(site) :]


def test_the_best_site_is_found_on_its_strand_and_at_its_place() -> None:
    site = consensus(CTCF)
    length, width = 101, len(site)
    plain = "AT" * 50 + "A"
    sequences = [with_site(plain, 10, site), with_site(plain, 60, reverse_complement(site))]
    found = best_sites(sequences * 2, [motif(CTCF)], np.array([1.0, 1.0, -1.0, -1.0]))
    best = motif(CTCF).scores.max(axis=1).sum()
    along = found.along[:, 0] > found.against[:, 0]
    assert along.tolist() == [True, False, False, True]
    np.testing.assert_allclose(np.maximum(found.along, found.against), best, atol=0.05)
    places = [(2 * (at + (width - 1) / 2) - length + 1) / (length - 1) for at in (10, 60)]
    np.testing.assert_allclose(found.place[:, 0], [*places, *(-place for place in places)], rtol=1e-6)


@cache
def facing() -> tuple[WindowSet, WindowSet, WindowSet]:
    """CTCF in every enhancer and SPI1 in every promoter; positive where they point at each other."""
    rng = np.random.default_rng(4)
    label, turn = rng.integers(0, 2, (2, 700))
    sequences = []
    for y, other in zip(label, turn, strict=True):
        bases = random_bases(rng, LENGTH)
        for name, (start, end), ahead in ((CTCF, ENHANCER, other), (SPI1, PROMOTER, 1 - other if y else other)):
            codes = draw_instances(motif(name), 1, 0.0, rng)[0]
            site = "".join("ACGT"[code] for code in codes)
            at = int(rng.integers(start, end - len(site) + 1))
            bases = with_site(bases, at, site if ahead else reverse_complement(site))
        sequences.append(bases)
    return split(pairs(sequences, label), (450, 550))


def test_a_rule_of_strands_is_learned_which_scores_alone_cannot_tell() -> None:
    train, validation, test = facing()
    y = labels(test)
    assert roc_auc_score(y, ArrangedScan.fit(train, validation, CONFIG, 0).predict(test)) > 0.9
    assert roc_auc_score(y, MotifScan.fit(train, validation, CONFIG, 0).predict(test)) == pytest.approx(0.5, abs=0.15)


def test_a_window_and_its_reverse_complement_get_the_same_probability() -> None:
    train, validation, test = facing()
    fitted = ArrangedScan.fit(train, validation, CONFIG, 0)
    assert fitted.predict(turned(test)).tobytes() == fitted.predict(test).tobytes()
