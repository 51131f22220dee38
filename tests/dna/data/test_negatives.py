"""Matched negatives lie at the distances of the positives."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contactlens.dna.data.negatives import DistanceMatching, distance_matched
from reference_files import both

ONE = DistanceMatching(ratio=1, bins=20, same_chromosome=False, keep_unmatched=False, seed=0)


def table(seed: int, positives: int = 400, negatives: int = 4000) -> pd.DataFrame:
    """Positives mostly near, negatives mostly far."""
    rng = np.random.default_rng(seed)
    distance = np.concatenate([rng.lognormal(10, 0.8, positives), rng.lognormal(11.2, 0.9, negatives)])
    label = np.repeat([1, 0], [positives, negatives])
    chrom = rng.choice(["chr1", "chr2", "chr3"], positives + negatives)
    return pd.DataFrame({"distance": distance, "label": label, "chrom": chrom}).sample(frac=1, random_state=seed)


@pytest.mark.parametrize("same_chromosome", [False, True])
@pytest.mark.parametrize("ratio", [1, 3])
def test_each_bin_holds_the_ratio_exactly(ratio: int, same_chromosome: bool) -> None:
    windows = table(1)
    matched = distance_matched(windows, DistanceMatching(ratio, 12, same_chromosome, False, 5))
    log = np.log(windows["distance"])
    positive = windows["label"] == 1
    edges = np.linspace(log[positive].min(), log[positive].max(), 13)
    stratum = pd.Series(np.digitize(log, edges[1:-1]), index=windows.index).astype(str)
    if same_chromosome:
        stratum += windows["chrom"]
    chosen, strata = windows.iloc[matched.rows], stratum.iloc[matched.rows]
    counts = pd.crosstab(strata, chosen["label"])
    assert (counts[0] == ratio * counts[1]).all()
    # By hand: what the bins offer.
    inside = (log >= edges[0]) & (log <= edges[-1])
    offered = pd.crosstab(stratum[inside], windows.loc[inside, "label"])
    possible = np.minimum(offered[1], offered[0] // ratio)
    assert len(chosen) == possible.sum() * (1 + ratio)
    assert matched.short == (offered[1] - possible).sum()
    assert matched.unmatched == np.maximum(offered[1] - offered[0], 0).sum()
    assert np.unique(matched.rows).size == matched.rows.size


def test_distance_no_longer_separates_the_classes() -> None:
    matched = distance_matched(table(2), ONE)
    assert matched.ks_before > 0.4
    assert matched.ks_after < 0.06
    assert f"{matched.ks_before:.3f} before" in str(matched)


def test_positives_without_negatives_can_be_kept() -> None:
    windows = pd.DataFrame({"distance": [10.0, 11, 1000, 1010], "label": [1, 0, 1, 1]})
    config = DistanceMatching(2, 3, False, True, 0)
    kept = distance_matched(windows, config)
    assert kept.rows.tolist() == [0, 1, 2, 3]
    assert (kept.unmatched, kept.short) == (2, 3)
    dropped = distance_matched(windows, DistanceMatching(1, 3, False, False, 0))
    assert dropped.rows.tolist() == [0, 1]


@given(st.lists(st.tuples(st.floats(0, 1e6), st.integers(0, 1)), max_size=30), st.integers(1, 3), st.integers(1, 9))
def test_any_table_gives_distinct_rows_and_the_same_again(rows: list[tuple[float, int]], ratio: int, bins: int) -> None:
    windows = pd.DataFrame(rows, columns=["distance", "label"])
    config = DistanceMatching(ratio, bins, False, False, 3)
    matched = distance_matched(windows, config)
    chosen = windows.iloc[matched.rows]["label"]
    assert (chosen == 0).sum() == ratio * (chosen == 1).sum()
    assert np.unique(matched.rows).size == matched.rows.size
    assert matched.short >= matched.unmatched >= 0
    assert (windows["label"] == 1).sum() == (chosen == 1).sum() + matched.short
    np.testing.assert_array_equal(distance_matched(windows, config).rows, matched.rows)


@pytest.mark.parametrize(("field", "value"), [("ratio", 0), ("bins", 0)])
def test_nonsense_is_refused(field: str, value: int) -> None:
    values = {"ratio": 1, "bins": 1, "same_chromosome": False, "keep_unmatched": False, "seed": 0}
    with pytest.raises(ValueError, match=rf"{field} must"):
        DistanceMatching(**(values | {field: value}))


@pytest.mark.parametrize("path", both("data/bengi_rnapii.tsv.gz"))
def test_real_pairs_are_matched_on_distance(path: Path) -> None:
    bengi = pd.read_csv(path, sep="\t", header=None)
    centres = (bengi[3] + bengi[4]) / 2 - (bengi[7] + bengi[8]) / 2
    windows = pd.DataFrame({"distance": centres.abs(), "label": bengi[0], "chrom": bengi[2]})
    matched = distance_matched(windows, DistanceMatching(1, 50, True, False, 0))
    assert matched.ks_before > 0.5
    assert matched.ks_after < (0.02 if len(bengi) > 90_000 else 0.03)
    chosen = windows.iloc[matched.rows]
    near, far = (chosen.loc[chosen["label"] == label, "distance"].median() for label in (1, 0))
    assert abs(near / far - 1) < 0.05
