"""Whether something listens at an address."""

import socket

PATIENCE_S = 3.0
PORTS = {"http": 80, "https": 443, "ssh": 22}


def unreachable(host: str, port: int) -> str | None:
    """Why nothing can be reached there; None where something accepts a connection."""
    try:
        socket.create_connection((host, port), timeout=PATIENCE_S).close()
    except OSError as error:
        return f"{host}:{port}: {error.strerror or error}"
    return None
