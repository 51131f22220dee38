"""Grammar `partners`: what is planted is there, and nothing but the combination of sets of factors tells the label."""

from dataclasses import asdict, replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from contactlens.base.errors import InputError
from contactlens.dna.data.motif_database import motif
from contactlens.dna.data.window_set import WindowSet
from contactlens.dna.simulation.config import SimulationConfig
from contactlens.dna.simulation.grammar import draw_instances, reverse_complement, score_instances
from contactlens.dna.simulation.simulate import simulate_windows

CONFIG = SimulationConfig(n_windows=2400, n_unlabelled=600, sites_per_factor=(1, 2), unlabelled_sites_per_factor=(2, 2))
CODES = np.zeros(256, dtype=np.uint8)
CODES[[67, 71, 84]] = [1, 2, 3]
P_LEAST = 1e-3  # of a test whose hypothesis holds; the seed is fixed


@cache
def simulated() -> WindowSet:
    return simulate_windows(CONFIG, 11)


@cache
def bases() -> np.ndarray:
    """(N, L), 0 to 3 for A, C, G, T."""
    text = "".join(simulated().sequences()).encode()
    return CODES[np.frombuffer(text, dtype=np.uint8)].reshape(-1, CONFIG.window_bp)


def labels() -> np.ndarray:
    return simulated().windows["label"].to_numpy()


def elements(name: str) -> np.ndarray:
    """(N, length): the bases of enhancers ("enh") or promoters ("prom")."""
    start = simulated().windows[f"{name}_rel_start"].to_numpy()
    length = {"enh": CONFIG.enhancer_bp, "prom": CONFIG.promoter_bp}[name]
    return np.take_along_axis(bases(), start[:, None] + np.arange(length), axis=1)


def carried(element: str, made: WindowSet | None = None, config: SimulationConfig = CONFIG) -> np.ndarray:
    """(N, pairs): which of its factors each window's element carries, in the order of `pairs`; always one or more."""
    made = made or simulated()
    planted = made.planted[made.planted["element"] == element]
    found = pd.crosstab(planted["window_id"], planted["motif_id"]).reindex(made.windows["window_id"], fill_value=0)
    ids = [pair[("enhancer", "promoter").index(element)] for pair in config.pairs]
    assert set(found) == set(ids) and (found.sum(axis=1) > 0).all()
    return found[ids].to_numpy() > 0


def sets(element: str, made: WindowSet | None = None, config: SimulationConfig = CONFIG) -> np.ndarray:
    """(N,): the set of factors of each window's element as a binary number."""
    return carried(element, made, config) @ (1 << np.arange(len(config.pairs)))


def kmers(codes: np.ndarray, k: int = 5) -> np.ndarray:
    """(N, 4**k) counts on both strands."""
    place = 4 ** np.arange(k)
    both = [np.lib.stride_tricks.sliding_window_view(one, k, axis=1) @ place for one in (codes, 3 - codes[:, ::-1])]
    offset = np.arange(len(codes))[:, None] * 4**k
    flat = (np.concatenate(both, axis=1) + offset).ravel()
    return np.bincount(flat, minlength=len(codes) * 4**k).reshape(len(codes), 4**k)


def auroc(features: np.ndarray, truth: np.ndarray, kept: np.ndarray | bool = True) -> float:
    """Of a logistic model, fitted on the kept windows of the first chromosomes and evaluated on those of the others."""
    chromosome = simulated().windows["chrom"].str.removeprefix("sim").astype(int).to_numpy()
    fitted, evaluated = (chromosome <= 5) & kept, (chromosome > 5) & kept
    features = (features - features[fitted].mean(axis=0)) / (features[fitted].std(axis=0) + 1e-9)
    model = LogisticRegression(C=1e-3, max_iter=200).fit(features[fitted], truth[fitted])
    return float(roc_auc_score(truth[evaluated], model.decision_function(features[evaluated])))


def test_labels_and_windows_are_spread_evenly() -> None:
    windows = simulated().windows
    by_chromosome = windows.groupby("chrom")["label"].agg(["size", "sum"])
    assert len(by_chromosome) == 10 and set(by_chromosome["size"]) == {240} and set(by_chromosome["sum"]) == {120}
    assert windows["window_id"].is_unique and (windows["win_end"] - windows["win_start"] == 512).all()
    assert set(simulated().genome.lengths.values()) == {300 * 512}
    assert not windows.duplicated(["chrom", "win_start"]).any()


