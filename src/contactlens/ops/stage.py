"""How a pipeline script starts on sound inputs, and ends: quietly, or with one message and a non-zero status."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

from contactlens.errors import InputError, message_of
from contactlens.ops.processes import INTERRUPTED, end_with_parent
from contactlens.ops.stored import changed_inputs, how_to_restore, require_unchanged_inputs
from contactlens.ops.sweep_trial import SweepError


def stage(main: Callable[[], None]) -> None:
    """Run a stage's `main`.

    A user's mistake, an output that can't be written and an interrupted sweep are one message on stderr and exit status
    1. Under DVC, inputs that are not what their stage wrote are such a mistake, and DVC's end is the stage's end.
    """
    under_dvc = os.environ.get("DVC_STAGE", "").rpartition(":")[2]
    try:
        if under_dvc:
            end_with_parent()
            require_unchanged_inputs(under_dvc)
        main()
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None
    except Exception as error:
        message = str(error) if isinstance(error, SweepError) else message_of(error)
        if message is None:
            raise
        lines = [f"error: {message}", *([] if under_dvc else _changed(error))]
        print("\n".join(lines), file=sys.stderr)
        raise SystemExit(1) from None


def _changed(error: Exception) -> list[str]:
    """For a script run by hand, which inputs DVC could restore."""
    name = Path(sys.argv[0]).stem
    if not isinstance(error, (InputError, FileNotFoundError)) or not Path("dvc.yaml").is_file():
        return []
    return [how_to_restore(out) for out in changed_inputs(name)]
