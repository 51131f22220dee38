"""The served classifier says what the classifier says: in this process, and in one that has only the logged model."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from contactlens.base.errors import InputError
from contactlens.base.files import write_json
from contactlens.calibration.classification import Platt
from contactlens.dna.data.batch import batch_of
from contactlens.dna.data.config import CheckLimits
from contactlens.dna.data.genome import Genome
from contactlens.dna.data.window_set import WindowSet
from contactlens.dna.models.caduceus import Caduceus, CaduceusConfig
from contactlens.dna.models.caduceus.config import SsmConfig
from contactlens.dna.models.classifier import WindowClassifier, load_classifier, save_classifier
from contactlens.dna.models.config import HeadConfig
from contactlens.dna.serving.description import Description
from contactlens.dna.serving.model import WindowsModel
from contactlens.dna.serving.sequence_table import sequence_table
from contactlens.dna.serving.served import log_served_classifier
from contactlens.dna.training.fit import predict

LENGTH, PLATT = 90, Platt(slope=7.5, offset=-0.4)


def a_model(task: Any) -> WindowClassifier:
    torch.manual_seed(3)
    backbone = Caduceus(CaduceusConfig(d_model=8, n_layer=1, ssm_cfg=SsmConfig(d_state=4)))
    return WindowClassifier(backbone, task, HeadConfig(8)).eval()


def windows_of(task: Any, n: int = 5) -> WindowSet:
    """Windows of one chromosome, with some N, whose elements all lie elsewhere."""
    rng = np.random.default_rng(0)
    chromosome = "".join(rng.choice(list("ACGTN"), n * LENGTH + 7, p=[0.24, 0.24, 0.24, 0.24, 0.04]))
    start = 7 + LENGTH * np.arange(n)
    table = pd.DataFrame({"window_id": [f"w{i}" for i in range(n)], "chrom": "c1", "win_start": start})
    table = table.assign(win_end=start + LENGTH, label=np.arange(n) % 2, record="c1", record_start=0)
    if task == "pair":
        first = np.arange(n)
        table = table.assign(enh_rel_start=first, enh_rel_end=first + 20, prom_rel_start=50 + first, prom_rel_end=80)
    return WindowSet(task, table, Genome.of({"c1": chromosome}), "toy", {}, None)


def saved(task: Any, folder: Path) -> WindowSet:
    """Windows, and the classifier and its recalibration in `folder`."""
    save_classifier(a_model(task), folder / "classifier")
    write_json(folder / "recalibration.json", PLATT.to_json())
    return windows_of(task)


def describe(windows: WindowSet, folder: Path) -> Description:
    """As the classifier in `folder` would have been trained on all of these windows but the last two."""
    ids = windows.windows["window_id"].tolist()
    limits = CheckLimits(0.3, 0.5, max_distance_ks=0.3, max_shared_element_fraction=0.1, min_windows_per_label=10)
    metrics = {"auroc": {"estimate": 0.9, "low": 0.8, "high": 0.95}}
    found = Description.of(windows, ids[:-2], evaluated="network", metrics=metrics, limits=limits, seed=1)
    found.write(folder / "serving.json")
    return found


def expected(folder: Path, windows: WindowSet) -> tuple[np.ndarray, np.ndarray]:
    logit = predict(load_classifier(folder / "classifier"), batch_of(windows), 2)
    return logit, 1 / (1 + np.exp(-(7.5 * logit - 0.4)))


@pytest.mark.parametrize("task", ["pair", "region"])
def test_it_agrees_with_the_classifier(task: str, tmp_path: Path) -> None:
    windows = saved(task, tmp_path)
    served = WindowsModel.read(tmp_path)
    found = served.predict(sequence_table(windows))
    logit, probability = expected(tmp_path, windows)
    assert np.ptp(logit) > 1e-4
    np.testing.assert_allclose(found["logit"], logit, atol=1e-6)
    np.testing.assert_allclose(found["probability"], probability, atol=1e-5)


CLEAN = """
import importlib.util, json, sys
find_spec = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name == "numba" else find_spec(name, package)
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in "numba ray dvc great_expectations captum modiscolite pyfaidx matplotlib".split():
            raise ImportError(f"the model should do without {name}")
