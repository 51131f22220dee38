"""Explanations end to end: of a motif detector that is known to be right, of windows on disk, and of BED intervals."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from contactlens.base.errors import InputError
from contactlens.dna.data.batch import batch_of
from contactlens.dna.data.genome import Genome
from contactlens.dna.data.tokens import BASES, encode, reverse_complement_ids
from contactlens.dna.data.window_set import WindowSet
from contactlens.dna.explanation.attribute import BaseLogOdds, attribute_windows
from contactlens.dna.explanation.attributions import (
    read_attributions,
    read_attributions_by,
    write_attributions,
)
from contactlens.dna.explanation.explain import (
    ExplainConfig,
    Explanation,
    confident,
    conservation_table,
    explain_windows,
)
from contactlens.dna.explanation.methods import AttributionSettings
from contactlens.dna.explanation.methods.lrp import KINDS, one_hot_tokens, relevance
from contactlens.dna.models.caduceus import Caduceus, CaduceusConfig, CaduceusForMaskedLM, save_caduceus
from contactlens.dna.models.classifier import WindowClassifier, save_classifier
from contactlens.dna.models.config import HeadConfig

MOTIF, DECOY = "TGACTCA", "CCGGAAGT"
L, N = 80, 16
CONFIG = ExplainConfig(
    splits=("test",),
    methods=("saliency", "integrated_gradients", "lrp"),
    stored=("saliency", "integrated_gradients", "lrp"),
    min_probability=0.8,
    min_windows=2,
    max_windows=10,
    ig_steps=8,
    reference_shuffles=2,
    max_completeness_error=0.25,
    faithfulness_windows=6,
    mutagenesis_windows=2,
    curve_fractions=(0.0, 0.1, 0.2, 0.4),
    replacement_draws=4,
    mutations_per_window=24,
    bootstrap_replicates=100,
    interval_level=0.9,
    rows_per_pass=8,
    precision="float32",
    workers=1,
    gpus_per_worker=1.0,
)
SETTINGS = AttributionSettings(ig_steps=4, rows_per_pass=2)


class Detector(nn.Module):
    """Logit = the smoothly best match of the motif in any region, minus what half a match would give."""

    def __init__(self) -> None:
        super().__init__()
        weight = torch.zeros(len(MOTIF), 16)
        weight[torch.arange(len(MOTIF)), torch.from_numpy(encode(MOTIF)).long()] = 1
        self.weight = nn.Parameter(weight)

    def forward_one_hot(self, x, regions):
        match = torch.einsum("blkv,kv->bl", x.unfold(1, len(MOTIF), 1).transpose(2, 3), self.weight)
        inside = regions.any(1)[:, : match.shape[1]]
        return (3 * match).masked_fill(~inside, -30).logsumexp(1) - 16

    def forward(self, ids, regions):
        return self.forward_one_hot(one_hot_tokens(self, ids), regions)


def planted_windows(seed=0) -> WindowSet:
    """The first half of the windows holds the motif in its enhancer, all hold a decoy outside of the elements."""
    rng = np.random.default_rng(seed)
    sequences, sites = {}, []
    for i in range(N):
        letters = rng.choice(list("ACGT"), L)
        start = int(rng.integers(10, 25))
        if i < N // 2:
            letters[start : start + len(MOTIF)] = list(MOTIF)
            sites.append((f"w{i}", "M1", "AP1", start, start + len(MOTIF), "+", "enhancer"))
        letters[70 : 70 + len(DECOY)] = list(DECOY)
        sites.append((f"w{i}", "M2", "ETS", 70, 70 + len(DECOY), "+", "background"))
        sequences[f"r{i}"] = "".join(letters)
    table = pd.DataFrame(
        {
            "window_id": [f"w{i}" for i in range(N)],
            "chrom": [f"r{i}" for i in range(N)],
            "win_start": 0,
            "win_end": L,
            "enh_rel_start": 8,
            "enh_rel_end": 35,
            "prom_rel_start": 45,
            "prom_rel_end": 65,
            "label": [int(i < N // 2) for i in range(N)],
            "record": [f"r{i}" for i in range(N)],
            "record_start": 0,
        }
    )
    columns = ["window_id", "motif_id", "name", "start", "end", "strand", "element"]
    return WindowSet("pair", table, Genome.of(sequences), "test", {}, pd.DataFrame(sites, columns=columns))


@pytest.fixture(scope="module")
def explanation() -> Explanation:
    windows = planted_windows()
    return explain_windows(Detector(), windows, windows.windows["window_id"].tolist(), CONFIG, seed=1)


def metric(explanation: Explanation, method: str, name: str, control: bool = False) -> pd.Series:
    table = explanation.faithfulness
    found = table[(table["method"] == method) & (table["metric"] == name) & (table["control"] == control)]
    assert len(found) == 1
    return found.iloc[0]


def test_confident_positives_are_explained_best_first(explanation):
    found = explanation.attributions["lrp"].load()
    assert set(found.window_ids) == {f"w{i}" for i in range(N // 2)}
    assert (np.diff(found.logits) <= 0).all() and found.logits.min() > 1
    # The detector says less of a reference without bases than of any window, so that it is refused and not stored.
    assert list(explanation.attributions) == ["saliency", "lrp"]
    arrays = [one.load().hypothetical for one in explanation.attributions.values()]
    assert all(values.shape == (N // 2, L, 4) and values.dtype == np.float32 for values in arrays)
    assert found.one_hot.dtype == np.uint8 and (found.one_hot.sum(-1) == 1).all()


def test_motif_is_found_and_decoy_is_not(explanation):
    for method in CONFIG.methods:
        assert metric(explanation, method, "planted_auroc")["low"] > 0.95
        assert metric(explanation, method, "planted_auprc")["low"] > 0.8
        assert metric(explanation, method, "planted_auroc", control=True)["high"] < 0.9
        assert metric(explanation, method, "decoy_auroc")["estimate"] < 0.6
        assert metric(explanation, method, "deletion_gain")["low"] > 0.02
        assert metric(explanation, method, "insertion_gain")["low"] > 0
    assert abs(metric(explanation, "random", "planted_auroc", control=True)["estimate"] - 0.5) < 0.15
    assert metric(explanation, "integrated_gradients", "mutation_correlation")["low"] > 0.7
    assert metric(explanation, "integrated_gradients", "completeness_error")["estimate"] < 0.1


def test_tables_hold_what_they_promise(explanation):
    table, curves = explanation.faithfulness, explanation.curves
    assert list(table) == ["method", "metric", "estimate", "low", "high", "control", "n_windows"]
    assert not table.duplicated(["method", "metric", "control"]).any() and table.notna().all().all()
    assert list(curves) == ["method", "control", "curve", "fraction", "score", "low", "high"]
    assert len(curves) == 2 * (1 + 2 * len(CONFIG.methods)) * len(CONFIG.curve_fractions)
    whole = curves[(curves["curve"] == "deletion") & (curves["fraction"] == 0)]
    np.testing.assert_allclose(whole["score"], 1)


def test_same_seed_same_explanation_and_bytes(explanation, tmp_path):
    windows = planted_windows()
    again = explain_windows(Detector(), windows, windows.windows["window_id"].tolist(), CONFIG, seed=1)
    for name in ("faithfulness", "curves", "conservation"):
        pd.testing.assert_frame_equal(getattr(explanation, name), getattr(again, name))
    write_attributions(tmp_path / "a.npz", explanation.attributions)
    write_attributions(tmp_path / "b.npz", again.attributions)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_the_best_is_stored_of_all_windows_and_mutagenesis_is_compared_on_few():
    windows = planted_windows()
    ids = windows.windows["window_id"].tolist()
    config = replace(CONFIG, methods=("lrp", "mutagenesis", "integrated_gradients"), stored=("best",))
    found = explain_windows(Detector(), windows, ids, config, seed=1)
    checks, (method,) = found.method_checks, found.attributions
    assert method == checks["method"][0] and checks["method"].tolist()[-1] == "mutagenesis"
    assert len(found.attributions[method].window_ids) == N // 2
    auroc = found.faithfulness.query("metric == 'planted_auroc' and not control").set_index("method")
    assert auroc["n_windows"].to_dict() == {"lrp": 6, "integrated_gradients": 6, "mutagenesis": 2}
    assert auroc["estimate"]["mutagenesis"] > 0.95
    assert method == auroc["estimate"].drop("mutagenesis").idxmax()


def test_choice_of_windows():
    logits, all_of = np.array([0.0, 3.0, -1.0, 2.0, 5.0]), np.ones(5, dtype=bool)
    assert confident(logits, all_of, CONFIG).tolist() == [4, 1, 3]
    assert confident(logits, all_of, replace(CONFIG, max_windows=2)).tolist() == [4, 1]
    assert confident(logits, all_of, replace(CONFIG, min_probability=0.999, min_windows=2)).tolist() == [4, 1]
    assert confident(logits[:1], all_of[:1], replace(CONFIG, min_windows=2)).tolist() == [0]
    with pytest.raises(InputError, match="no windows to explain"):
        explain_windows(Detector(), planted_windows(), [], CONFIG, seed=1)


def test_windows_taken_for_positives_by_mistake_are_not_explained():
    logits, positive = np.array([3.0, 9.0, 5.0, 8.0, -1.0]), np.array([True, False, True, False, True])
    assert confident(logits, positive, CONFIG).tolist() == [2, 0]
    assert confident(logits, positive, replace(CONFIG, min_windows=5)).tolist() == [2, 0, 4]


def test_intervals_are_over_clusters_of_windows_that_share_dna(explanation):
    """All positives at one place of one chromosome are one cluster, and one cluster has no spread."""
    windows = planted_windows()
    windows.windows["chrom"] = "chr1"
    ids = windows.windows["window_id"].tolist()
    table = explain_windows(Detector(), windows, ids, CONFIG, seed=1).faithfulness
    np.testing.assert_allclose(table["low"], table["estimate"], atol=1e-9)
    np.testing.assert_allclose(table["high"], table["estimate"], atol=1e-9)
    assert (explanation.faithfulness["high"] - explanation.faithfulness["low"]).max() > 0.05


def test_few_positives_are_said_and_none_are_an_error(capsys):
    windows = planted_windows()
    ids, label = windows.windows["window_id"], windows.windows["label"]
    few = [*ids[label == 1][:3], *ids[label == 0][:4]]
    found = explain_windows(Detector(), windows, few, replace(CONFIG, min_windows=5), seed=1)
    assert set(found.attributions["lrp"].window_ids) == set(few[:3])
    assert "3 windows are labelled positive, fewer than dna.explain.min_windows = 5" in capsys.readouterr().out
    with pytest.raises(InputError, match="none of the 4 windows to explain is labelled positive"):
        explain_windows(Detector(), windows, few[3:], CONFIG, seed=1)


def caduceus(n_layer=2, rcps=True) -> Caduceus:
    torch.manual_seed(3)
    backbone = Caduceus(CaduceusConfig(d_model=16, n_layer=n_layer, rcps=rcps))
    with torch.no_grad():
        for name, parameter in backbone.named_parameters():
            if name.endswith("weight") and "norm" not in name:
                parameter.normal_(0, 1 if "embedding" in name or "conv1d" in name else parameter.shape[-1] ** -0.5)
    return backbone


def test_conservation_of_a_classifier_and_without_each_rule():
    torch.manual_seed(5)
    model = WindowClassifier(caduceus(), "pair", HeadConfig(16)).double().eval()
    found = conservation_table(model, batch_of(planted_windows()), rows_per_pass=5)
    lost = found.assign(lost=found["gap"].abs() / found["logit"].abs()).groupby("method")["lost"].max()
    assert lost.pop("lrp") < 1e-10
    assert len(lost) == 5 and (lost > 0.01).all()
    np.testing.assert_allclose(found["total"], found[["tokens", "convolution", "norm", "head"]].sum(axis=1))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"methods": ("deeplift",)}, "ExplainConfig.methods must"),
        ({"methods": ()}, "ExplainConfig.methods must"),
        ({"methods": ("lrp", "lrp")}, "ExplainConfig.methods must"),
        ({"min_probability": 1.0}, "ExplainConfig.min_probability must"),
        ({"ig_steps": 0}, "ExplainConfig.ig_steps must"),
        ({"min_windows": 20}, "ExplainConfig.min_windows must"),
        ({"mutations_per_window": 2}, "ExplainConfig.mutations_per_window must"),
        ({"curve_fractions": (0.1, 0.2)}, "ExplainConfig.curve_fractions must"),
        ({"curve_fractions": (0.0, 0.2, 0.2)}, "ExplainConfig.curve_fractions must"),
    ],
)
def test_nonsense_in_the_settings_is_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        replace(CONFIG, **wrong)


def test_attributions_file(explanation, tmp_path):
    path = tmp_path / "attributions.npz"
    write_attributions(path, explanation.attributions)
    found = read_attributions(path)
    for method, parts in explanation.attributions.items():
        written = parts.load()
        np.testing.assert_array_equal(found[method].window_ids, written.window_ids)
        np.testing.assert_array_equal(found[method].hypothetical, written.hypothetical)
        np.testing.assert_allclose(read_attributions_by(path, method).actual, written.actual)
    with np.load(path, allow_pickle=False) as archive:
        assert set(archive.files) == {"window_ids", "logits", "one_hot", *explanation.attributions}


def test_damaged_attributions_files_are_refused(explanation, tmp_path):
    path, good = tmp_path / "attributions.npz", tmp_path / "good.npz"
    write_attributions(good, explanation.attributions)
    with pytest.raises(InputError, match="no such file"):
        read_attributions(path)
    path.write_bytes(b"nothing")
    with pytest.raises(InputError, match="not an NPZ file"):
        read_attributions(path)
    np.savez(path, window_ids=np.array(["a"]), logits=np.zeros(1))
    with pytest.raises(InputError, match="no key one_hot"):
        read_attributions(path)
    with np.load(good) as archive:
        np.savez(path, **{**archive, "window_ids": archive["window_ids"][:1]})
    with pytest.raises(InputError, match="for 1 windows"):
        read_attributions(path)
    np.savez(path, window_ids=np.array([print], dtype=object), logits=np.zeros(1), one_hot=np.zeros((1, 2, 4)))
    with pytest.raises(InputError, match="without pickles"):
        read_attributions(path)


@pytest.fixture
def genome(tmp_path):
    rng = np.random.default_rng(0)
    sequence = "".join(rng.choice(list("ACGT"), 300))
    fasta = tmp_path / "g.fa"
    fasta.write_text(f">chr1\n{sequence[:100]}NNN{sequence[103:]}\n>chr2\n{sequence[::-1]}\n")
    return fasta


def test_bed_intervals_of_a_bare_checkpoint(genome, tmp_path):
    save_caduceus(CaduceusForMaskedLM(CaduceusConfig(d_model=16, n_layer=2)), tmp_path / "lm")
    bed = tmp_path / "peaks.bed"
    bed.write_text("# peaks\nchr1\t90\t130\tpeak1\nchr2\t0\t40\t.\nchr1\t120\t150\tpeak3\n")
    found = attribute_windows(tmp_path / "lm", genome, bed, "lrp", context_bp=10, settings=SETTINGS)
    assert [one.name for one in found.intervals] == ["peak1", "chr2:0-40", "peak3"]
    assert [(one.start, one.end) for one in found.intervals] == [(80, 140), (0, 50), (110, 160)]
    paths = found.write(tmp_path / "out")
    tables = ["attributions.tsv", "attributions.bedgraph", "intervals.tsv"]
    assert [path.name for path in paths] == ["attributions.npz", *tables]
    arrays, table = read_attributions_by(paths[0], "lrp"), pd.read_csv(paths[1], sep="\t")
    assert arrays.hypothetical.shape == (3, 60, 4) and not arrays.one_hot[1, 50:].any()
    np.testing.assert_allclose(table["contribution"][:60], arrays.actual[0], rtol=1e-4, atol=1e-7)
    sequence = Genome.open(genome).fetch("chr1", 80, 140)
    assert "".join(table["base"][:60]) == sequence and not table["contribution"][20:23].any()
    graph = pd.read_csv(paths[2], sep="\t", names=["chrom", "start", "end", "value"])
    assert (graph["start"][1:].to_numpy() >= graph["end"][:-1].to_numpy())[graph["chrom"].eq("chr1")[1:]].all()
    both = table[(table["chrom"] == "chr1") & (table["position"] == 125)]["contribution"]
    shown = graph[(graph["chrom"] == "chr1") & (graph["start"] <= 125) & (graph["end"] > 125)]["value"]
    assert len(both) == 2 and shown.item() == pytest.approx(both.mean(), rel=1e-4)
    again = attribute_windows(tmp_path / "lm", genome, bed, "lrp", context_bp=10, settings=SETTINGS)
    before = [path.read_bytes() for path in paths]
    assert [path.read_bytes() for path in again.write(tmp_path / "out")] == before


def test_bedpe_of_a_classifier_of_pairs(genome, tmp_path):
    model = WindowClassifier(caduceus(), "pair", HeadConfig(8)).eval()
    save_classifier(model, tmp_path / "pair")
    bed = tmp_path / "pairs.bedpe"
    bed.write_text("chr1\t150\t180\tchr1\t20\t60\n")
    found = attribute_windows(tmp_path / "pair", genome, bed, "saliency", context_bp=5, settings=SETTINGS)
    interval = found.intervals[0]
    assert (interval.start, interval.end, interval.id) == (15, 185, "chr1:150-180|chr1:20-60")
    ids = torch.from_numpy(encode(Genome.open(genome).fetch("chr1", 15, 185)).astype(np.int64))[None]
    ids[ids == 11] = 4
    regions = torch.zeros(1, 2, 170, dtype=torch.bool)
    regions[0, 0, 135:165], regions[0, 1, 5:45] = True, True
    with torch.no_grad():
        assert found.scores[0] == pytest.approx(float(model(ids, regions)[0]), rel=1e-5)


def test_a_classifier_is_shown_windows_of_its_own_length(genome, tmp_path):
    model = WindowClassifier(caduceus(), "region", HeadConfig(8)).eval()
    model.window_bp = 60
    save_classifier(model, tmp_path / "region")
    bed = tmp_path / "peaks.bed"
    bed.write_text("chr1\t150\t180\nchr2\t0\t10\n")
    own = attribute_windows(tmp_path / "region", genome, bed, "saliency", context_bp=None, settings=SETTINGS)
    assert [(one.start, one.end) for one in own.intervals] == [(135, 195), (0, 60)]
    assert [one.elements for one in own.intervals] == [((135, 195),), ((0, 60),)]
    as_given = attribute_windows(tmp_path / "region", genome, bed, "saliency", context_bp=0, settings=SETTINGS)
    assert [(one.start, one.end) for one in as_given.intervals] == [(150, 180), (0, 10)]
    bed.write_text("chr1\t135\t195\n")
    exact = attribute_windows(tmp_path / "region", genome, bed, "saliency", context_bp=0, settings=SETTINGS)
    assert own.scores[0] == pytest.approx(exact.scores[0], rel=1e-5)


def test_bad_calls_say_what_is_wrong(genome, tmp_path):
    save_classifier(WindowClassifier(caduceus(), "region", HeadConfig(8)), tmp_path / "region")
    save_classifier(WindowClassifier(caduceus(), "pair", HeadConfig(8)), tmp_path / "pair")
    bed = tmp_path / "peaks.bed"

    def call(text, message, folder="region", method="lrp", context_bp=0, device="cpu"):
        bed.write_text(text)
        with pytest.raises(InputError, match=message):
            attribute_windows(
                tmp_path / folder, genome, bed, method, context_bp=context_bp, settings=SETTINGS, device=device
            )

    good = "chr1\t10\t40\n"
    call(good + "chr9\t10\t40\n", r"'chrom': 1 records are not in .*g\.fa; first at line 2 \('chr9'\)")
    call("chr1\t10\t400\n", "'end': 1 ends lie beyond their records")
    call("chr1\t40\t10\n", "ends are not above 'start'")
    call("chr1\tx\t10\n", "not whole numbers")
    call("", "empty")
    call(good, "a classifier of pairs takes BEDPE", folder="pair")
    call("chr1\t10\t40\tchr2\t50\t60\n", "pairs lie on two records", folder="pair")
    call(good, "no attribution method 'deeplift'", method="deeplift")
    call(good, "context_bp must be at least 0", context_bp=-1)
    call(good, "no such f", folder="nothing")
    call(good, "device 'tpu9'", device="tpu9")


@pytest.mark.parametrize("rcps", [True, False])
def test_log_odds_of_bases_of_a_language_model(rcps):
    model = CaduceusForMaskedLM(CaduceusConfig(d_model=16, n_layer=2, rcps=rcps))
    model.backbone = caduceus(rcps=rcps)
    score = BaseLogOdds(model.double().eval())
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(7, 11, (2, 40), generator=generator)
    ids[0, 12] = 4
    regions = torch.zeros(2, 1, 40, dtype=torch.bool)
    regions[:, :, 5:30] = True
    found = score(ids, regions)
    expected = torch.zeros(2, dtype=torch.float64)
    for turn in range(7):  # by hand: hide every seventh base, read what is said of it
        masked = ids.clone()
        hidden = [t for t in range(5, 30) if t % 7 == turn]
        masked[:, hidden] = torch.where(masked[:, hidden] == 4, 4, 3)
        if rcps:
            logits = model(masked)
        else:
            other = model(reverse_complement_ids(masked)).flip(1)[..., model.backbone.complement]
            logits = (model(masked) + other) / 2
        logp = torch.log_softmax(logits[..., list(BASES)], dim=-1)
        for window in range(2):
            for t in hidden:
                if ids[window, t] != 4:
                    expected[window] += logp[window, t, ids[window, t] - 7] - logp[window, t].mean()
    torch.testing.assert_close(found, expected)
    mirrored = score(reverse_complement_ids(ids), regions.flip(-1))
    shares = relevance(score, ids, regions)
    torch.testing.assert_close(shares.total, found)
    assert {kind for kind in KINDS if shares.absorbed[kind].abs().max() > 0} == {"convolution", "mask"}
    torch.testing.assert_close(mirrored, found)
