"""The examples in the docstrings of the public names are run, on the files that the documentation's pages name."""

import doctest
import inspect
from pathlib import Path
from typing import Any

import pytest
import torch

import contactlens
from contactlens.base.files import write_json
from contactlens.calibration.classification import Platt
from contactlens.dna.data.config import CheckLimits
from contactlens.dna.models.caduceus import Caduceus
from contactlens.dna.models.classifier import WindowClassifier, save_classifier
from contactlens.dna.models.config import HeadConfig
from contactlens.dna.serving.description import Description
from docs_blocks import ROOT, blocks_of
from docs_data import SIZES, make_checkout

METHODS = {
    "TracksModel": ("predict", "states", "explain", "drift", "check"),
    "WindowsModel": ("predict", "explain", "drift", "check"),
}
NAMES = [*contactlens.__all__, *(f"{name}.{method}" for name, methods in METHODS.items() for method in methods)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with the pages' files, a model of tracks as the page on use trains one, and a model of regions."""
    folder = make_checkout(tmp_path_factory.mktemp("examples"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        page = blocks_of(ROOT / "docs" / "use.md")
        exec(next(block.text for block in page if block.language == "python"), {})
        (folder / "models/tracks").mkdir(parents=True)
        (folder / "my_model").rename(folder / "models/tracks/champion")
        windows = contactlens.read_windows("peaks.narrowPeak", "hg38.fa", window_bp=500)
    torch.manual_seed(5)
    save_classifier(WindowClassifier(Caduceus(SIZES), "region", HeadConfig(8)).eval(), folder / "models/dna/classifier")
    write_json(folder / "models/dna/recalibration.json", Platt(1.0, 0.0).to_json())
    limits = CheckLimits(0.1, 0.1, 1.0, 1.0, 1)
    ids = windows.windows["window_id"].tolist()
    described = Description.of(windows, ids[:8], evaluated="network", metrics={}, limits=limits, seed=0)
    described.write(folder / "models/dna/serving.json")
    return folder


def object_named(name: str) -> Any:
    found: Any = contactlens
    for part in name.split("."):
        found = getattr(found, part)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_the_example_says_what_happens(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    text = inspect.getdoc(object_named(name)) or ""
    example = doctest.DocTestParser().get_doctest(text, {}, name, None, None)
    assert example.examples, f"{name} has no example"
    said: list[str] = []
    doctest.DocTestRunner().run(example, out=said.append)
    assert not said, "".join(said)


def test_the_methods_are_all_that_a_model_is_asked_for() -> None:
    """A new public method of a model gets an example, or is named here as one that users don't need."""
    inner = {"read", "of_files", "taken", "described", "signal", "info"}
    for name, methods in METHODS.items():
        found = {one for one in vars(object_named(name)) if not one.startswith("_")}
        assert found - inner == set(methods)
