"""Grammar `arrangement`: labels differ in how sites lie and, more weakly, in partners; in nothing else."""

from dataclasses import replace
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
from contactlens.dna.simulation.ceiling import ceiling_logits, config_of, has_ceiling, knowable_aurocs
from contactlens.dna.simulation.config import SimulationConfig
from contactlens.dna.simulation.grammar import reverse_complement, score_instances
from contactlens.dna.simulation.simulate import simulate_windows
from contactlens.ops.params import load_params

CONFIG = SimulationConfig(grammar="arrangement", n_windows=4000, n_unlabelled=1500, sites_per_factor=(1, 4))
ROOT = Path(__file__).parents[3]
P_LEAST = 1e-3  # of a test whose hypothesis holds; the seed is fixed
CODES = np.zeros(256, dtype=np.uint8)
CODES[[67, 71, 84]] = [1, 2, 3]
RULES = ("orientation", "order", "spacing")


@cache
def simulated() -> WindowSet:
    return simulate_windows(CONFIG, 5)


def labels() -> np.ndarray:
    return simulated().windows["label"].to_numpy()


def factor(matrix_id: str) -> tuple[str, int]:
    """Its side and its pair, by hand from the configuration."""
    (found,) = [
        (side, i)
        for i, pair in enumerate(CONFIG.pairs)
        for side, one in zip("EP", pair, strict=True)
        if one == matrix_id
    ]
    return found


@cache
def read() -> pd.DataFrame:
    """Rule and arrangement of each window, one site after the other, as a reader of the table would find them."""
    assert simulated().planted is not None
    of_window = dict(list(simulated().planted.groupby("window_id")))
    rows = []
    for window in simulated().windows.itertuples():
        sites = [
            (*factor(one.motif_id), one.start, one.end, one.strand)
            for one in of_window[window.window_id].itertuples()
            if one.element != "background"
        ]
        if window.enh_rel_start > window.prom_rel_start:  # turned, so that the enhancer lies left
            sites = [(side, pair, -end, -start, "+-"[strand == "+"]) for side, pair, start, end, strand in sites]
        sites.sort(key=lambda site: site[2])
        line = [(side, pair) for side, pair, *_ in sites]
        blocks = [one for i, one in enumerate(line) if i == 0 or line[i - 1] != one]
        strands = {(side, pair): {s for a, b, *_, s in sites if (a, b) == (side, pair)} for side, pair in blocks}
        assert all(len(found) == 1 for found in strands.values()) and len(set(blocks)) == len(blocks)
        sides = "".join(side for side, _ in blocks)
        rule = {"EP": "orientation", "EEPP": "order", "EEP": "spacing"}[sides]
        if rule == "orientation":
            arranged = [strands[one] for one in blocks] == [{"+"}, {"-"}]
        elif rule == "order":
            arranged = [pair for _, pair in blocks] == [1, 0, 0, 1]
        else:
            at = line.index(blocks[1])
            close = sites[at][2] - sites[at - 1][3] <= CONFIG.close_gap_bp[1]
            arranged = close == (blocks[2][1] == 0)
        rows.append((rule, arranged, blocks[0][1] == blocks[-1][1], len(line)))
    return pd.DataFrame(rows, columns=["rule", "arranged", "partners", "n_sites"])


def test_each_rule_has_its_share_of_the_windows_of_either_label() -> None:
    table = pd.crosstab(read()["rule"], labels())
    assert (table[0] == table[1]).all()
    assert (table.sum(axis=1) / len(read())).to_dict() == pytest.approx(
        dict(zip(RULES, CONFIG.rule_shares, strict=True))
    )


@pytest.mark.parametrize("rule", RULES)
def test_the_arrangement_follows_the_label_in_the_stated_share(rule: str) -> None:
    chance = {"orientation": 1 / 4, "order": 1 / 4, "spacing": 1 / 2}[rule]
    rows = (read()["rule"] == rule).to_numpy()
    for label, share in ((1, 0.9 + 0.1 * chance), (0, 0.1 * chance)):
        found = read()["arranged"][rows & (labels() == label)]
        assert stats.binomtest(int(found.sum()), len(found), share).pvalue > P_LEAST


def test_single_factors_are_partners_in_the_stated_share() -> None:
    rows = (read()["rule"] == "orientation").to_numpy()
    for label, share in ((1, 0.65), (0, 0.35)):
        found = read()["partners"][rows & (labels() == label)]
        assert stats.binomtest(int(found.sum()), len(found), share).pvalue > P_LEAST


