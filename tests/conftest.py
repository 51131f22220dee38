"""Shared switches and small track sets whose answers are known."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings

from contactlens.tracks.data.batch import TrackBatch
from fault_table import PROPERTY, FaultTable
from reference_files import WHOLE

# The same examples on every run: what passes here passes everywhere. `--hypothesis-profile default` draws new ones.
settings.register_profile("seeded", deadline=None, derandomize=True, database=None)
settings.load_profile("seeded")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="also run the tests that train, sweep or run a pipeline")
    parser.addoption("--fault-table", type=Path, help="page to write what the injected faults did, if no test fails")


def pytest_configure(config: pytest.Config) -> None:
    if page := config.getoption("--fault-table"):
        config.pluginmanager.register(FaultTable(page))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--slow"):
        config.hook.pytest_deselected(items=[item for item in items if "slow" in item.keywords])
        items[:] = [item for item in items if "slow" not in item.keywords]
    longest_files_first(items)


def longest_files_first(items: list[pytest.Item]) -> None:
    """Files with slow tests, then those with many: with whole files shared out, no worker ends on a long one alone."""
    count = Counter(item.path for item in items)
    slow = {item.path for item in items if "slow" in item.keywords}
    items.sort(key=lambda item: (item.path not in slow, -count[item.path], item.path))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not WHOLE.is_dir():
        terminalreporter.line("reference files: those of tests/data; the further ones of ../shared are not here")


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Tests run side by side; each keeps to one thread."""
    torch.set_num_threads(1)


@pytest.fixture
def record_fault(record_property: Callable[[str, object], None]) -> Callable[[str, str, str], None]:
    """`record_fault(fault, what happened, what was lost)`, called once the test has seen it: a row of the page."""

    def record(fault: str, happened: str, lost: str) -> None:
        record_property(PROPERTY, {"fault": fault, "happened": happened, "lost": lost})

    return record


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
