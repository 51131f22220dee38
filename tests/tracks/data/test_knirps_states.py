"""The import of published states, and agreement against scikit-learn and a mean by hand."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from contactlens.base.errors import InputError
from contactlens.tracks.data.dataset import batch_of
from contactlens.tracks.data.knirps_states import agreement, import_states
from reference_files import both


def write(path: Path, **changes: object) -> Path:
    """Two embryos, three fragments of four frames of 20 s; fragment 10 comes before fragment 9."""
    fragment = np.repeat([10, 9, 11], 4)
    columns = {
        "fragment": fragment,
        "embryo": np.where(fragment == 11, 2, 1),
        "time_s": 100 + 20 * np.tile(np.arange(4), 3),
        "knirps_au": 2.0,
        "ms2_au": np.arange(12.0),
        "p_on": fragment / 100 + np.tile([0.0, 0.1, 0.2, 0.3], 3),
    }
    pd.DataFrame(columns | changes).to_csv(path, index=False)
    return path


def test_published_states_are_in_step_with_the_batch(tmp_path: Path):
    published = import_states(write(tmp_path / "states.csv"))
    batch = batch_of(published.track_set)
    names = np.array(batch.track_ids, dtype=float)
    expected = names[:, None] / 100 + np.array([0.0, 0.1, 0.2, 0.3])
    np.testing.assert_allclose(published.grid(batch), expected)
    np.testing.assert_allclose(published.grid(batch.select([2])), expected[[2]])
    assert dict(zip(batch.track_ids, batch.groups, strict=True)) == {"9": "1", "10": "1", "11": "2"}
    assert batch.frame_interval_s == 20


@pytest.mark.parametrize("value", [1.2, -0.1, np.nan])
def test_what_is_no_probability_is_refused_with_its_line(tmp_path: Path, value: float):
    path = write(tmp_path / "states.csv", p_on=[0.5] * 11 + [value])
    with pytest.raises(InputError, match=r"column 'p_on': 1 cells are no probability; first at line 13"):
        import_states(path)


def noisy_copies(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[str]]:
    rng = np.random.default_rng(seed)
    published = rng.random((60, 30))
    noise = rng.uniform(0.1, 1, size=6).repeat(10)[:, None]
    p_on = published + noise * rng.normal(size=published.shape)
    return p_on, published, rng.random(published.shape) < 0.9, [f"e{i // 10}" for i in range(60)]


def test_agreement_is_by_embryo_on_observed_frames():
    p_on, published, observed, embryo = noisy_copies(0)
    found = agreement(np.where(observed, p_on, np.nan), published, observed, embryo)
    for index, row in enumerate(found.by_embryo.itertuples()):
        seen = np.zeros_like(observed)
        seen[10 * index : 10 * index + 10] = observed[10 * index : 10 * index + 10]
        assert (row.embryo, row.fragments, row.frames) == (f"e{index}", 10, seen.sum())
        assert row.auroc == pytest.approx(roc_auc_score(published[seen] >= 0.5, p_on[seen]))
        assert row.spearman == pytest.approx(stats.spearmanr(p_on[seen], published[seen])[0])
    overall = found.overall.set_index("metric")
    for metric in ("auroc", "spearman"):
        values = found.by_embryo[metric]
        assert overall.loc[metric, "estimate"] == pytest.approx(values.mean())
        spread = values.std(ddof=0) / np.sqrt(6)
        width = overall.loc[metric, "high"] - overall.loc[metric, "low"]
        assert width == pytest.approx(2 * 1.96 * spread, rel=0.2)


def test_an_embryo_that_never_switches_has_no_auroc():
    p_on, published, observed, embryo = noisy_copies(1)
    published[:10] /= 4
    found = agreement(p_on, published, observed, embryo)
    assert np.isnan(found.by_embryo["auroc"][0]) and np.isfinite(found.by_embryo["spearman"]).all()
    overall = found.overall.set_index("metric")
    assert overall.loc["auroc", "estimate"] == pytest.approx(found.by_embryo["auroc"][1:].mean())


@pytest.mark.parametrize("path", both("data/knirps_cphmm_states.csv.gz"))
def test_published_states_follow_ms2_in_every_real_embryo(path: Path):
    published = import_states(path)
    batch = batch_of(published.track_set)
    assert tuple(batch.signal.shape) in ((72, 45), (2937, 45)) and bool(batch.observed.all())
    signal, states = batch.signal.numpy(), published.grid(batch)
    rise = np.gradient(signal, axis=1)
    found = agreement(rise, states, batch.observed.numpy(), batch.groups, replicates=200)
    assert len(found.by_embryo) == 9
    assert (found.by_embryo["auroc"] > 0.6).all()
    turned = agreement(rise, states[:, ::-1], batch.observed.numpy(), batch.groups, replicates=200)
    assert (turned.by_embryo["auroc"] < found.by_embryo["auroc"]).all()
