"""How a pipeline script ends: quietly, or with one message and a non-zero status."""

import sys
from collections.abc import Callable

from contactlens.errors import InputError


def stage(main: Callable[[], None]) -> None:
    """Run a stage's `main`; a user's mistake becomes its message on standard error and exit status 1."""
    try:
        main()
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(1) from None