sys.meta_path.insert(0, Refuse())
import mlflow.pyfunc, pandas
model = mlflow.pyfunc.load_model(sys.argv[1])
table = pandas.read_json(sys.argv[2], orient="split")
found = model.predict(table)
table.loc[0, "sequence"] += "A"
try:
    model.predict(table)
except mlflow.exceptions.MlflowException as error:
    refused = str(error)
import contactlens
print(json.dumps({"package": contactlens.__file__, "found": found.to_dict("list"), "refused": refused}))
"""


@pytest.mark.slow
def test_a_clean_process_loads_what_was_logged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without numba there, whose compilation would take longest: the reference scan has to give the same."""
    mlflow = pytest.importorskip("mlflow")
    made = tmp_path / "made"
    windows = saved("pair", made)
    describe(windows, made)
    wanted = expected(made, windows)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    with mlflow.start_run(experiment_id=mlflow.create_experiment("served", (tmp_path / "kept").as_uri())):
        logged = log_served_classifier(
            made / "classifier", [made / "recalibration.json", made / "serving.json"], windows
        )
    model = Path(mlflow.artifacts.download_artifacts(logged.model_uri, dst_path=str(tmp_path / "fetched")))
    assert [path for path in model.rglob("*") if path.suffix in {".pkl", ".pickle", ".pth", ".pt", ".bin"}] == []

    shutil.rmtree(tmp_path / "made")
    sequence_table(windows).to_json(tmp_path / "table.json", orient="split")
    command = [sys.executable, "-c", CLEAN, str(model), "table.json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout.splitlines()[-1])
    assert answer["refused"].startswith("rows 0 (1 of 5): sequences are not of the 90 bp")
    assert Path(answer["package"]).is_relative_to(model)
    for values, right in zip(answer["found"].values(), wanted, strict=True):
        np.testing.assert_allclose(values, right, atol=1e-5)


def pair_server() -> WindowsModel:
    return WindowsModel(a_model("pair"), PLATT)


def test_rows_of_any_length_and_order_do_not_touch_each_other() -> None:
    served, table = pair_server(), sequence_table(windows_of("pair"))
    longer = table.assign(sequence=table["sequence"] + "ACGTACGTTT")
    mixed = pd.concat([table, longer]).sample(frac=1, random_state=1)
    mixed.index = [f"row{i}" for i in range(len(mixed))]
    found = served.predict(mixed)
    alone = pd.concat([served.predict(mixed.iloc[[i]]) for i in range(len(mixed))])
    pd.testing.assert_frame_equal(found, alone, atol=1e-6)
    assert served.predict(table.iloc[:0]).shape == (0, 2)


def test_the_other_strand_has_the_same_probability_and_case_does_not_matter() -> None:
    served, table = pair_server(), sequence_table(windows_of("pair"))
    other = table.assign(sequence=[s[::-1].translate(str.maketrans("ACGT", "TGCA")).lower() for s in table["sequence"]])
    for element in ("enh", "prom"):
        other[f"{element}_rel_start"] = LENGTH - table[f"{element}_rel_end"]
        other[f"{element}_rel_end"] = LENGTH - table[f"{element}_rel_start"]
    pd.testing.assert_frame_equal(served.predict(other), served.predict(table), atol=1e-6)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("sequence", "", r"rows 1 \(1 of 5\): no sequence"),
        ("sequence", None, r"rows 1 \(1 of 5\): no sequence"),
        ("prom_rel_end", LENGTH + 1, r"rows 1 \(1 of 5\): prom_rel_start to prom_rel_end is empty, or not inside"),
        ("enh_rel_start", -1, "enh_rel_start to enh_rel_end"),
        ("enh_rel_end", 1, "enh_rel_start to enh_rel_end is empty"),
    ],
)
def test_rows_without_a_sequence_or_an_element_in_it_are_refused(column: str, value: Any, message: str) -> None:
    table = sequence_table(windows_of("pair"))
    table.loc[1, column] = value
    with pytest.raises(InputError, match=message):
        pair_server().predict(table)