def auroc(features: np.ndarray, least: int = 5) -> float:
    """Of a logistic model with products of two, fitted on the first chromosomes and scored on the others."""
    chromosome = simulated().windows["chrom"].str.removeprefix("sim").astype(int).to_numpy()
    fitted = chromosome <= least
    unit = (features - features[fitted].mean(axis=0)) / (features[fitted].std(axis=0) + 1e-9)
    i, j = np.triu_indices(unit.shape[1])
    both = np.hstack([unit, unit[:, i] * unit[:, j]])
    model = LogisticRegression(C=1e-2, max_iter=500).fit(both[fitted], labels()[fitted])
    return float(roc_auc_score(labels()[~fitted], model.decision_function(both[~fitted])))


def counts() -> np.ndarray:
    """(N, factors): true sites of each factor."""
    planted = simulated().planted
    table = pd.crosstab(planted["window_id"], planted["motif_id"])
    return table.reindex(simulated().windows["window_id"], fill_value=0).to_numpy(dtype=float)


def test_what_each_kind_of_model_can_know() -> None:
    """True site counts reach their stated bound and no more; the Bayes rule reaches the ceiling, well above it."""
    bounds = knowable_aurocs(CONFIG)
    # 2,000 windows are scored: a standard error of 0.012 near the bound of counts.
    assert auroc(counts()) == pytest.approx(bounds["factors"], abs=0.036)
    assert roc_auc_score(labels(), ceiling_logits(simulated())) == pytest.approx(
        bounds["factors and arrangement"], abs=0.012
    )
    assert 0.9 < bounds["factors and arrangement"] < 1 and bounds["factors"] < 0.65
    partial = [bounds[f"factors and {rule}"] for rule in RULES]
    assert bounds["factors"] < min(partial) and max(partial) < bounds["factors and arrangement"]


def test_the_ceiling_is_calibrated_and_reads_every_window() -> None:
    """Log odds from the frequencies of what the sites say, label by label, are those of the closed form."""
    logits = ceiling_logits(simulated())
    seen = read().assign(label=labels(), logit=logits)
    seen["partners"] = seen["partners"] & (seen["rule"] == "orientation")
    for _, case in seen.groupby(["rule", "arranged", "partners"]):
        assert np.ptp(case["logit"]) == 0
        probability = 1 / (1 + np.exp(-case["logit"].iloc[0]))
        assert stats.binomtest(int(case["label"].sum()), len(case), probability).pvalue > P_LEAST
    assert len(seen.groupby(["rule", "arranged", "partners"])) == 8


def test_bounds_are_areas_that_simple_cases_have() -> None:
    sure = replace(CONFIG, rule_shares=(0.0, 1.0, 0.0), arranged_share=0.5, partner_share=0.5)
    bounds = knowable_aurocs(sure)
    # As in a positive: 0.5 + 0.5 / 4 of positives, 0.5 / 4 of negatives. One threshold: the mean of both rates.
    assert bounds["factors"] == 0.5 and bounds["factors and spacing"] == 0.5
    assert bounds["factors and order"] == pytest.approx((0.625 + 1 - 0.125) / 2)


@pytest.mark.parametrize("side", ["E", "P"])
def test_the_sites_of_one_element_say_nothing(side: str) -> None:
    planted = simulated().planted[simulated().planted["element"] != "background"]
    planted = planted[[factor(one)[0] == side for one in planted["motif_id"]]]
    planted = planted.merge(simulated().windows[["window_id", "label"]]).sort_values(["window_id", "start"])
    grouped = planted.groupby("window_id")
    text = planted["motif_id"] + planted["strand"]
    what = pd.DataFrame(
        {
            "factors": grouped["motif_id"].agg(lambda ids: "".join(sorted(set(ids)))),
            "number": grouped.size(),
            "in order": text.groupby(planted["window_id"]).agg(lambda row: "".join(dict.fromkeys(row))),
            "gap": (grouped["start"].max() - grouped["end"].min()) // 20,
            "label": grouped["label"].first(),
        }
    )
    for column in ("factors", "number", "in order", "gap"):
        table = pd.crosstab(what[column], what["label"])
        assert stats.chi2_contingency(table[table.sum(axis=1) >= 20]).pvalue > P_LEAST, column


def test_numbers_decoys_strands_geometry_and_composition_say_nothing() -> None:
    windows, planted, positive = simulated().windows, simulated().planted, labels() == 1
    text = "".join(simulated().sequences()).encode()
    bases = CODES[np.frombuffer(text, dtype=np.uint8)].reshape(-1, CONFIG.window_bp)
    gc = np.isin(bases, [1, 2]).mean(axis=1)
    outer = windows[["enh_rel_start", "prom_rel_start"]].min(axis=1)
    for values in (simulated().distances(), outer, windows["enh_rel_start"], gc, read()["n_sites"]):
        assert stats.ks_2samp(values[positive], values[~positive]).pvalue > P_LEAST
    labelled = planted.merge(windows[["window_id", "label"]])
    for columns in (["motif_id"], ["element", "strand"], ["motif_id", "strand"]):
        table = pd.crosstab([labelled[name] for name in columns], labelled["label"])
        assert stats.chi2_contingency(table).pvalue > P_LEAST
    left = windows["enh_rel_start"] < windows["prom_rel_start"]
    assert stats.chi2_contingency(pd.crosstab(left, labels())).pvalue > P_LEAST


