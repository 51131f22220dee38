"""Shared switches and small track sets whose answers are known."""

import numpy as np
import pytest
import torch

from contactlens.tracks.batch import TrackBatch


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="also run the tests that train, sweep or run a pipeline")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--slow"):
        return
    for item in items:
        if "slow" in item.keywords:
            item.add_marker(pytest.mark.skip(reason="slow; run with --slow"))


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Tests run side by side; each keeps to one thread."""
    torch.set_num_threads(1)


@pytest.fixture
def contact_batch() -> TrackBatch:
    """48 tracks of 80 frames whose signal is 4 where the distance is below 150 and 0 elsewhere, noise SD 0.5."""
    rng = np.random.default_rng(7)
    vector = rng.normal(0, 130, size=(48, 3, 80)).astype(np.float32)
    distance = np.linalg.norm(vector, axis=1, keepdims=True)
    signal = 4 * (distance[:, 0] < 150) + rng.normal(0, 0.5, size=(48, 80))
    return TrackBatch(
        driver=torch.from_numpy(np.concatenate([vector, distance], axis=1)),
        signal=torch.from_numpy(signal.astype(np.float32)),
        observed=torch.ones(48, 80, dtype=torch.bool),
        track_ids=[f"t{i:02d}" for i in range(48)],
        groups=[f"g{i % 6}" for i in range(48)],
        frame_interval_s=30.0,
    )