def test_the_truth_determines_the_label() -> None:
    matching = (carried("enhancer") == carried("promoter")).all(axis=1)
    assert (matching == labels()).all()


def test_all_combinations_of_sets_are_there_alike() -> None:
    table = pd.crosstab([sets("enhancer"), sets("promoter")], labels())
    assert len(table) == 9 and set(table[1]) == {0, 400} and set(table[0]) == {0, 200}


@pytest.mark.parametrize("forgotten", range(4))
def test_every_factor_has_to_be_known(forgotten: int) -> None:
    """The best rule that sees all factors but one is wrong in a third of the negatives."""
    known = np.delete(np.hstack([carried("enhancer"), carried("promoter")]), forgotten, axis=1)
    counts = pd.crosstab(known @ (1 << np.arange(3)), labels())
    assert counts.max(axis=1).sum() / len(known) == pytest.approx(5 / 6)


@pytest.mark.parametrize("element", ["enhancer", "promoter"])
def test_the_factors_of_one_element_say_nothing(element: str) -> None:
    sides = [sets(element), *carried(element).T]
    assert [len(np.unique(side)) for side in sides] == [3, 2, 2]
    for _, rows in simulated().windows.reset_index().groupby("chrom"):
        for side in sides:
            table = pd.crosstab(side[rows.index], rows["label"])
            assert (table[0] == table[1]).all()


def test_no_sum_over_the_elements_tells_the_label() -> None:
    """Not even one over the true sets of both."""
    both = [sets(element)[:, None] == np.arange(1, 4) for element in ("enhancer", "promoter")]
    assert abs(auroc(np.hstack(both).astype(float), labels()) - 0.5) < 0.055


def test_sites_of_an_element_lie_in_any_order() -> None:
    sites = simulated().planted.merge(simulated().windows[["window_id", "label"]]).sort_values("start", kind="stable")
    for element, factor in (("enhancer", CONFIG.motif_ids[0]), ("promoter", CONFIG.motif_ids[2])):
        windows = sites[sites["element"] == element].groupby("window_id")
        both = windows["motif_id"].nunique() == 2
        left = (windows["motif_id"].first() == factor)[both]
        assert both.sum() == 800 and stats.binomtest(int(left.sum()), 800).pvalue > P_LEAST
        assert stats.chi2_contingency(pd.crosstab(left, windows["label"].first()[both])).pvalue > P_LEAST


def test_decoys_numbers_of_sites_and_strands_say_nothing() -> None:
    planted = simulated().planted.merge(simulated().windows[["window_id", "label"]])
    for columns in (["motif_id"], ["element", "strand"], ["motif_id", "strand"]):
        table = pd.crosstab([planted[name] for name in columns], planted["label"])
        assert stats.chi2_contingency(table).pvalue > P_LEAST
    per_window = pd.crosstab(planted["window_id"], planted["element"])
    for element in per_window:
        counts = pd.crosstab(per_window[element].reindex(simulated().windows["window_id"]).to_numpy(), labels())
        assert stats.chi2_contingency(counts).pvalue > P_LEAST
    assert stats.binomtest(int((planted["strand"] == "+").sum()), len(planted)).pvalue > P_LEAST


def test_geometry_and_composition_say_nothing() -> None:
    windows, positive = simulated().windows, labels() == 1
    outer = windows[["enh_rel_start", "prom_rel_start"]].min(axis=1)
    gc = np.isin(bases(), [1, 2]).mean(axis=1)
    for values in (simulated().distances(), outer, windows["enh_rel_start"], windows["win_start"], gc):
        assert stats.ks_2samp(values[positive], values[~positive]).pvalue > P_LEAST
    left = windows["enh_rel_start"] < windows["prom_rel_start"]
    assert stats.chi2_contingency(pd.crosstab(left, labels())).pvalue > P_LEAST
    assert stats.binomtest(int(left.sum()), len(left)).pvalue > P_LEAST


