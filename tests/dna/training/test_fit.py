"""Fine-tuning: what moves, what it learns, and that a rerun gives the same bytes."""

from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.utils.class_weight import compute_sample_weight
from tiny_fine_tuning import CONFIG, TRAINER, L, build, windows

from contactlens.base.errors import InputError
from contactlens.dna.data.batch import StoredWindows, WindowBatch, stored
from contactlens.dna.data.genome import Genome
from contactlens.dna.data.tokens import PAD, encode
from contactlens.dna.data.window_set import WindowSet
from contactlens.dna.models.caduceus import SsmConfig
from contactlens.dna.models.classifier import WindowClassifier
from contactlens.dna.models.config import HeadConfig
from contactlens.dna.training.balance import Balance
from contactlens.dna.training.fit import _FineTuning, auroc, dropping, fine_tune, freeze, predict, refined_loss
from contactlens.dna.training.frozen import free_bytes
from contactlens.training.loop import Trainer


def test_auroc_is_sklearns_ties_included() -> None:
    rng = np.random.default_rng(0)
    for levels in (2, 5, 1000):
        for _ in range(20):
            label, score = rng.integers(0, 2, 50), rng.integers(0, levels, 50) / 7
            assert auroc(label, score) == pytest.approx(roc_auc_score(label, score), abs=1e-12)
    assert auroc(np.array([0, 1]), np.array([3.0, 3.0])) == 0.5
    assert np.isnan(auroc(np.ones(4), np.arange(4.0))) and np.isnan(auroc(np.zeros(4), np.arange(4.0)))


@pytest.mark.parametrize(("unfrozen", "frozen"), [(0, 2), (1, 1), (2, 0), (5, 0)])
def test_freezing_counts_from_the_last_block(unfrozen: int, frozen: int) -> None:
    """The head and the final norm are always trained, the embedding only where no block is frozen."""
    model = build()
    assert freeze(model, unfrozen) == frozen
    trained = ["head.", "backbone.norm_f.", *(f"backbone.layers.{n}." for n in range(frozen, 2))]
    trained += ["backbone.embedding."] if not frozen else []
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    fine_tune(model, windows(16), windows(8, 1), replace(CONFIG, unfrozen_layers=unfrozen), 0)
    moved = {name for name, value in model.named_parameters() if not torch.equal(before[name], value)}
    assert moved == {name for name in before if name.startswith(tuple(trained))}


