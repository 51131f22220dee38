"""A stage's script as a module, so that a test can call its parts."""

import importlib.util
from pathlib import Path
from types import ModuleType

PIPELINES = Path(__file__).parents[1] / "pipelines"


def load_script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, PIPELINES / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
