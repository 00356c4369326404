"""Finds the addresses of a host, in bounded time: the system's own resolver knows no deadline.

A look-up that comes too late goes on by itself until the system gives it up. By the template's
RES_OPTIONS (resolv.conf(5)) that is after 2 s with one name server that hangs, and after 6 s with
three: before a request of `webhook_due` ends, so that it has no more of them than of requests.
Those who ask for the same host meanwhile wait for the same look-up, so that a name server that
hangs holds one thread for each host and not one for each attempt.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future

from paywright.webhooks import urls

MOST_AT_ONCE = 64
"""Look-ups on their way; a thread each, which mostly sleeps."""

Resolve = Callable[[str, int], list[str]]


class TooLate(TimeoutError):
    """The host was not resolved in time."""


def system_resolve(host: str, port: int) -> list[str]:
    """The addresses of a host, in the system's order of preference."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class Resolver:
    """Resolves hosts by a function that may take its time. Safe to use from several threads."""

    def __init__(self, resolve: Resolve = system_resolve) -> None:
        self._resolve = resolve
        self._changed = threading.Condition()
        self._on_their_way: dict[tuple[str, int], Future[list[str]]] = {}

    def within(self, timeout_s: float, host: str, port: int) -> list[str]:
        """The addresses of a host; raise TooLate, or the OSError of whom was asked."""
        if _is_address(host):
            return [host]
        until = time.monotonic() + timeout_s
        future = self._look_up((host, port), timeout_s)
        try:
            return future.result(max(until - time.monotonic(), 0))
        except TimeoutError:
            raise TooLate from None

    def _look_up(self, asked: tuple[str, int], timeout_s: float) -> Future[list[str]]:
        """The answer that is on its way, or the question as soon as there is room for it."""

        def can_go_on() -> bool:
            return asked in self._on_their_way or len(self._on_their_way) < MOST_AT_ONCE

        with self._changed:
            if not self._changed.wait_for(can_go_on, timeout_s):
                raise TooLate
            future = self._on_their_way.get(asked)
            if future is not None:
                return future
            future = self._on_their_way[asked] = Future()
        # A daemon: at the end of the process nobody waits for an answer that nobody needs.
        threading.Thread(target=self._run, args=(asked, future), daemon=True).start()
        return future

    def _run(self, asked: tuple[str, int], future: Future[list[str]]) -> None:
        try:
            found = self._resolve(*asked)
        except BaseException as error:
            self._done(asked)
            future.set_exception(error)
        else:
            self._done(asked)
            future.set_result(found)

    def _done(self, asked: tuple[str, int]) -> None:
        with self._changed:
            del self._on_their_way[asked]
            self._changed.notify_all()


class UrlCheck:
    """Tells whether webhooks may go to a URL that is given: its form, and where its host is now.

    A host that cannot be resolved yet is let pass: it is checked again at each attempt.
    """

    def __init__(
        self, *, allow_loopback: bool, timeout_s: float = 2.0, resolver: Resolve = system_resolve
    ) -> None:
        self._allow_loopback = allow_loopback
        self._timeout_s = timeout_s
        self._resolver = Resolver(resolver)

    def __call__(self, url: str) -> None:
        """Raise UnsafeUrl for one that they may not go to."""
        target = urls.parse(url, allow_loopback=self._allow_loopback)
        if self._allow_loopback:
            return
        try:
            addresses = self._resolver.within(self._timeout_s, target.host, target.port)
        except OSError:
            return
        check_addresses(addresses)


def check_addresses(addresses: Iterable[str], *, allow_loopback: bool = False) -> None:
    """Raise UnsafeUrl unless all are public: one that is not makes the others suspect."""
    for address in addresses:
        urls.check_address(address, allow_loopback=allow_loopback)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