@pytest.mark.parametrize("amount", [0, pytest.param(1, marks=pytest.mark.slow), 2])
@pytest.mark.parametrize(
    "changes",
    [
        {"rcps": True, "fused_add_norm": True, "n_layer": 3},
        {"rcps": True, "fused_add_norm": False, "n_layer": 3},
        {"rcps": False, "n_layer": 2},
    ],
    ids=["fused", "unfused", "ph"],
)
def test_cached_activations_change_nothing_but_the_time(changes: dict[str, object], amount: int) -> None:
    train, validation = windows(16), windows(8, 1)
    runs = []
    for cached in (False, True):
        model = build(**changes).double()
        config = replace(CONFIG, unfrozen_layers=amount, cache_frozen=cached)
        runs.append((model, fine_tune(model, train, validation, config, 0)))
    (plain, without), (model, with_cache) = runs
    for mine, its in zip(model.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(mine, its, rtol=0, atol=1e-6)
    np.testing.assert_allclose(with_cache.validation_logits, without.validation_logits, rtol=0, atol=1e-6)
    assert without.validation_logits.std() > 1e-4


@pytest.mark.parametrize("context_bp", [0, 5, L])
def test_cached_pieces_change_nothing_and_take_only_what_is_seen(context_bp: int, tmp_path: Path) -> None:
    """Elements of 26 bp that lie 2 bp from the window's ends; the last window's enhancer is shorter."""
    train, validation = windows(16), windows(8, 1)
    train.regions[-1, 0, :20] = False
    runs = []
    for cached in (False, True):
        model = build(n_layer=3).double()
        model.context_bp = context_bp
        config = replace(CONFIG, cache_frozen=cached)
        runs.append((model, fine_tune(model, train, validation, config, 0, tmp_path / str(cached))))
    (plain, without), (model, with_cache) = runs
    for mine, its in zip(model.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(mine, its, rtol=0, atol=1e-6)
    np.testing.assert_allclose(with_cache.validation_logits, without.validation_logits, rtol=0, atol=1e-6)
    bounds = [[(2, 28), (36, 62)]] * 24 + [[(20, 28), (36, 62)]]
    seen = [sum(min(L, end + context_bp) - max(0, start - context_bp) for start, end in pair) for pair in bounds]
    sizes = {path.name.split("_")[-1]: path.stat().st_size for path in (tmp_path / "True").glob("frozen_*")}
    assert sizes == {"train": (15 * seen[0] + seen[-1]) * 2 * 8 * 8, "validation": 8 * seen[0] * 2 * 8 * 8}


def test_a_cache_in_bfloat16_takes_half_the_disk_and_moves_scores_little(tmp_path: Path) -> None:
    train, validation = windows(16), windows(8, 1)
    scores, sizes = [], []
    for halved in (False, True):
        config, folder = replace(CONFIG, cache_frozen=True, cache_bfloat16=halved), tmp_path / str(halved)
        scores.append(fine_tune(build(), train, validation, config, 0, folder).validation_logits)
        sizes.append(sum(path.stat().st_size for path in folder.glob("frozen_*")))
    assert sizes == [24 * 2 * L * 8 * 4, 24 * 2 * L * 8 * 2]
    assert 0 < np.abs(scores[1] - scores[0]).max() < 0.05 * np.ptp(scores[0])


def test_a_cache_that_would_not_fit_is_refused_before_it_is_filled(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """24 windows, two strands, 64 positions of 8 floats."""
    needed = 24 * 2 * L * 8 * 4
    config = replace(CONFIG, cache_frozen=True)
    monkeypatch.setattr("contactlens.dna.training.frozen.free_bytes", lambda _: needed)
    fine_tune(build(), windows(16), windows(8, 1), config, 0)
    monkeypatch.setattr("contactlens.dna.training.frozen.free_bytes", lambda _: needed - 1)
    model = build()
    model.backbone.layers[0].register_forward_hook(lambda *_: pytest.fail("the cache was filled"))
    with pytest.raises(InputError, match=r"dna\.fine_tune\.cache_frozen: 24 windows of 64 bp take .* GiB in /"):
        fine_tune(model, windows(16), windows(8, 1), config, 0, tmp_path / "not" / "there")


def test_room_is_what_the_disk_of_a_folder_has_there_or_not(tmp_path: Path) -> None:
    psutil = pytest.importorskip("psutil")
    assert free_bytes(tmp_path / "a" / "b") == pytest.approx(psutil.disk_usage(str(tmp_path)).free, abs=2**30)


def test_what_frozen_blocks_give_is_kept_for_a_run_that_goes_on_and_by_no_other(tmp_path: Path) -> None:
    """Files are as large as the states of all windows, are taken up after a kill, and not by another backbone."""
    config, seen = replace(CONFIG, cache_frozen=True), []

    def run(seed: int) -> WindowClassifier:
        model = build(seed)
        model.backbone.layers[0].register_forward_hook(lambda *_: seen.append(1))
        fine_tune(model, windows(16), windows(8, 1), config, 0, tmp_path)
        return model

    first = run(0)
    files = sorted(tmp_path.glob("frozen_*"))
    assert [path.stat().st_size for path in files] == [n * 2 * L * 8 * 4 for n in (16, 8)]
    assert (filled := len(seen)) == 16 // 4 + 8 // 4
    again = run(0)
    assert len(seen) == filled and torch.equal(again.head.out.weight, first.head.out.weight)
    files[0].write_bytes(files[0].read_bytes()[:-4])  # cut short
    run(0)
    assert len(seen) == filled + 16 // 4 and files[0].stat().st_size == 16 * 2 * L * 8 * 4
    run(1)
    assert len(seen) == 2 * filled + 16 // 4 and len(list(tmp_path.glob("frozen_*"))) == 4


@pytest.mark.parametrize("cached", [False, True])
def test_windows_read_from_their_genome_train_as_those_in_memory(cached: bool) -> None:
    """To the same bytes, and with no more windows read at once than a batch holds, or a digest."""
    rng = np.random.default_rng(0)
    bases = "".join(rng.choice(list("ACGT"), 4_000))
    starts = rng.integers(0, 4_000 - L, 24)
    columns = {"window_id": [f"w{i}" for i in range(24)], "chrom": "c", "win_start": starts, "win_end": starts + L}
    columns |= {"enh_rel_start": 2, "enh_rel_end": 28, "prom_rel_start": 36, "prom_rel_end": 62}
    table = pd.DataFrame(columns | {"label": np.arange(24) % 2, "record": "c", "record_start": 0})
    genome = Genome.of({"c": bases})
    window_set = WindowSet("pair", table, genome, "made here", {}, None)
    ids = [table["window_id"].tolist()[part] for part in (slice(16), slice(16, 24))]
    dense = WindowBatch(
        torch.from_numpy(np.stack([encode(bases[start : start + L]) for start in starts]).astype(np.int64)),
        windows(24).regions,
        torch.tensor(table["label"].tolist()).float(),
        table["window_id"].tolist(),
    )
    config, runs = replace(CONFIG, cache_frozen=cached), []
    lazy = [stored(window_set, names) for names in ids]
    for train, validation in ((dense.read(range(16)), dense.read(range(16, 24))), lazy):
        model = build()
        runs.append((fine_tune(model, train, validation, config, 0), model.state_dict()))
    (one, weights), (other, same) = runs
    assert one.training == other.training and one.validation_logits.tobytes() == other.validation_logits.tobytes()
    assert all(torch.equal(value, same[name]) for name, value in weights.items())
    read = StoredWindows.read
    with patch.object(StoredWindows, "read", autospec=True, side_effect=read) as reads:
        assert predict(build(), lazy[0], 4).shape == (16,)
    assert [len(call.args[1]) for call in reads.call_args_list] == [4] * 4


def test_with_a_cache_frozen_blocks_see_each_window_once() -> None:
    seen = {False: 0, True: 0}
    for cached in seen:
        model = build()

        def count(_: object, inputs: tuple[torch.Tensor, ...], __: object, cached: bool = cached) -> None:
            seen[cached] += len(inputs[0]) // 2  # both strands

        model.backbone.layers[0].register_forward_hook(count)
        fine_tune(model, windows(16), windows(8, 1), replace(CONFIG, cache_frozen=cached), 0)
    assert seen == {False: 16 + 3 * (16 + 8), True: 16 + 8}  # the head's scale, then three epochs


@pytest.mark.parametrize("cached", [False, True])
def test_the_head_starts_from_training_states_of_mean_0_and_variance_1_or_less(cached: bool) -> None:
    model, train = build(), windows(16)
    still = replace(TRAINER, learning_rate=1e-12, max_epochs=1)
    fine_tune(model, train, windows(8, 1), replace(CONFIG, cache_frozen=cached, trainer=still), 0)
    with torch.no_grad():
        v = model.head.pooled(model.states(train.ids), train.regions) * model.head.gain + model.head.bias
    sd, mean = torch.std_mean(v.flatten(0, 1), dim=0)
    torch.testing.assert_close(mean, torch.zeros(8), rtol=0, atol=1e-3)
    scaled = sd > 1 - 1e-3  # the others vary less than the median, whose scale they have
    assert scaled.sum() >= len(sd) / 2 and len(torch.unique(model.head.gain[~scaled])) <= 1
    torch.testing.assert_close(sd[scaled], torch.ones(int(scaled.sum())), rtol=1e-3, atol=0)


def test_a_window_and_its_reverse_complement_train_the_same() -> None:
    batch = windows(6)
    batch.ids[0, 20:24] = PAD
    for changes in ({"n_layer": 3}, {"n_layer": 2, "fused_add_norm": False}, {"rcps": False}):
        gradients = []
        for one in (batch, batch.reverse_complement()):
            model = build(**changes).double()
            F.binary_cross_entropy_with_logits(model(one.ids, one.regions), one.label.double()).backward()
            gradients.append({name: p.grad for name, p in model.named_parameters()})
        for name, gradient in gradients[0].items():
            torch.testing.assert_close(gradients[1][name], gradient, rtol=1e-9, atol=1e-13)


def test_predictions_are_the_models_in_any_batches() -> None:
    model, batch = build(), windows(7)
    model.train()
    found = predict(model, batch, 3)
    assert found.dtype == np.float64 and found.shape == (7,) and not model.training
    with torch.no_grad():
        alone = [float(model(batch.ids[n : n + 1], batch.regions[n : n + 1])) for n in range(7)]
    np.testing.assert_allclose(found, alone, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(predict(model, batch, 100), found, rtol=1e-5, atol=1e-7)


def test_scores_are_those_of_the_validation_logits_and_the_best_epoch_is_kept() -> None:
    model, validation = build(), windows(9, 1)
    logs: list[dict[str, float]] = []
    done = fine_tune(model, windows(16), validation, CONFIG, 0, on_epoch=logs.append)
    assert done.validation_logits.shape == (3, 9) and logs == done.training.history
    label = validation.label.numpy()
    for log, logit in zip(logs, done.validation_logits, strict=True):
        p = 1 / (1 + np.exp(-logit))
        assert log["validation_loss"] == pytest.approx(log_loss(label, p), rel=1e-5)
        assert log["validation_auroc"] == pytest.approx(roc_auc_score(label, logit))
        assert log["validation_accuracy"] == pytest.approx(np.mean((p > 0.5) == label))
        assert log["validation_refined_loss"] <= log["validation_loss"] + 1e-9
        scores = {"validation_loss", "validation_refined_loss", "validation_auroc", "validation_accuracy"}
        assert set(log) == {"epoch", "train_loss"} | scores
    best = done.training.best_epoch
    assert best == np.argmin([log["validation_loss"] for log in logs])
    np.testing.assert_allclose(predict(model, validation, 4), done.validation_logits[best], rtol=1e-6)


def test_refined_loss_is_what_the_best_scale_and_shift_leave() -> None:
    rng = np.random.default_rng(0)
    logit = rng.normal(0, 2, 400)
    label = rng.random(400) < 1 / (1 + np.exp(-logit))
    scikit = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(logit[:, None], label)
    expected = log_loss(label, scikit.predict_proba(logit[:, None]))
    for scale, shift in ((1.0, 0.0), (9.0, 0.0), (0.1, -3.0)):
        found = refined_loss(torch.tensor(label), torch.tensor(scale * logit + shift))
        assert found == pytest.approx(expected, abs=1e-6)
    wrong_way = refined_loss(torch.tensor(label), torch.tensor(-logit))
    share = label.mean()
    entropy = -(share * np.log(share) + (1 - share) * np.log(1 - share))
    assert wrong_way == pytest.approx(entropy, abs=1e-3)


def test_same_seed_gives_the_same_weights_and_another_others() -> None:
    def trained(seed: int) -> tuple[dict[str, torch.Tensor], np.ndarray]:
        model = build()
        logits = fine_tune(model, windows(16), windows(8, 1), CONFIG, seed).validation_logits
        return model.state_dict(), logits

    (first, logits), (again, same), (other, _) = (trained(seed) for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert logits.tobytes() == same.tobytes()
    assert any(not torch.equal(first[name], other[name]) for name in first)


class KilledError(Exception):
    pass


def test_a_killed_fine_tuning_resumes_to_the_same_weights_and_logits(tmp_path: Path) -> None:
    def killed(log: dict[str, float]) -> None:
        if log["epoch"] == 1:
            raise KilledError

    train, validation, whole, again = windows(16), windows(8, 1), build(), build()
    expected = fine_tune(whole, train, validation, CONFIG, 0)
    with pytest.raises(KilledError):
        fine_tune(build(), train, validation, CONFIG, 0, tmp_path, killed)
    logs: list[dict[str, float]] = []
    with patch.object(Trainer, "epoch", autospec=True, side_effect=Trainer.epoch) as epoch:
        found = fine_tune(again, train, validation, CONFIG, 0, tmp_path, logs.append)
    assert epoch.call_count == 1 and logs == expected.training.history and found.training == expected.training
    assert found.validation_logits.tobytes() == expected.validation_logits.tobytes()
    state = whole.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in again.state_dict().items())


def altered(batch: WindowBatch, part: str) -> WindowBatch:
    """The same names with another base, label or element."""
    other = batch.select(range(len(batch)))
    if part == "ids":
        other.ids[0, 5] = 17 - other.ids[0, 5]
    elif part == "label":
        other.label[0] = 1 - other.label[0]
    elif part == "regions":
        other.regions[0, 0, 28] = True
    return other


OPTIONS = {
    "depth": {"unfrozen_layers": 2},
    "adapters": {"adapter_rank": 1},
    "rates": {"layer_decay": 0.5},
    "weights": {"class_weights": "balanced"},
}


@pytest.mark.parametrize("part", ["backbone", "head", *OPTIONS, "ids", "label", "regions", "validation", "function"])
def test_checkpoints_of_other_weights_or_windows_are_ignored(part: str, tmp_path: Path) -> None:
    """Such as those of a run before the backbone was trained anew, under the same names of windows."""
    train, validation = windows(16), windows(8, 1)
    fine_tune(build(), train, validation, CONFIG, 0, tmp_path)
    model = build(1 if part == "backbone" else 0)
    config = replace(CONFIG, **OPTIONS.get(part, {}))
    if part == "head":
        model = WindowClassifier(model.backbone, "pair", HeadConfig(9))
    elif part == "function":
        model = build(fused_add_norm=False)
    elif part == "validation":
        validation = altered(validation, "ids")
    elif part not in OPTIONS:
        train = altered(train, part)
    with patch.object(Trainer, "epoch", autospec=True, side_effect=Trainer.epoch) as epoch:
        fine_tune(model, train, validation, config, 0, tmp_path)
    assert epoch.call_count == 3


MOTIFS = (("GATTACCA", "CCTGCGGA"), ("TTCAAGGT", "AGCGTGTC"))


def learned(labels_by_chance: bool) -> float:
    """AUROC on windows not seen, of which word stands in one element says nothing: only whether both match does."""
    train, validation, test = (windows(n, seed, MOTIFS) for n, seed in ((512, 1), (64, 2), (256, 3)))
    if labels_by_chance:
        order = torch.randperm(len(train), generator=torch.Generator().manual_seed(0))
        train = replace(train, label=train.label[order])
    trainer = replace(TRAINER, learning_rate=1e-2, batch_size=32, max_epochs=8, patience=8)
    model = build(hidden=64, d_model=16, n_layer=1, ssm_cfg=SsmConfig(d_state=4))
    fine_tune(model, train, validation, replace(CONFIG, unfrozen_layers=2, trainer=trainer), 0)
    return roc_auc_score(test.label, predict(model, test, 64))


@pytest.mark.slow
def test_pairs_of_words_are_learned() -> None:
    assert learned(labels_by_chance=False) > 0.95


@pytest.mark.slow
def test_shuffled_labels_teach_nothing() -> None:
    assert abs(learned(labels_by_chance=True) - 0.5) < 0.12


def test_a_negative_number_of_layers_is_refused() -> None:
    with pytest.raises(ValueError, match="unfrozen_layers must be at least 0"):
        replace(CONFIG, unfrozen_layers=-1)


def test_dropout_is_drawn_from_its_own_generator_and_keeps_the_mean() -> None:
    x = torch.ones(2000, 5)
    torch.manual_seed(7)
    expected = torch.rand(2)
    torch.manual_seed(7)
    one, two = (dropping(0.3, torch.Generator().manual_seed(1))(x) for _ in range(2))
    assert torch.equal(torch.rand(2), expected) and torch.equal(one, two)
    assert one.unique().tolist() == pytest.approx([0.0, 1 / 0.7])
    assert float(one.mean()) == pytest.approx(1.0, abs=0.03)


def test_dropout_acts_in_training_alone_and_follows_the_seed() -> None:
    train, validation = windows(16), windows(9, 1)
    runs = []
    for share, seed in ((0.0, 0), (0.5, 0), (0.5, 0), (0.5, 1)):
        model = build()
        done = fine_tune(model, train, validation, replace(CONFIG, dropout=share), seed)
        runs.append(done.validation_logits.tobytes())
        kept = done.validation_logits[done.training.best_epoch]
        np.testing.assert_allclose(predict(model, validation, 4), kept, rtol=1e-6)
    assert runs[1] == runs[2] and len(set(runs)) == 3


def test_smoothed_labels_hold_the_logits_at_the_best_value_that_they_have() -> None:
    """Windows that anything tells apart: without smoothing logits grow with every epoch, with it they stop."""
    words = (("ACGTACGT", "ACGTACGT"), ("TTTTTTTT", "TTTTTTTT"))
    train = windows(24, 3, words)
    train.ids[train.label == 0] = int(encode("G")[0])
    trainer = replace(TRAINER, learning_rate=0.1, max_epochs=20, patience=20, weight_decay=0.0)
    largest = {}
    for smoothing in (0.0, 0.2):
        model = build(hidden=12)
        fine_tune(model, train, train, replace(CONFIG, label_smoothing=smoothing, trainer=trainer), 0)
        largest[smoothing] = float(np.abs(predict(model, train, 8)).max())
    best = np.log(2 / 0.2 - 1)
    assert largest[0.2] < 2 * best < largest[0.0]


@pytest.mark.parametrize(("decay", "unfrozen"), [(0.5, 3), (0.5, 1), (1.0, 3)])
def test_blocks_train_at_rates_that_fall_from_the_head_down(decay: float, unfrozen: int) -> None:
    model = build(n_layer=3)
    train = windows(16)
    tuning = _FineTuning(model, train, train, replace(CONFIG, unfrozen_layers=unfrozen, layer_decay=decay))
    rates = {id(p): group["lr"] for group in tuning.optimizer().param_groups for p in group["params"]}
    found = {name: rates[id(p)] for name, p in model.named_parameters() if p.requires_grad}
    lr = TRAINER.learning_rate
    expected = {"head.": lr, "backbone.norm_f.": lr, "backbone.embedding.": lr * decay**4}
    expected |= {f"backbone.layers.{i}.": lr * decay ** (3 - i) for i in range(3)}
    assert len(found) > 10
    for name, rate in found.items():
        (prefix,) = (one for one in expected if name.startswith(one))
        assert rate == pytest.approx(expected[prefix]), name


def rare(n: int, share: int) -> WindowBatch:
    """Windows of which one in `share` is a positive."""
    batch = windows(n)
    return replace(batch, label=(torch.arange(n) % share == 0).float())


def test_balanced_weights_count_both_labels_the_same_and_are_sklearns() -> None:
    train = rare(24, 8)
    tuning = _FineTuning(build(), train, train, replace(CONFIG, class_weights="balanced"))
    rows = torch.arange(24)
    with torch.no_grad():
        logit = tuning.logit(train, rows).double().numpy()
        loss = float(tuning.terms(rows, torch.Generator(), 0)["loss"])
    label = train.label.numpy()
    weight = compute_sample_weight("balanced", label)
    probability = 1 / (1 + np.exp(-(logit - np.log(3 / 21))))
    assert loss == pytest.approx(log_loss(label, probability, sample_weight=weight), rel=1e-5)
    assert weight[label > 0.5].sum() == pytest.approx(weight[label < 0.5].sum())


def test_with_balanced_weights_logits_stay_those_of_the_windows_as_they_are() -> None:
    """Windows alike in all but their label: the best logit is the labels' log odds, which is where training starts."""
    train = rare(32, 8)
    train.ids[:] = train.ids[0]
    for weights in ("none", "balanced"):
        trainer = replace(TRAINER, learning_rate=0.02, max_epochs=30, patience=30, batch_size=32)
        model = build()
        done = fine_tune(model, train, train, replace(CONFIG, class_weights=weights, trainer=trainer), 0)
        np.testing.assert_allclose(predict(model, train, 8), np.log(1 / 7), atol=0.05)
        if weights == "balanced":
            np.testing.assert_allclose(done.validation_logits[0], np.log(1 / 7), atol=0.02)


def test_smoothing_bounds_the_same_logits_with_balanced_weights_as_without() -> None:
    """One positive in a hundred: a sure one has the logit log(2 / s - 1), whatever the weights."""
    balance, smoothing = Balance(0.01), 0.1
    label = torch.tensor([1.0, 0.0], dtype=torch.float64)
    best = torch.logit(balance.target(label, smoothing)) + balance.log_odds
    np.testing.assert_allclose(best, [np.log(2 / smoothing - 1), -np.log(2 / smoothing - 1)])
    assert torch.equal(balance.target(label, 0.0), label)


def test_balanced_weights_of_one_label_are_refused() -> None:
    train = replace(windows(8), label=torch.ones(8))
    with pytest.raises(InputError, match=r"dna\.fine_tune\.class_weights: balanced needs training windows of both"):
        fine_tune(build(), train, windows(8, 1), replace(CONFIG, class_weights="balanced"), 0)