def test_distances_fill_their_range_evenly() -> None:
    distances = simulated().distances()
    low, high = CONFIG.min_distance_bp, CONFIG.max_distance_bp
    assert (distances >= low).all() and (distances <= high).all() and (distances % 1 == 0).all()
    assert stats.kstest(distances, stats.uniform(low - 0.5, high - low + 1).cdf).pvalue > P_LEAST


def test_kmers_of_one_element_tell_its_factors_but_not_the_label() -> None:
    for name, element in (("enh", "enhancer"), ("prom", "promoter")):
        counts = kmers(elements(name))
        factors = carried(element)
        assert auroc(counts, factors[:, 0], factors.sum(axis=1) == 1) > 0.97
        assert min(auroc(counts, factor) for factor in factors.T) > 0.8
        # 1,200 windows are evaluated: 0.5 +- 0.017 for a model that knows nothing.
        assert abs(auroc(counts, labels()) - 0.5) < 0.055
    assert abs(auroc(kmers(bases()), labels()) - 0.5) < 0.055


def test_both_elements_together_tell_the_label() -> None:
    """The best match of each factor in its element, and no truth, is enough: the task can be solved."""
    guess = [
        np.stack([best_score(one, elements(name)) > weakest(one) for one in ids], axis=1)
        for name, ids in (("enh", CONFIG.motif_ids[:2]), ("prom", CONFIG.motif_ids[2:4]))
    ]
    # Chance matches, most of them of Spi1, are what is missing.
    assert ((guess[0] == guess[1]).all(axis=1) == labels()).mean() > 0.9


@cache
def weakest(matrix_id: str) -> float:
    """Nearly all planted sites score above this."""
    one = motif(matrix_id)
    drawn = score_instances(one, draw_instances(one, 20_000, 0.0, np.random.default_rng(0)))
    return float(np.quantile(drawn, CONFIG.min_score_quantile))


def all_scores(matrix_id: str, codes: np.ndarray) -> np.ndarray:
    """(N, places): higher score of the two strands."""
    one = motif(matrix_id)
    views = np.lib.stride_tricks.sliding_window_view(codes, len(one), axis=1)
    found = [score_instances(one, kept.reshape(-1, len(one))) for kept in (views, reverse_complement(views))]
    return np.maximum(*found).reshape(len(codes), -1)


def best_score(matrix_id: str, codes: np.ndarray) -> np.ndarray:
    """(N,): highest score on either strand."""
    return all_scores(matrix_id, codes).max(axis=1)


@pytest.mark.parametrize("matrix_id", CONFIG.motif_ids)
def test_every_planted_site_holds_its_motif_on_its_strand(matrix_id: str) -> None:
    one = motif(matrix_id)
    sites = simulated().planted.query("motif_id == @matrix_id")
    row = pd.Index(simulated().windows["window_id"]).get_indexer(sites["window_id"])
    assert (sites["end"] - sites["start"] == len(one)).all() and (sites["name"] == one.name).all()
    codes = bases()[row[:, None], sites["start"].to_numpy()[:, None] + np.arange(len(one))]
    reverse = (sites["strand"] == "-").to_numpy()
    read = np.where(reverse[:, None], reverse_complement(codes), codes)
    scores = score_instances(one, read)
    assert scores.min() > weakest(matrix_id) - 0.5
    elsewhere = score_instances(
        one, np.random.default_rng(1).permutation(bases().ravel())[: read.size].reshape(read.shape)
    )
    assert (scores > np.quantile(elsewhere, 0.999)).mean() > 0.95


def test_sites_keep_their_distance_and_lie_in_their_element() -> None:
    planted = simulated().planted
    follows = planted["window_id"].eq(planted["window_id"].shift(-1))
    gaps = (planted["start"].shift(-1) - planted["end"])[follows]
    assert gaps.min() >= CONFIG.site_min_gap_bp
    places = planted.merge(simulated().windows)
    for element, name in (("enhancer", "enh"), ("promoter", "prom")):
        rows = places[places["element"] == element]
        assert (rows["start"] >= rows[f"{name}_rel_start"]).all() and (rows["end"] <= rows[f"{name}_rel_end"]).all()
    decoys = places[places["element"] == "background"]
    assert set(decoys["motif_id"]) == set(CONFIG.decoys)
    within = (decoys["start"] >= decoys["enh_rel_start"]) & (decoys["end"] <= decoys["enh_rel_end"])
    assert 0 < within.sum() < len(decoys) / 2


