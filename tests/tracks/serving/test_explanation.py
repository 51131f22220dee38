"""Explanations of single frames add up to what they explain."""

import numpy as np
import pytest
import torch

from contactlens.base.errors import InputError
from contactlens.tracks.data.dataset import batch_of
from contactlens.tracks.models.tasks import model_input


def test_shares_add_up_to_the_change_from_the_reference(served) -> None:
    model = served.model
    found = model.explain(served.new, frames=[20, 45])
    batch = batch_of(served.new)
    x = model_input(model.network.task, batch)
    reference = torch.tensor(model.description.reference)[None, :, None].expand_as(x)
    with torch.no_grad():
        change = (model.network(x, batch.observed) - model.network(reference, batch.observed)).numpy()
    sums = found.groupby(["track_id", "frame", "output"], sort=False)["attribution"].sum()
    assert len(sums) == 5 * 2 * 2
    largest = float(np.abs(change).max())
    for (track, frame, output), total in sums.items():
        wanted = change[batch.track_ids.index(track), ["mean", "logvar"].index(output), frame]
        assert total == pytest.approx(wanted, abs=0.05 * largest)  # of a quadrature in few steps
    channels = [f"from_{name}" for name in served.new.driver.columns]
    np.testing.assert_allclose(found[channels].sum(axis=1), found["attribution"], atol=1e-6)
    assert ((found["frame"] - found["input_frame"]) * 30.0 == found["lag_s"]).all()


def test_without_frames_the_highest_prediction_is_explained(served) -> None:
    model = served.model
    found = model.explain(served.new).drop_duplicates("track_id").set_index("track_id")["frame"]
    batch = batch_of(served.new)
    with torch.no_grad():
        mean = model.network(model_input(model.network.task, batch), batch.observed)[:, 0]
    assert found.loc[batch.track_ids].tolist() == mean.argmax(dim=1).tolist()


def test_a_frame_that_was_not_observed_is_refused(served) -> None:
    with pytest.raises(InputError, match=r"track t000000: frames 99 were not observed"):
        served.model.explain(served.new, frames=[3, 99])
