"""What a model of tracks was trained on, and which quantities of new tracks differ from it."""

from dataclasses import replace

import pytest

from contactlens.tracks.serving.training_set import TrainingSet


def test_it_describes_a_track_set_and_survives_the_file(served) -> None:
    ids = served.tracks.frames["track_id"].unique().tolist()
    own = TrainingSet.of(served.tracks, ids[:8], 1)
    assert (own.tracks, own.frames, own.held_out) == (8, 8 * 61, 16)
    assert own.quantities == TrainingSet.of(served.tracks, ids[:8], 1).quantities
    assert [q.name for q in own.quantities] == ["E-P distance", "ms2", "frames per track"]
    assert served.model.description.training.quantities[0].values == pytest.approx(own.quantities[0].values)


def test_a_model_tells_scaled_distances_from_its_own(served) -> None:
    drift = served.model.drift(served.new).set_index(["quantity", "measure"])
    assert not drift["drifted"].any()
    columns = ["ep_x_nm", "ep_y_nm", "ep_z_nm", "ep_distance_nm"]
    scaled = replace(served.new, frames=served.new.frames.assign(**{c: 3 * served.new.frames[c] for c in columns}))
    drift = served.model.drift(scaled).set_index(["quantity", "measure"])
    assert drift.loc[("E-P distance", "ks"), "drifted"] and drift.loc[("E-P distance", "wasserstein"), "drifted"]
    assert not drift.loc["ms2"]["drifted"].any()


def test_a_signal_that_was_not_imaged_is_left_out(served) -> None:
    silent = replace(served.new, frames=served.new.frames.drop(columns="ms2"), signal_unit=None)
    assert set(served.model.drift(silent)["quantity"]) == {"E-P distance", "frames per track"}
