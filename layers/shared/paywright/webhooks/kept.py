"""Connections that are kept for the next webhook to the same URL.

Opening one costs sender and receiver more than a request does. A kept one goes to an address that
was checked when it was opened; after a minute it is opened, and checked, anew.
"""

from __future__ import annotations

import select
import socket
import threading
import time
from dataclasses import dataclass, field

IDLE_S, OLDEST_S = 20.0, 60.0
MOST_KEPT = 64


@dataclass(slots=True)
class Connection:
    """A connection that was opened for a URL."""

    url: str
    socket: socket.socket
    # Wall time: the other clock may stand still while a function is frozen.
    opened: float = field(default_factory=time.time)
    idle_since: float = 0.0

    def is_usable(self) -> bool:
        """Whether it is young, and its server has not hung up or spoken out of turn."""
        now = time.time()
        if now - self.idle_since > IDLE_S or now - self.opened > OLDEST_S:
            return False
        spoken = select.poll()
        spoken.register(self.socket, select.POLLIN)
        return not spoken.poll(0)


class KeptConnections:
    """Idle connections, the longest idle first. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[Connection] = []

    def take(self, url: str) -> Connection | None:
        """One to this URL that is open as far as can be seen, or None."""
        while (kept := self._pop(url)) is not None:
            if kept.is_usable():
                return kept
            kept.socket.close()
        return None

    def keep(self, connection: Connection) -> None:
        """Keep one for the next time, in the place of one that nobody took for long."""
        connection.idle_since = time.time()
        with self._lock:
            self._idle.append(connection)
            oldest = self._idle.pop(0) if len(self._idle) > MOST_KEPT else None
        if oldest is not None:
            oldest.socket.close()

    def close(self) -> None:
        """Close all of them."""
        with self._lock:
            idle, self._idle = self._idle, []
        for each in idle:
            each.socket.close()

    def _pop(self, url: str) -> Connection | None:
        with self._lock:
            for number in reversed(range(len(self._idle))):
                if self._idle[number].url == url:
                    return self._idle.pop(number)
        return None