def test_unlabelled_windows_hold_all_factors_at_their_own_numbers_of_sites() -> None:
    genome, windows = simulated().genome, simulated().windows
    labelled = set(zip(windows["chrom"], windows["win_start"], strict=True))
    others = [
        genome.fetch(record, start, start + 512)
        for record, length in genome.lengths.items()
        for start in range(0, length, 512)
        if (record, start) not in labelled
    ]
    codes = CODES[np.frombuffer("".join(others).encode(), dtype=np.uint8)].reshape(-1, 512)
    assert len(others) == CONFIG.n_unlabelled
    has = np.hstack([carried("enhancer"), carried("promoter")])
    for matrix_id, present in zip(CONFIG.motif_ids[:4], has.T, strict=True):
        unlabelled, labelled = (all_scores(matrix_id, kept) > weakest(matrix_id) for kept in (codes, bases()))
        by_chance = labelled[~present]
        chance = by_chance.sum(axis=1).mean()
        assert unlabelled.any(axis=1).mean() > 0.98 and abs(unlabelled.sum(axis=1).mean() - chance - 2) < 0.15
        # Two in three sets hold the factor, with one and a half sites on average.
        share = 2 / 3 + by_chance.any(axis=1).mean() / 3
        assert abs(labelled.any(axis=1).mean() - share) < 0.04
        assert abs(labelled.sum(axis=1).mean() - chance - 1) < 0.15


def test_composition_of_elements_is_that_of_the_rest() -> None:
    """Without sites, an element can't be told from other DNA: GC and dinucleotides are alike."""
    free = np.ones_like(bases(), dtype=bool)
    row = pd.Index(simulated().windows["window_id"]).get_indexer(simulated().planted["window_id"])
    for i, start, end in zip(row, simulated().planted["start"], simulated().planted["end"], strict=True):
        free[i, start:end] = False
    place = np.arange(CONFIG.window_bp)
    within = np.zeros_like(free)
    for name in ("enh", "prom"):
        start = simulated().windows[f"{name}_rel_start"].to_numpy()[:, None]
        within |= (place >= start) & (place < start + elements(name).shape[1])
    pairs = bases()[:, :-1].astype(int) * 4 + bases()[:, 1:]
    usable = free[:, :-1] & free[:, 1:]
    counts = [np.bincount(pairs[usable & kept], minlength=16) for kept in (within[:, :-1], ~within[:, :-1])]
    shares = [count / count.sum() for count in counts]
    assert np.abs(shares[0] - shares[1]).max() < 0.003


def test_equal_seeds_equal_bytes_through_the_folder(tmp_path: Path) -> None:
    small = replace(CONFIG, n_windows=40, n_unlabelled=10)
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        simulate_windows(small, seed).write(tmp_path / name)
    for file in sorted(path.name for path in (tmp_path / "a").iterdir()):
        content = [(tmp_path / name / file).read_bytes() for name in "abc"]
        assert content[0] == content[1] and (file == "genome.fa.fai" or content[0] != content[2])
    read, made = WindowSet.read(tmp_path / "a"), simulate_windows(small, 3)
    assert read.sequences() == made.sequences() and read.settings == made.settings
    pd.testing.assert_frame_equal(read.planted, made.planted)
    assert made.settings["pairs"] == [list(pair) for pair in small.pairs] and set(asdict(small)) < set(made.settings)


def test_three_pairs_another_share_and_uneven_numbers() -> None:
    pairs = (*CONFIG.pairs, ("MA0052.5", "MA0060.4"))
    config = replace(CONFIG, n_windows=1001, n_unlabelled=0, n_chromosomes=7, pairs=pairs, positive_fraction=0.3)
    config = replace(config, sites_per_factor=(1, 1), unlabelled_sites_per_factor=(1, 1))
    made = simulate_windows(config, 0)
    assert len(made.windows) == 1001 and made.windows["label"].sum() == 300
    by_chromosome = made.windows.groupby("chrom")["label"].mean()
    assert len(by_chromosome) == 7 and by_chromosome.between(0.28, 0.32).all()
    label = made.windows["label"].to_numpy()
    ours, theirs = (sets(element, made, config) for element in ("enhancer", "promoter"))
    assert ((ours == theirs) == label).all()
    for side in (ours, theirs):
        table = pd.crosstab(side, label)
        assert table.shape == (7, 2) and stats.chi2_contingency(table).pvalue > P_LEAST


