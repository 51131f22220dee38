"""Everything starts quickly: parameters are read with no scientific library, and a stage imports what it uses."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
STAGES = {path.stem for path in (ROOT / "pipelines").glob("*.py")}
USED_LATER = {"sklearn", "scipy.stats", "scipy.signal", "mlflow", "ray", "great_expectations", "captum", "dvc"}
NO_TORCH = {
    *("dna_data", "dna_split", "dna_validate", "dna_motifs"),
    *("tracks_data", "tracks_split", "tracks_validate", "tracks_radius"),
    *("report", "publish_report"),
}


def imported_by(*codes: str) -> Iterator[set[str]]:
    """The modules that are imported when one process has run each of the codes, which see the root as `ROOT`."""
    parts = [f"{code}\nprint(json.dumps(sorted(sys.modules)))" for code in codes]
    given = "\n".join([f"import json, runpy, sys\nROOT = {str(ROOT)!r}", *parts])
    done = subprocess.run([sys.executable, "-c", given], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return (set(json.loads(line)) for line in done.stdout.splitlines()[-len(codes) :])


def started(stages: set[str]) -> str:
    """The scripts up to their `main`."""
    return "\n".join(f"runpy.run_path(ROOT + '/pipelines/{name}.py', run_name='started')" for name in sorted(stages))


PARAMS = """
from contactlens.ops.params import load_params
params = load_params(ROOT + "/params.yaml")
params.tracks.training, params.tracks.evaluation, params.tracks.search, params.tracks.rules, params.dna.rules("pair")
"""


def test_reading_params_imports_no_scientific_library_and_a_stage_without_a_network_no_torch() -> None:
    params, stages = imported_by(PARAMS, started(NO_TORCH))
    assert params & {"torch", "pandas", "pyarrow", "scipy", "matplotlib", "numba", *USED_LATER} == set()
    assert stages & {"torch", *USED_LATER} == set()


def test_a_trial_of_the_sweep_and_a_stage_with_a_network_import_nothing_that_only_some_runs_use() -> None:
    code = "import contactlens.ops.sweep.trial, contactlens.tracks.training.trial"
    trial, stages = imported_by(code, started(STAGES - NO_TORCH))
    assert trial & {"scipy.optimize", "matplotlib", *USED_LATER} == set()
    assert "torch" in stages and stages & {"matplotlib", *USED_LATER} == set()
