"""Sockets whose waits share one deadline: a peer that drips takes no longer than one that hangs.

Source: `socket.settimeout` holds for each wait by itself, which `http.client` never adds up.
"""

from __future__ import annotations

import io
import socket
import time
from typing import Any

_SEND_BYTES = 64 * 1024


class Deadline:
    """A moment by which all must be done."""

    def __init__(self, timeout_s: float) -> None:
        self._begun = time.monotonic()
        self._timeout_s = timeout_s

    def left_s(self) -> float:
        """Seconds that are left; raise TimeoutError when none are."""
        left_s = self._begun + self._timeout_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        return left_s

    def elapsed_ms(self) -> int:
        """Milliseconds since it was set."""
        return round((time.monotonic() - self._begun) * 1000)


class Bounded:
    """What http.client needs of a socket, each wait no longer than the deadline allows.

    A request leaves when its answer is asked for, head and body together: http.client sends them
    one by one, and each wakes the receiver. It does not close the socket: http.client would,
    before the answer's body is read.
    """

    def __init__(self, connected: socket.socket, deadline: Deadline) -> None:
        self._connected = connected
        self._deadline = deadline
        self._unsent: list[bytes] = []

    def sendall(self, data: bytes) -> None:
        """Take a part of the request."""
        self._unsent.append(data)

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Send the request; what is received, as a file."""
        rest = memoryview(b"".join(self._unsent))
        self._unsent.clear()
        while rest:
            self._connected.settimeout(self._deadline.left_s())
            rest = rest[self._connected.send(rest[:_SEND_BYTES]) :]
        return io.BufferedReader(_Reader(self._connected, self._deadline))

    def close(self) -> None:
        """Leave it open."""


class _Reader(io.RawIOBase):
    def __init__(self, connected: socket.socket, deadline: Deadline) -> None:
        self._connected = connected
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._connected.settimeout(self._deadline.left_s())
        return self._connected.recv_into(buffer)


def connect_to_one_of(addresses: list[str], port: int, deadline: Deadline) -> socket.socket:
    """A connection to the first address that takes one; raise OSError when none does."""
    failed: OSError | None = None
    for left, address in zip(range(len(addresses), 0, -1), addresses, strict=True):
        try:
            # Each gets its share of the time, so that one silent address does not take it all.
            return socket.create_connection((address, port), timeout=deadline.left_s() / left)
        except OSError as error:
            failed = error
    raise failed or socket.gaierror("no address")
