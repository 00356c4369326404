"""Choice of TCP ports on 127.0.0.1: the preferred one, else the next that is free."""

from __future__ import annotations

import socket
from collections.abc import Collection
from pathlib import Path

from emulator.services.errors import ServiceError

HOST = "127.0.0.1"
_SEARCHED = 200


def is_free(port: int) -> bool:
    """Whether a server could listen on this port of 127.0.0.1 now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: connections of an earlier run that linger in TIME_WAIT are no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def answers(port: int, timeout_s: float = 0.5) -> bool:
    """Whether something accepts connections on this port of 127.0.0.1."""
    try:
        socket.create_connection((HOST, port), timeout=timeout_s).close()
    except OSError:
        return False
    return True


def belongs_to(port: int, pid: int) -> bool:
    """Whether it is this process that listens on the port of 127.0.0.1, and not a stranger.

    True as well where the system does not tell, which is everywhere but on Linux.
    """
    table = Path("/proc/net/tcp")
    if not table.exists():
        return True
    # proc(5): local address in hexadecimal, state (0A: listening) and inode, fields 2, 4 and 10.
    local = f"0100007F:{port:04X}"
    rows = (line.split() for line in table.read_text().splitlines()[1:])
    sockets = {f"socket:[{row[9]}]" for row in rows if row[1] == local and row[3] == "0A"}
    try:
        handles = Path(f"/proc/{pid}/fd").iterdir()
        return any(str(handle.readlink()) in sockets for handle in handles)
    except OSError:  # the process is gone, or has just closed one of them
        return False


def choose(preferred: int, taken: Collection[int] = ()) -> int:
    """The preferred port, else the next that is free and not in `taken`; 0 means any free port.

    Raises ServiceError when none of the next 200 is free.
    """
    if preferred == 0:
        return _any_free(taken)
    for port in range(preferred, min(preferred + _SEARCHED, 65_536)):
        if port not in taken and is_free(port):
            return port
    raise ServiceError(
        f"None of the ports {preferred} to {preferred + _SEARCHED - 1} on {HOST} is free."
    )


def _any_free(taken: Collection[int]) -> int:
    for _ in range(_SEARCHED):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.bind((HOST, 0))
            port = int(probe.getsockname()[1])
        if port not in taken:
            return port
    raise ServiceError(f"No port on {HOST} is free.")
