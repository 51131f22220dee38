"""Checks of an explanation: completeness in closed form, references outside of what a model says of windows."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from contactlens.base.errors import InputError
from contactlens.dna.data.batch import WindowBatch
from contactlens.dna.data.tokens import one_hot_bases
from contactlens.dna.explanation.attributions import Attributions
from contactlens.dna.explanation.believed import believed
from contactlens.dna.explanation.checks import (
    best_first,
    check_methods,
    read_checks,
    refusals,
    usable_method,
)
from contactlens.dna.explanation.methods import BEST_FIRST, AttributionSettings, attribute
from contactlens.dna.explanation.methods.lrp import one_hot_tokens
from contactlens.dna.explanation.references import reference_table
from contactlens.dna.report.explanations import check_rows

METHODS = ("integrated_gradients", "region_integrated_gradients", "saliency")


class Power(nn.Module):
    """(sum of weights of the bases inside) to a power: its path integral needs more nodes than steps of 1."""

    def __init__(self, power: int) -> None:
        super().__init__()
        self.power = power
        self.weight = nn.Parameter(torch.linspace(0.1, 1.6, 16, dtype=torch.float64))

    def forward_one_hot(self, x: torch.Tensor, regions: torch.Tensor) -> torch.Tensor:
        return ((x @ self.weight) * regions.any(1)).sum(1) ** self.power

    def forward(self, ids: torch.Tensor, regions: torch.Tensor) -> torch.Tensor:
        return self.forward_one_hot(one_hot_tokens(self, ids), regions)


def batch_of_windows(n: int = 5, length: int = 12) -> WindowBatch:
    ids = torch.randint(7, 11, (n, length), generator=torch.Generator().manual_seed(0))
    regions = torch.zeros(n, 2, length, dtype=torch.bool)
    regions[:, 0, :5] = regions[:, 1, 6:] = True
    return WindowBatch(ids, regions, torch.ones(n), [f"w{i}" for i in range(n)])


def explained(model: nn.Module, batch: WindowBatch, steps: int = 64) -> dict[str, Attributions]:
    logits = model(batch.ids, batch.regions).detach().numpy()
    one_hot = one_hot_bases(batch.ids).numpy().astype(np.uint8)
    settings = AttributionSettings(steps, 4)
    return {
        method: Attributions(
            np.array(batch.window_ids), logits, attribute(model, batch.ids, batch.regions, method, settings), one_hot
        )
        for method in METHODS
    }


def test_the_errors_and_references_are_those_of_the_closed_form() -> None:
    model, batch = Power(2), batch_of_windows()
    found = explained(model, batch)
    # Half of what integrated gradients say is missed by definition.
    found["integrated_gradients"] = Attributions(
        found["integrated_gradients"].window_ids,
        found["integrated_gradients"].logits,
        found["integrated_gradients"].hypothetical / 2,
        found["integrated_gradients"].one_hot,
    )
    table = reference_table(model, batch, found, AttributionSettings(64, 2))
    assert list(table["method"].unique()) == ["integrated_gradients", "region_integrated_gradients"]
    weight = model.weight.detach().numpy()
    mean, inside = weight[7:11].mean(), batch.regions.any(1).numpy()
    own = weight[batch.ids.numpy()]
    whole = table[table["method"] == "integrated_gradients"]
    np.testing.assert_allclose(whole["reference_logit"], (mean * inside.sum(1)) ** 2)
    np.testing.assert_allclose(whole["completeness_error"], 0.5, atol=1e-5)
    np.testing.assert_allclose(whole["logit"], (own * inside).sum(1) ** 2)
    region = table[table["method"] == "region_integrated_gradients"]
    faded = [np.where(part, mean, own * inside).sum(1) ** 2 for part in batch.regions.numpy().swapaxes(0, 1)]
    np.testing.assert_allclose(region["reference_logit"], np.mean(faded, axis=0))
    np.testing.assert_allclose(region["change"], np.abs(whole["logit"].to_numpy() - faded).sum(0), rtol=1e-9)
    assert (region["completeness_error"] < 1e-5).all()


def test_too_few_nodes_of_the_integral_are_told_and_refused() -> None:
    model, batch = Power(20), batch_of_windows()
    logits = np.array([0.0, 1e30])
    errors = []
    for steps in (1, 64):
        table = reference_table(model, batch, explained(model, batch, steps), AttributionSettings(steps, 4))
        checks = check_methods(METHODS, table, logits, 0.01).set_index("method")
        errors.append(checks["completeness_error"]["integrated_gradients"])
        assert bool(checks["refused"]["integrated_gradients"]) == (steps == 1)
    assert errors[0] > 0.01 > errors[1]


def references(error: float, logit: float) -> pd.DataFrame:
    return pd.DataFrame(
        {"method": "integrated_gradients", "reference_logit": [logit] * 3, "missed": error, "change": 1.0}
    )


@pytest.mark.parametrize(
    ("error", "logit", "reason"),
    [
        (0.01, 0.0, ""),
        (0.5, 0.0, "contributions miss 50% of the logit's change (limit 25%)"),
        (0.01, 209.0, "the reference's logit, 209, is outside of those of windows, -125 to 104"),
    ],
)
def test_a_method_is_refused_for_its_error_or_for_its_reference(error: float, logit: float, reason: str) -> None:
    checks = check_methods(METHODS, references(error, logit), np.array([-125.0, 104.0]), 0.25)
    assert checks["refused"].tolist() == [reason, "", ""]
    assert refusals(checks) == ([f"integrated_gradients is refused for this model: {reason}"] if reason else [])
    used, why = usable_method("integrated_gradients", checks)
    assert used == ("region_integrated_gradients" if reason else "integrated_gradients")
    assert why == refusals(checks)


def test_the_next_method_of_the_table_takes_the_place_also_after_a_file(tmp_path: Path) -> None:
    checks = check_methods(METHODS, references(0.9, 0.0), np.array([-1.0, 1.0]), 0.25)
    checks.to_csv(tmp_path / "method_checks.csv", index=False)
    read = read_checks(tmp_path)
    assert usable_method("integrated_gradients", read)[0] == "region_integrated_gradients"
    assert usable_method("best", read)[0] == "region_integrated_gradients"
    assert usable_method("saliency", read) == ("saliency", [])
    assert read_checks(tmp_path / "none") is None
    assert usable_method("lrp", None) == ("lrp", [])
    assert usable_method("best", None) == (BEST_FIRST[0], [])
    check_methods(METHODS, references(0.1, 0.0), np.array([-1.0, 1.0]), 0.25).to_csv(
        tmp_path / "method_checks.csv", index=False
    )
    fine = read_checks(tmp_path)
    assert usable_method("integrated_gradients", fine) == ("integrated_gradients", []) and refusals(fine) == []
    shown = check_rows(fine)
    assert shown["method"].tolist() == ["integrated gradients"] and shown["verdict"].tolist() == ["used"]
    assert check_rows(read)["verdict"].tolist() == ["refused"]
    alone = check_methods(METHODS[:1], references(0.9, 0.0), np.array([-1.0, 1.0]), 0.25)
    with pytest.raises(
        InputError, match=r"all are refused for this model; integrated_gradients is refused .* contributions miss 90%"
    ):
        usable_method("integrated_gradients", alone)


class Outlier(nn.Module):
    """The count of G in the regions, but 209 for every place that holds no base in particular."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(16, dtype=torch.float64).index_fill(0, torch.tensor(9), 1.0))

    def forward_one_hot(self, x: torch.Tensor, regions: torch.Tensor) -> torch.Tensor:
        uneven = 1 - x.square().sum(-1)  # 0 at a base, 3/4 at a quarter of each
        return ((x @ self.weight + 209 * uneven) * regions.any(1)).sum(1)

    def forward(self, ids: torch.Tensor, regions: torch.Tensor) -> torch.Tensor:
        return self.forward_one_hot(one_hot_tokens(self, ids), regions)