def test_one_to_four_sites_of_a_factor_lie_in_their_element_with_gaps() -> None:
    planted = simulated().planted.merge(simulated().windows)
    sizes = planted[planted["element"] != "background"].groupby(["window_id", "motif_id"]).size()
    assert set(sizes) == {1, 2, 3, 4}
    for element, name in (("enhancer", "enh"), ("promoter", "prom")):
        rows = planted[planted["element"] == element]
        assert (rows["start"] >= rows[f"{name}_rel_start"]).all() and (rows["end"] <= rows[f"{name}_rel_end"]).all()
    follows = planted["window_id"].eq(planted["window_id"].shift(-1))
    assert (planted["start"].shift(-1) - planted["end"])[follows].min() >= CONFIG.site_min_gap_bp


def test_unlabelled_windows_are_mostly_background() -> None:
    """Without them, the genome holds the labelled sites alone; with them, a site in five windows a motif, no more."""
    dense = simulate_windows(replace(CONFIG, n_windows=40, n_unlabelled=400, unlabelled_sites_per_kb=4.0), 1)
    sparse = simulate_windows(replace(CONFIG, n_windows=40, n_unlabelled=400), 1)
    one = motif("MA0139.2")

    def called(made: WindowSet) -> int:
        codes = [
            CODES[np.frombuffer(made.genome.fetch(r, 0, n).encode(), dtype=np.uint8)]
            for r, n in made.genome.lengths.items()
        ]
        views = np.concatenate([np.lib.stride_tricks.sliding_window_view(c, len(one)) for c in codes])
        return int((np.maximum(*(score_instances(one, v) for v in (views, reverse_complement(views)))) > 12).sum())

    n = 400 * CONFIG.window_bp / 1000  # kb; of the motif's own instances a share of about 0.6 scores above 12 bits
    assert 0.3 * 3.8 * n < called(dense) - called(sparse) < 3.8 * n


def test_settings_come_back_and_only_this_grammar_has_a_ceiling(tmp_path: Path) -> None:
    small = replace(CONFIG, n_windows=40, n_unlabelled=4)
    made = simulate_windows(small, 3)
    made.write(tmp_path / "w")
    kept = WindowSet.read(tmp_path / "w")
    assert config_of(kept.settings) == small and has_ceiling(kept)
    assert np.array_equal(ceiling_logits(kept), ceiling_logits(made))
    chosen = kept.select(kept.windows["window_id"].tolist()[5:9])
    assert np.array_equal(ceiling_logits(chosen), ceiling_logits(made)[5:9])
    partners = replace(small, grammar="partners", sites_per_factor=(2, 2))
    assert not has_ceiling(simulate_windows(partners, 3))


def test_three_pairs() -> None:
    pairs = (*CONFIG.pairs, ("MA0052.5", "MA0060.4"))
    made = simulate_windows(replace(CONFIG, n_windows=2000, n_unlabelled=0, pairs=pairs), 3)
    assert set(made.planted["motif_id"]) == {*CONFIG.motif_ids, *pairs[2]}
    bound = knowable_aurocs(CONFIG)["factors and arrangement"]
    assert roc_auc_score(made.windows["label"], ceiling_logits(made)) == pytest.approx(bound, abs=0.02)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"rule_shares": (0.5, 0.5, 0.5)}, "SimulationConfig.rule_shares must sum to 1"),
        ({"close_gap_bp": (10, 26)}, "SimulationConfig.close_gap_bp must lie between"),
        ({"wide_gap_bp": (26, 65)}, "SimulationConfig.close_gap_bp must lie between"),
        ({"partner_share": 0.3}, "SimulationConfig.partner_share"),
    ],
)
def test_nonsense_is_refused(change: dict, said: str) -> None:
    with pytest.raises(InputError) as error:
        replace(CONFIG, **change)
    assert said in str(error.value)


def test_elements_too_short_for_one_site_of_each_are_named() -> None:
    short = replace(CONFIG, enhancer_bp=80)
    with pytest.raises(InputError, match=r"simulate.enhancer_bp: 1 sites of each of .* need 92 bp, got 80"):
        simulate_windows(short, 0)


def test_the_page_gives_the_bounds_of_the_default() -> None:
    lines = (ROOT / "docs" / "grammar.md").read_text().splitlines()
    cells = [[cell.strip() for cell in line.split("|")] for line in lines if line.startswith("| ")]
    written = {row[1]: row[3] for row in cells if row[1] == "nothing" or row[1].startswith("factors")}
    bounds = {"nothing": 0.5, **knowable_aurocs(load_params(ROOT / "params.yaml").dna.simulate)}
    assert written == {known: f"{bound:.4f}" for known, bound in bounds.items()}
