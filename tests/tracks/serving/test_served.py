"""The served model of tracks says what the model says, in this process and in one that has only what was logged."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from served_model import of_an_ensemble

from contactlens.api.load import load_tracks, load_windows
from contactlens.base.errors import InputError
from contactlens.tracks.serving.served import log_served_model, served_table
from same_prediction import assert_same_prediction

pytestmark = of_an_ensemble

CLEAN = """
import json, sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in "ray dvc great_expectations captum modiscolite pyfaidx matplotlib numba".split():
            raise ImportError(f"the model should do without {name}")
sys.meta_path.insert(0, Refuse())
import mlflow.pyfunc, pandas
model = mlflow.pyfunc.load_model(sys.argv[1])
found = model.predict(pandas.read_parquet(sys.argv[2]))
import contactlens
print(json.dumps({"package": contactlens.__file__, "found": found.to_dict("list")}))
"""


def test_nothing_in_it_is_pickled(logged: Path) -> None:
    assert [path for path in logged.rglob("*") if path.suffix in {".pkl", ".pickle", ".pth", ".pt", ".bin"}] == []


def test_a_clean_process_predicts_what_the_model_predicts(logged: Path, served, tmp_path: Path) -> None:
    table = served_table(served.model, served.new)
    table[table["frame"] % 7 != 3].to_parquet(tmp_path / "table.parquet")
    command = [sys.executable, "-c", CLEAN, str(logged), "table.parquet"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout.splitlines()[-1])
    assert Path(answer["package"]).is_relative_to(logged)
    wanted = served.model.predict(table[table["frame"] % 7 != 3])
    found = pd.DataFrame(answer["found"])
    assert found["epistemic"].isna().all() == wanted["epistemic"].isna().all() == (served.form != "ensemble")
    assert_same_prediction(found, wanted)
    assert found["track_id"].tolist() == wanted["track_id"].tolist()


def test_it_takes_arrays_and_tensors_too(logged: Path, served) -> None:
    import mlflow.pyfunc

    array = np.random.default_rng(0).normal(0, 200, (2, 4, 30))
    array[:, 3] = np.linalg.norm(array[:, :3], axis=1)
    inside = mlflow.pyfunc.load_model(str(logged)).unwrap_python_model()
    for given in (array, torch.from_numpy(array)):
        np.testing.assert_allclose(inside.predict(None, given)["mean"], served.model.predict(array)["mean"], rtol=1e-6)


def test_its_signature_and_example_are_in_the_models_units(logged: Path, served) -> None:
    from mlflow.models import Model

    described = Model.load(str(logged))
    inputs = [*served.new.driver.columns]
    assert described.get_input_schema().input_names() == ["track_id", "frame", *inputs]
    given = described.get_output_schema().input_names()
    assert given == [*served.model.predict(served.new)]
    assert described.metadata == {
        "driver": "E-P distance",
        "driver_unit": "nm",
        "signal_unit": "a.u.",
        "frame_interval_s": 30.0,
        "evaluated": served.form,
    }


def test_the_same_model_is_loaded_from_the_registrys_folder(logged: Path, served) -> None:
    pd.testing.assert_frame_equal(load_tracks(logged).predict(served.new), served.model.predict(served.new))


def test_a_version_is_loaded_by_its_alias_its_number_and_the_run_that_registered_it(
    served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    uri = f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    with mlflow.start_run(experiment_id=mlflow.create_experiment("served", (tmp_path / "kept").as_uri())) as run:
        info = log_served_model(served.files, served.tracks)
        for path in served.files:
            mlflow.log_artifact(str(path), "weights")
    mlflow.register_model(info.model_uri, "toy")
    mlflow.MlflowClient().set_registered_model_alias("toy", "champion", "1")
    wanted = served.model.predict(served.new)
    for reference in ("models:/toy@champion", "models:/toy/1", run.info.run_id):
        pd.testing.assert_frame_equal(load_tracks(reference).predict(served.new), wanted)
    with pytest.raises(InputError, match=r"models:/toy/7: the MLflow store does not give this model"):
        load_tracks("models:/toy/7")
    with pytest.raises(InputError, match=r"not give this model .*; there is models:/toy@champion \(version 1\)"):
        load_tracks("models:/toy@candidate")
    with pytest.raises(InputError, match=r"a model of tracks, not of windows"):
        load_windows("models:/toy@champion")
