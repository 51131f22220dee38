"""The project's own params.yaml: valid, and every swept key reaches the field that it names."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from contactlens.base.errors import InputError
from contactlens.ops.params import Params, TracksParams, apply_best, load_params
from contactlens.ops.params.strict import from_mapping, overlay, read_yaml
from contactlens.ops.sweep.run import choose
from contactlens.ops.workspace import overlaid
from contactlens.tracks.training.sweep import SWEPT, swept_values, with_values
from contactlens.training.search import Dimension

PARAMS = Path(__file__).parents[3] / "params.yaml"


@pytest.fixture(scope="module")
def tracks() -> TracksParams:
    return load_params(PARAMS).tracks


def test_swept_values_are_those_of_the_file_and_putting_them_back_changes_nothing(
    tracks: TracksParams,
) -> None:
    raw = read_yaml(PARAMS)["tracks"]
    values = swept_values(tracks.training)
    assert values == {key: raw[section][field] for key, (section, field) in SWEPT.items()}
    assert apply_best(tracks, values) == tracks


@pytest.mark.parametrize("profile", sorted((PARAMS.parent / "profiles").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_profile_fits_over_the_file(profile: Path) -> None:
    assert from_mapping(overlaid(PARAMS, [profile]), Params, "", profile.name) != load_params(PARAMS)


def test_the_full_size_profile_is_the_published_fine_tuning() -> None:
    dna = from_mapping(overlaid(PARAMS, [PARAMS.parent / "profiles/full_size.yaml"]), Params, "", "").dna
    tuned, trainer = dna.fine_tune, dna.fine_tune.trainer
    assert (trainer.learning_rate, trainer.batch_size, trainer.max_epochs, trainer.amp) == (1e-4, 4, 5, True)
    assert (tuned.unfrozen_layers, tuned.cache_frozen, dna.head.hidden) == (2, False, 512)
    assert dna.explain.rows_per_pass == 1 and dna.motifs.method in dna.explain.stored


CHANGES: list[tuple[str, Any, list[tuple[str, str]]]] = [
    ("lambda_contact", 0.25, [("loss", "lambda_contact")]),
    ("radius_init", 321.0, [("gate", "radius_init")]),
    ("gate_sharpness", 7.5, [("gate", "sharpness")]),
    ("learning_rate", 0.0123, [("fit", "learning_rate")]),
    ("width", 17, [("model", "width")]),
    ("depth", 4, [("model", "encoder_depth"), ("model", "decoder_depth")]),
    ("target_logvar", -0.75, [("loss", "target_logvar")]),
]


@pytest.mark.parametrize(("key", "value", "fields"), CHANGES)
def test_a_best_value_changes_its_own_field_alone(
    tracks: TracksParams, key: str, value: Any, fields: list[tuple[str, str]]
) -> None:
    before, after = asdict(tracks), asdict(apply_best(tracks, {key: value}))
    changed = [
        (section, field)
        for section, content in before.items()
        if isinstance(content, dict)
        for field in content
        if content[field] != after[section][field]
    ]
    assert sorted(changed) == sorted(fields)
    section, field = fields[0]
    assert after[section][field] == value


@pytest.mark.parametrize(
    ("best", "message"),
    [
        ({"lambda_contacts": 1.0}, "best.yaml: lambda_contacts: unknown key; did you mean lambda_contact?"),
        ({"width": 8.0}, "best.yaml: model.width: should be a valid integer, got 8.0"),
        ({"gate_sharpness": -1.0}, "best.yaml: gate.sharpness must be positive"),
    ],
)
def test_a_wrong_best_value_is_named(tracks: TracksParams, best: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as raised:
        apply_best(tracks, best, "best.yaml")
    assert str(raised.value).startswith(message)


def test_every_fixed_trial_of_the_default_sweep_is_a_valid_configuration(tracks: TracksParams) -> None:
    trials = tracks.search.fixed
    assert {trial["radius_init"] for trial in trials} > {tracks.gate.radius_init}
    for trial in trials:
        applied = apply_best(tracks, tracks.search.configuration(trial))
        assert applied.gate.radius_init == trial["radius_init"]
        assert applied.training == with_values(tracks.training, trial)


def test_only_keys_of_the_space_are_taken_over_so_that_a_given_lambda_contact_trains(tracks: TracksParams) -> None:
    given = replace(tracks, loss=replace(tracks.loss, lambda_contact=0.7))
    best = choose([{**trial, "budget": 4, "validation_nll": 1.0} for trial in given.search.fixed], given.search)[0]
    assert best["lambda_contact"] == 0.0 and "lambda_contact" not in given.search.searched
    chosen = apply_best(given, {key: best[key] for key in given.search.searched})
    assert chosen.training.loss.lambda_contact == 0.7
    searched = {**given.sweep.space, "lambda_contact": Dimension(loguniform=(0.01, 1.0))}
    assert "lambda_contact" in replace(given, sweep=replace(given.sweep, space=searched)).search.searched


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sweep": {"space": {"lambda_contcat": {"uniform": [0, 1]}}}}, "did you mean lambda_contact?"),
        ({"model": {"kernel_size": 4}}, "tracks.model.kernel_size must be odd"),
        ({"task": "ms2_to_ep"}, "tracks.task: unknown task 'ms2_to_ep'"),
        ({"source": "download"}, "tracks.source: should be 'simulate' or 'import', got 'download'"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    from ruamel.yaml import YAML

    changed = tmp_path / "params.yaml"
    with changed.open("w") as file:
        YAML().dump(overlay(read_yaml(PARAMS), {"tracks": change}, Params), file)
    with pytest.raises(InputError) as raised:
        load_params(changed)
    assert message in str(raised.value)


def keys(content: Any) -> set[str]:
    inner = content.values() if isinstance(content, dict) else []
    return set(content if isinstance(content, dict) else ()) | {key for value in inner for key in keys(value)}


def test_no_param_has_a_name_that_the_run_cache_of_dvc_leaves_out() -> None:
    """DVC 3 drops keys of these names from a stage's hash: a change of their value would not run it."""
    assert not keys(read_yaml(PARAMS)) & {"size", "nfiles"}
