"""Tomtom's q-values and alignments against independent computations."""

import numpy as np
import pandas as pd
import pytest
from drawn_matches import drawn_matches

from contactlens.dna.data.motif_database import jaspar_core
from contactlens.dna.motifs.tomtom import all_matches, called_matches, called_names, top_matches

TARGETS = jaspar_core()[::12]


QUERIES = {f"q{n}": np.random.default_rng(n).dirichlet(np.full(4, 0.3), size=8) for n in range(3)}


@pytest.fixture(params=["drawn", pytest.param("tomtom", marks=pytest.mark.slow)])
def _matched(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "drawn":
        monkeypatch.setattr("memelite.tomtom", drawn_matches)


@pytest.mark.usefixtures("_matched")
def test_q_is_the_smallest_false_discovery_rate_that_admits_a_match() -> None:
    for _, rows in all_matches(QUERIES, TARGETS).groupby("pattern"):
        p = rows["p"].to_numpy()
        rates = np.minimum([len(p) * limit / (p <= limit).sum() for limit in p], 1)
        expected = [rates[p >= limit].min() for limit in p]
        np.testing.assert_allclose(rows["q"], expected)


def test_a_row_holds_what_was_found_of_its_target(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("memelite.tomtom", drawn_matches)
    motifs = [[motif.T for motif in one] for one in (QUERIES.values(), [target.probabilities for target in TARGETS])]
    p, _, offset, overlap, strand = drawn_matches(*motifs)
    found = all_matches(QUERIES, TARGETS)
    assert found["pattern"].drop_duplicates().tolist() == list(QUERIES)
    for n, (_, rows) in enumerate(found.groupby("pattern")):
        assert rows["p"].is_monotonic_increasing and rows["rank"].tolist() == list(range(1, len(TARGETS) + 1))
        rows = rows.set_index("matrix_id").loc[[target.matrix_id for target in TARGETS]]
        assert rows["name"].tolist() == [target.name for target in TARGETS]
        for name, values in (("p", p), ("offset", offset), ("overlap", overlap)):
            assert rows[name].tolist() == values[n].tolist()
        assert (rows["strand"] == "-").tolist() == (strand[n] == 1).tolist()


def test_no_query_gives_no_match_and_no_base_is_an_error() -> None:
    assert all_matches({}, TARGETS).empty
    with pytest.raises(ValueError, match="one base or more"):
        all_matches({"a": np.empty((0, 4))}, TARGETS)


def complete_score(query: np.ndarray, target: np.ndarray, offset: int, medians: np.ndarray) -> float:
    """Tomtom's score of an alignment: columns compared by Euclidean distance, minus what a median column gives."""
    score = 0.0
    for n, column in enumerate(query):
        if 0 <= n + offset < len(target):
            score += medians[n] - np.linalg.norm(column - target[n + offset])
    return score


@pytest.mark.slow
def test_offset_strand_and_overlap_against_brute_force() -> None:
    rng = np.random.default_rng(1)
    queries = {f"random{n}": rng.dirichlet(np.full(4, 0.3), size=int(rng.integers(6, 16))) for n in range(6)}
    targets = [target.probabilities for target in TARGETS]
    matches = all_matches(queries, TARGETS)
    by_id = {target.matrix_id: target.probabilities for target in TARGETS}
    columns = np.concatenate([*targets, *(target[::-1, ::-1] for target in targets)])
    exact = []
    for pattern, rows in matches.groupby("pattern"):
        query = queries[pattern]
        distances = np.linalg.norm(query[:, None] - columns[None], axis=-1)
        medians = np.median(distances, axis=1)
        # memelite counts in 100 bins a column, and takes target columns as one that agree to 1 %
        step = (np.ptp(medians[:, None] - distances) / 100 + 0.02) * len(query)
        for row in rows.itertuples():
            turned = {"+": by_id[row.matrix_id], "-": by_id[row.matrix_id][::-1, ::-1]}
            best = max(
                complete_score(query, target, offset, medians)
                for target in turned.values()
                for offset in range(1 - len(query), len(target))
            )
            target = turned[row.strand]
            found = complete_score(query, target, row.offset, medians)
            assert found > best - step
            exact.append(np.isclose(found, best))
            assert row.overlap == sum(0 <= n + row.offset < len(target) for n in range(len(query)))
    assert np.mean(exact) > 0.9


@pytest.mark.slow
def test_a_piece_of_a_motif_is_found_where_it_was_cut() -> None:
    source = next(target for target in jaspar_core() if target.matrix_id == "MA0139.2")
    length = len(source.probabilities)
    piece = source.probabilities[3:13]
    queries = {
        "piece": piece,
        "reverse": piece[::-1, ::-1],
        "flanked": np.concatenate([np.full((4, 4), 0.25), source.probabilities]),
        "float32": piece.astype(np.float32),
    }
    best = top_matches(all_matches(queries, jaspar_core()), 1).set_index("pattern")
    assert (best["matrix_id"] == "MA0139.2").all() and (best["q"] < 1e-3).all()
    assert best.loc["piece", ["strand", "offset", "overlap"]].tolist() == ["+", 3, 10]
    assert best.loc["reverse", ["strand", "offset"]].tolist() == ["-", length - 13]
    assert best.loc["flanked", ["strand", "offset", "overlap"]].tolist() == ["+", -4, length]
    assert called_names(best.reset_index(), None, 0.05)["piece"] == "piece:CTCF"
    assert called_names(best.reset_index(), None, 1e-300) == {}


def test_a_match_counts_only_where_no_shuffled_copy_of_the_pattern_matches_as_well() -> None:
    """Two patterns of the same q: a copy of one matches as well, those of the other match nothing."""
    matches = pd.DataFrame(
        {"pattern": ["pos_0", "pos_1", "pos_2"], "rank": 1, "name": ["CTCF", "ZNF354A", "SPI1"], "q": [1e-4, 1e-4, 0.2]}
    )
    control = pd.DataFrame({"pattern": ["pos_0~0", "pos_0~1", "pos_1~0", "pos_1~1"], "q": [0.3, 2e-4, 0.9, 1e-4]})
    assert called_names(matches, control, 0.05) == {"pos_0": "pos_0:CTCF"}
    assert set(called_names(matches, None, 0.05)) == {"pos_0", "pos_1"}
    assert called_matches(matches, control.iloc[:0], 0.5)["pattern"].tolist() == ["pos_0", "pos_1", "pos_2"]