def test_a_reference_that_no_window_is_like_is_refused_as_it_is_attributed(capsys: pytest.CaptureFixture) -> None:
    """The reference's logit is far above those of the windows and of their shuffles, as in a real set of peaks."""
    batch, settings = batch_of_windows(), AttributionSettings(64, 4)
    found = believed(Outlier(), [batch], "integrated_gradients", settings, 0.25)
    assert found.method == "region_shuffled_integrated_gradients"  # shuffles have the scores of windows
    assert [sentence.split(" is refused")[0] for sentence in found.refused] == [
        "integrated_gradients",
        "region_integrated_gradients",
    ]
    assert all("the reference's logit" in sentence and "is outside of those" in sentence for sentence in found.refused)
    assert "region_shuffled_integrated_gradients takes its place" in capsys.readouterr().out
    fine = believed(Power(1), [batch], "integrated_gradients", settings, 0.25)
    assert (fine.method, fine.refused) == ("integrated_gradients", []) and capsys.readouterr().out == ""


def test_what_the_pipeline_refused_stays_refused_and_its_range_of_logits_holds() -> None:
    batch, settings = batch_of_windows(), AttributionSettings(64, 4)
    known = check_methods(METHODS, references(0.9, 0.0), np.array([-1.0, 1.0]), 0.25)
    found = believed(Power(1), [batch], "best", settings, 0.25, known)
    assert found.method == "region_integrated_gradients" and "miss 90%" in found.refused[0]
    wide = check_methods(METHODS, references(0.1, 0.0), np.array([-1.0, 1000.0]), 0.25)
    found = believed(Outlier(), [batch], "integrated_gradients", AttributionSettings(300, 4), 0.5, wide)
    assert found.method == "region_integrated_gradients" and len(found.refused) == 1


def test_the_best_is_said_by_planted_bases_and_by_what_the_model_does() -> None:
    columns = ["method", "metric", "estimate", "control"]
    gains = [(method, "deletion_gain", value, False) for method, value in zip(METHODS, (0.1, 0.3, 0.2), strict=True)]
    gains += [(method, "insertion_gain", 0.1, False) for method in METHODS]
    table = pd.DataFrame(gains, columns=columns)
    assert best_first(METHODS, table) == ["region_integrated_gradients", "saliency", "integrated_gradients"]
    planted = [("saliency", "planted_auroc", 0.8, False), ("integrated_gradients", "planted_auroc", 0.7, False)]
    planted += [(METHODS[1], "planted_auroc", 0.6, False), (METHODS[1], "planted_auroc", 0.99, True)]
    table = pd.DataFrame(gains + planted, columns=columns)  # ranks by bases 2, 3, 1 and by gains 3, 1, 2
    assert best_first(METHODS, table) == ["saliency", "region_integrated_gradients", "integrated_gradients"]
    assert best_first(METHODS, table.iloc[:0]) == list(METHODS)


def test_mutagenesis_comes_last_and_takes_no_rank_from_the_others() -> None:
    methods = ("mutagenesis", "saliency", "integrated_gradients")
    table = pd.DataFrame(
        [
            (method, metric, value, False)
            for method, values in zip(methods, ((0.9, 0.5, 0.5), (0.8, 0.1, 0.1), (0.7, 0.2, 0.2)), strict=True)
            for metric, value in zip(("planted_auroc", "deletion_gain", "insertion_gain"), values, strict=True)
        ],
        columns=["method", "metric", "estimate", "control"],
    )
    assert best_first(methods, table) == ["saliency", "integrated_gradients", "mutagenesis"]  # a tie: as given
