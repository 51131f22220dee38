"""How a pipeline script ends: quietly, or with one message and a non-zero status."""

import sys
from collections.abc import Callable

from contactlens.errors import InputError
from contactlens.ops.sweep_trial import SweepError


def stage(main: Callable[[], None]) -> None:
    """Run a stage's `main`; a user's mistake or an interrupted sweep is one message on stderr and exit status 1.

    Ctrl-C elsewhere is one message too, with the shell's own status for it.
    """
    try:
        main()
    except (InputError, SweepError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        raise SystemExit(130) from None
