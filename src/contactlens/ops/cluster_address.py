"""Where Ray's cluster is, if there is one."""

import os

LOCAL = "local"


def cluster_address() -> str | None:
    """RAY_ADDRESS; None where it is unset or `local`, so that a Ray of this machine alone is started."""
    address = os.environ.get("RAY_ADDRESS") or LOCAL
    return None if address == LOCAL else address
