"""Ctrl-C for the commands that tests start, however the tests themselves were started."""

import signal


def heed_ctrl_c() -> None:
    """In the child, before its command: a script has what it puts in the background ignore SIGINT, and so its tests."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