def test_numbers_of_sites_are_drawn_for_each_factor_on_its_own() -> None:
    planted = simulated().planted[simulated().planted["element"] != "background"]
    sites = planted.groupby(["window_id", "element", "motif_id"]).size().rename("n").reset_index()
    sites = sites.merge(simulated().windows[["window_id", "label"]])
    assert set(sites["n"]) == {1, 2} and stats.binomtest(int((sites["n"] == 2).sum()), len(sites)).pvalue > P_LEAST
    for key in ("motif_id", "label"):
        assert stats.chi2_contingency(pd.crosstab(sites[key], sites["n"])).pvalue > P_LEAST
    both = sites[sites["element"] == "enhancer"].pivot_table(index="window_id", columns="motif_id", values="n").dropna()
    assert pd.crosstab(*both.to_numpy().T).shape == (2, 2)
    assert stats.chi2_contingency(pd.crosstab(*both.to_numpy().T)).pvalue > P_LEAST


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"n_windows": 5}, "SimulationConfig.n_windows"),
        ({"window_bp": 400}, "SimulationConfig.max_distance_bp must lie in [min_distance_bp, 240]"),
        ({"min_distance_bp": 130}, "SimulationConfig.min_distance_bp must be at least 180"),
        ({"enhancer_bp": 161}, "SimulationConfig.enhancer_bp must be even together with promoter_bp = 160"),
        ({"sites_per_factor": (3, 2)}, "SimulationConfig.sites_per_factor"),
        ({"unlabelled_sites_per_factor": (0, 1)}, "SimulationConfig.unlabelled_sites_per_factor.0 must be at least 1"),
        ({"min_score_quantile": 1.0}, "SimulationConfig.min_score_quantile"),
        ({"positive_fraction": 1.0}, "SimulationConfig.positive_fraction"),
        ({"gc_mean": 41.0}, "SimulationConfig.gc_mean"),
        ({"pairs": (("MA0080.7", "MA0139.2"),)}, "SimulationConfig.pairs must hold at least 2"),
        ({"decoys": ("MA0139.2",)}, "SimulationConfig.pairs must name each motif once"),
        ({"decoys": ()}, "SimulationConfig.decoys must name a motif"),
    ],
)
def test_nonsense_is_refused(change: dict, said: str) -> None:
    with pytest.raises(InputError) as error:
        replace(CONFIG, **change)
    assert said in str(error.value)


def test_motifs_that_are_unknown_or_too_long_are_named() -> None:
    with pytest.raises(InputError, match=r"no motif 'MA0139\.77'.*did you mean MA0139.2"):
        simulate_windows(replace(CONFIG, decoys=("MA0139.77",)), 0)
    spi1, ctcf = (
        r"MA0080.7 \(Spi1, 13 bp\), MA1494.2 \(HNF4A, 14 bp\)",
        r"MA0139.2 \(CTCF, 15 bp\), MA0088.3 \(ZNF143, 23 bp\)",
    )
    with pytest.raises(InputError, match=rf"simulate.enhancer_bp: 4 sites of each of {spi1} need 248 bp, got 160"):
        simulate_windows(replace(CONFIG, sites_per_factor=(1, 4)), 0)
    with pytest.raises(InputError, match=rf"simulate.promoter_bp: 2 sites of each of {ctcf} need 136 bp, got 134"):
        simulate_windows(replace(CONFIG, promoter_bp=134), 0)
    full = replace(CONFIG, n_windows=20, n_unlabelled=10, promoter_bp=136, sites_per_factor=(2, 2))
    made = simulate_windows(full, 0)
    both = carried("promoter", made, full).all(axis=1)
    sites = made.planted[made.planted["element"] == "promoter"].merge(made.windows[both])
    assert both.any() and (sites.groupby("window_id").size() == 4).all()
    assert (sites.groupby("window_id")["start"].min() == sites.groupby("window_id")["prom_rel_start"].first()).all()
