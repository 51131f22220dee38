"""How a pipeline script starts, on sound inputs, and ends: with a line each, or with one message and status 1."""

import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from contactlens.base.errors import InputError, message_of
from contactlens.ops.processes import INTERRUPTED, end_with_parent
from contactlens.ops.progress import duration, progress_shown
from contactlens.ops.redaction import redacted
from contactlens.ops.runs.store import store_errors
from contactlens.ops.runs.stored import changed_inputs, how_to_restore, require_unchanged_inputs
from contactlens.ops.runs.tracking import tracking_uri
from contactlens.ops.sweep.trial import SweepError
from contactlens.ops.threads import one_thread

DVC_FILE = Path("dvc.yaml")
SOURCES = ("pipelines", "src")
PATHS_WIDTH = 36  # characters of paths in a line of progress


class Compute(Protocol):
    """What a stage computes on: `tracks.fit` and the DNA branch's trainers are such."""

    @property
    def device(self) -> str: ...
    @property
    def threads(self) -> int: ...


@dataclass(frozen=True)
class StageFiles:
    """What a stage reads, sources left out, and writes, as dvc.yaml declares it."""

    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, name: str) -> "StageFiles":
        """Empty for a script that is no DVC stage."""
        from contactlens.ops.params.strict import read_yaml

        declared = read_yaml(DVC_FILE)["stages"].get(name, {}) if DVC_FILE.is_file() else {}
        inputs = [path for path in declared.get("deps", []) if Path(path).parts[0] not in SOURCES]
        outputs = [_path(out) for kind in ("outs", "metrics") for out in declared.get(kind, [])]
        return cls(inputs, outputs)


def _path(out: Any) -> str:
    """An output of dvc.yaml: a path, or a path with its settings."""
    return out if isinstance(out, str) else str(next(iter(out)))


def stage(main: Callable[[], None], compute: Callable[[Any], Compute] | None = None) -> None:
    """Run a stage's `main` between a line of what it starts from and one of what it wrote, with its progress.

    compute: of the parameters, for a stage that computes on a device
    A user's mistake, an output that can't be written, a lost store and an interrupted sweep are one message on stderr
    and exit status 1; Ctrl-C elsewhere has the shell's own status for it. Under DVC, inputs that are not what their
    stage wrote are such a mistake, and DVC's end is the stage's end.
    """
    name, began = Path(sys.argv[0]).stem, time.monotonic()
    under_dvc = os.environ.get("DVC_STAGE", "").rpartition(":")[2]
    try:
        if under_dvc:
            end_with_parent()
            require_unchanged_inputs(under_dvc)
        files = StageFiles.of(name)
        print(_start_line(name, files, compute), flush=True)
        with one_thread(), progress_shown(name), store_errors(tracking_uri()):
            main()
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        raise SystemExit(INTERRUPTED) from None
    except Exception as error:
        message = str(error) if isinstance(error, SweepError) else message_of(error)
        if message is None:
            raise
        lines = [redacted(f"error: {message}"), *([] if under_dvc else _changed(error))]
        print("\n".join(lines), file=sys.stderr)
        raise SystemExit(1) from None
    wrote = f"wrote {_listed(files.outputs)}" if files.outputs else "done"
    print(f"{name}: {wrote} in {duration(time.monotonic() - began)}", flush=True)


def _changed(error: Exception) -> list[str]:
    """For a script run by hand, which inputs DVC could restore."""
    name = Path(sys.argv[0]).stem
    if not isinstance(error, (InputError, FileNotFoundError)) or not Path("dvc.yaml").is_file():
        return []
    return [how_to_restore(out) for out in changed_inputs(name)]


def _listed(paths: Sequence[str]) -> str:
    """As many of the first paths as fit beside the rest on a terminal's line, and how many more there are."""
    shown = 1
    while shown < len(paths) and len(", ".join(paths[: shown + 1])) <= PATHS_WIDTH:
        shown += 1
    more = len(paths) - shown
    return ", ".join(paths[:shown]) + (f" and {more} more" if more else "")


def _start_line(name: str, files: StageFiles, compute: Callable[[Any], Compute] | None) -> str:
    from contactlens.ops.params import PARAMS_FILE, load_params

    params = load_params() if Path(PARAMS_FILE).is_file() else None
    source = f"from {_listed(files.inputs)}; " if files.inputs else ""
    place = _place(compute(params)) if compute else "cpu"
    return f"{name}: {source}{place}{'' if params is None else f', seed {params.seed}'}"


def _place(on: Compute) -> str:
    from contactlens.base.torch_setup import resolve_device

    return f"{resolve_device(on.device)}, {on.threads} thread{'s' * (on.threads != 1)}"
