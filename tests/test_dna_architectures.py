"""The comparison of backbones over seeds, benchmarks/dna_architectures.py."""

import runpy
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

from contactlens.calibration.bootstrap import resample_counts
from contactlens.dna.evaluation.config import EvaluateConfig
from contactlens.dna.simulation.config import SimulationConfig
from contactlens.dna.simulation.simulate import simulate_windows

SCRIPT = runpy.run_path(str(Path(__file__).parents[1] / "benchmarks" / "dna_architectures.py"))


def test_a_replicate_is_the_mean_auroc_of_the_seeds_it_draws_on_the_windows_it_draws() -> None:
    rng = np.random.default_rng(0)
    y = np.repeat([0.0, 1.0], 20)
    logits = rng.standard_normal((3, 40)) + y
    counts, seeds = resample_counts(40, 5, 1), resample_counts(3, 5, 2)
    found = SCRIPT["replicates"](y, logits, np.vstack([np.ones(40), counts]), seeds)
    assert np.isclose(found[0], np.mean([roc_auc_score(y, row) for row in logits]))
    for replicate, weights, drawn in zip(found[1:], counts, seeds, strict=True):
        each = [row for row, n in zip(logits, drawn.astype(int), strict=True) for _ in range(n)]
        assert np.isclose(replicate, np.mean([roc_auc_score(y, row, sample_weight=weights) for row in each]))


def test_the_lead_is_paired_and_widens_with_seeds_that_differ() -> None:
    config = SimulationConfig(grammar="arrangement", sites_per_factor=(1, 4), n_chromosomes=2, n_windows=200)
    test = simulate_windows(config, 0)
    y = test.windows["label"].to_numpy()
    rng = np.random.default_rng(0)
    scan = y + rng.standard_normal(200)
    alike = np.stack([scan, scan])
    apart = np.stack([y * 4.0 + rng.standard_normal(200), rng.standard_normal(200)])
    logits = {"alike": alike, "apart": apart, "motif_scan": scan[None]}
    table = SCRIPT["table_of"](test, logits, EvaluateConfig(200, 0.95, 10), 0, "motif_scan").set_index(
        ["model", "windows"]
    )
    assert set(table.index.get_level_values("windows")) == {"all", "orientation", "order", "spacing"}
    same = table.xs("alike")[["lead", "lead_low", "lead_high"]]
    assert np.allclose(same, 0, atol=1e-12)
    row = table.loc[("apart", "all")]
    assert (
        row["lead_low"] < np.mean([roc_auc_score(y, one) for one in apart]) - roc_auc_score(y, scan) < row["lead_high"]
    )
    assert row["lead_high"] - row["lead_low"] > 0.3  # one seed knows, one doesn't


def test_what_is_done_is_taken_up_where_it_was_made_alike(tmp_path: Path) -> None:
    path, made = tmp_path / "states" / "one.npz", []

    def compute() -> np.ndarray:
        made.append(1)
        return np.arange(3.0) + len(made)

    first = SCRIPT["kept"](path, {"seed": 1}, compute)
    assert np.array_equal(SCRIPT["kept"](path, {"seed": 1}, compute), first) and len(made) == 1
    assert np.array_equal(SCRIPT["kept"](path, {"seed": 2}, compute), first + 1) and len(made) == 2
