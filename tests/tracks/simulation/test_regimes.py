"""Named parameter sets: one truth for profile and library, and the figures that they claim."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from contactlens.base.errors import InputError
from contactlens.ops.params import Params
from contactlens.ops.params.strict import from_mapping
from contactlens.ops.workspace import overlaid
from contactlens.tracks.data.track_set import TrackSet
from contactlens.tracks.simulation.config import SimulationConfig
from contactlens.tracks.simulation.experiment import simulate_arrays
from contactlens.tracks.simulation.regimes import MOUSE_ES_CELLS, PUBLISHED_BENCHMARK
from contactlens.tracks.simulation.simulate import simulate, simulation_of

ROOT = Path(__file__).parents[3]


def profile_of(name: str, **changes: object) -> SimulationConfig:
    whole = overlaid(ROOT / "params.yaml", [ROOT / f"profiles/{name}.yaml"])
    whole["tracks"]["simulate"].update(changes)
    return from_mapping(whole, Params, "", "params").tracks.simulate


def test_the_profile_of_mouse_es_cells_is_the_named_set() -> None:
    assert profile_of("mesc") == MOUSE_ES_CELLS


def test_the_default_parameters_name_no_process_that_is_absent() -> None:
    config = SimulationConfig()
    assert set(config.recorded()).isdisjoint({"msd_exponent", "exposure_s", "contact_law", "start"})
    assert SimulationConfig.from_record(config.recorded()) == config


def test_a_regime_is_read_back_from_its_truth(tmp_path: Path) -> None:
    config = replace(MOUSE_ES_CELLS, n_tracks=3, n_frames=5, substeps_per_frame=2, beads=10, loci=(2, 6))
    simulate(config, 1).write(tmp_path / "tracks")
    assert simulation_of(TrackSet.read(tmp_path / "tracks")) == config


def test_mouse_es_cells_burst_rarely_and_long_and_load_few_polymerases() -> None:
    """Mean signal is P(on) x loading rate x (dwell - ramp / 2), whatever the distance does to P(on)."""
    experiment = simulate_arrays(replace(MOUSE_ES_CELLS, n_tracks=200), 2)
    bursts = experiment.bursts
    length = (bursts.end_s - bursts.start_s)[bursts.start_s < 9000]
    assert length.mean() / 60 == pytest.approx(50, abs=4 * 50 / np.sqrt(length.size))
    on = experiment.promoter_on.mean()
    assert 0.1 < on < 0.6
    expected = 0.65 / 60 * (390 - 14) * on
    assert experiment.ms2.mean() == pytest.approx(expected, rel=0.2)
    first, last = experiment.promoter_on[:, :60].mean(), experiment.promoter_on[:, -60:].mean()
    assert abs(first - last) < 4 * 0.5 / np.sqrt(200)


def test_the_published_benchmark_has_its_figures() -> None:
    config = PUBLISHED_BENCHMARK
    assert (config.contact_radius_nm, 60 * config.k_on_per_s, config.n_tracks) == (30.0, 20.0, 100)
    assert config.duration_s == 300 * 60
    assert config.frame_interval_s == 30
    np.testing.assert_allclose(config.separation_noise_nm, 40 * np.sqrt(2))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("msd_exponent", 0.6),
        ("confinement_time_s", 0.0),
        ("release_radius_nm", 20.0),
        ("contact_between_substeps", "yes"),
        ("activation_steps", 0),
        ("exposure_s", 31.0),
        ("loading_fano", 0.0),
        ("localisation_noise_nm", ((1.0, 1.0, 1.0), (1.0, -1.0, 1.0))),
        ("unresponsive_fraction", 1.5),
        ("contact_law", "cliff"),
        ("ms2_background", float("nan")),
    ],
)
def test_an_impossible_regime_is_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(InputError, match=rf"SimulationConfig.{field}"):
        replace(SimulationConfig(), **{field: value})


def test_a_file_with_an_unknown_law_is_refused_by_key() -> None:
    with pytest.raises(InputError, match=r"tracks\.simulate\.contact_law"):
        profile_of("mesc", contact_law="cliff")
