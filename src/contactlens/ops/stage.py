"""How a pipeline script ends: quietly, or with one message and a non-zero status."""

import sys
from collections.abc import Callable

from contactlens.errors import InputError
from contactlens.ops.redaction import redacted
from contactlens.ops.store import store_errors
from contactlens.ops.sweep_trial import SweepError
from contactlens.ops.tracking import tracking_uri


def stage(main: Callable[[], None]) -> None:
    """Run a stage's `main`; a user's mistake, an interrupted sweep or a lost store is one message and status 1."""
    try:
        with store_errors(tracking_uri()):
            main()
    except (InputError, SweepError) as error:
        print(redacted(f"error: {error}"), file=sys.stderr)
        raise SystemExit(1) from None
