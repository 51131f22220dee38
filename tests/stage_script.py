"""A stage's script as a module, so that a test can call its parts, and all stages of a workspace in one process."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

PIPELINES = Path(__file__).parents[1] / "pipelines"


def load_script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, PIPELINES / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where a process that it starts looks for its functions
    spec.loader.exec_module(module)
    return module


def run_stages(workspace: Path) -> None:
    """Run every stage of the workspace's dvc.yaml, in its order, in one new process, which starts the libraries once.

    DVC itself starts a process a stage; what it adds, hashes and their order, is tested where it is run.
    """
    code = "import yaml; from stage_script import load_script\n"
    code += "for name in yaml.safe_load(open('dvc.yaml'))['stages']: load_script(name).main()"
    path = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}  # as a stage under DVC has it
    command = [sys.executable, "-c", path + code]
    done = subprocess.run(command, cwd=workspace, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
