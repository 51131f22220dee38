"""Everything starts quickly: parameters are read with no scientific library, and a stage imports what it uses."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
STAGES = {path.stem for path in (ROOT / "pipelines").glob("*.py")}
USED_LATER = {"sklearn", "scipy.stats", "scipy.signal", "mlflow", "ray", "great_expectations", "captum", "dvc"}
NO_TORCH = {
    *("dna_data", "dna_split", "dna_validate", "dna_motifs"),
    *("tracks_data", "tracks_split", "tracks_validate", "tracks_radius"),
    *("report", "publish_report"),
}


def imported_by(code: str) -> set[str]:
    """The modules that are imported when a process has run `code`, which sees the repository's root as `ROOT`."""
    given = f"import json, runpy, sys\nROOT = {str(ROOT)!r}\n{code}\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", given], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def started(stages: set[str]) -> str:
    """The scripts up to their `main`."""
    return "\n".join(f"runpy.run_path(ROOT + '/pipelines/{name}.py', run_name='started')" for name in sorted(stages))


def test_reading_params_imports_neither_torch_nor_pandas_nor_scipy() -> None:
    code = """
from contactlens.ops.params import load_params
params = load_params(ROOT + "/params.yaml")
params.tracks.training, params.tracks.evaluation, params.tracks.search, params.tracks.rules, params.dna.rules("pair")
"""
    assert imported_by(code) & {"torch", "pandas", "pyarrow", "scipy", "matplotlib", "numba", *USED_LATER} == set()


def test_a_stage_without_a_network_imports_no_torch() -> None:
    assert imported_by(started(NO_TORCH)) & {"torch", *USED_LATER} == set()


def test_a_stage_with_a_network_imports_nothing_that_only_some_runs_use() -> None:
    assert imported_by(started(STAGES - NO_TORCH)) & {"matplotlib", *USED_LATER} == set()


def test_a_trial_of_the_sweep_imports_what_training_needs() -> None:
    trial = imported_by("import contactlens.ops.sweep.trial, contactlens.tracks.training.trial")
    assert trial & {"scipy.optimize", "matplotlib", *USED_LATER} == set()
