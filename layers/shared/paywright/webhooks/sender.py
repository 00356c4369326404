"""Sends one request to a merchant's endpoint, within one deadline and to a checked address.

The host is resolved once; the connection goes to an address that was checked, while TLS and the
Host header keep the name. All waits of a request share its deadline, so that a receiver that drips
its answer takes no longer than one that hangs.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from paywright import __version__
from paywright.sockets import Deadline, connect_to_one_of
from paywright.webhooks import urls
from paywright.webhooks.excerpt import excerpt
from paywright.webhooks.exchange import Closed, NotHttp, Received, exchange, request
from paywright.webhooks.kept import Connection, KeptConnections
from paywright.webhooks.resolving import (
    Resolve,
    Resolver,
    TooLate,
    check_addresses,
    system_resolve,
)

_MAX_ADDRESSES = 4
_HEADERS = {
    "User-Agent": f"Paywright-Webhooks/{__version__}",
    "Content-Type": "application/json",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of an attempt: a status, or the reason why there is none.

    `excerpt` is the beginning of the body, where there was one. `is_late` when the time was over:
    an answer might still have come.
    """

    status: int | None
    error: str | None = None
    retry_after: str | None = None
    duration_ms: int = 0
    excerpt: str | None = None
    is_late: bool = False


class Sender:
    """Posts to webhook URLs. Safe to use from several threads."""

    def __init__(
        self,
        *,
        timeout_s: float,
        allow_loopback: bool,
        resolver: Resolve = system_resolve,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._timeout_s = timeout_s
        self._allow_loopback = allow_loopback
        self._resolver = Resolver(resolver)
        self._given_tls = tls
        self._kept = KeptConnections()

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Send a body and return the answer or what prevented one; nothing is raised."""
        deadline = Deadline(self._timeout_s)
        is_late = False
        try:
            received = self._post(url, headers, body, deadline)
        except urls.UnsafeUrl as refused:
            error = str(refused)
        except TooLate:
            is_late = True
            error = f"the host cannot be resolved within {self._timeout_s:g} s"
        except TimeoutError:
            is_late = True
            error = f"no answer within {self._timeout_s:g} s"
        except socket.gaierror:
            error = "the host cannot be resolved"
        except ssl.SSLError as failed:
            error = f"TLS: {getattr(failed, 'verify_message', '') or failed.reason}"
        except OSError as failed:
            error = f"connection failed: {failed.strerror or failed or type(failed).__name__}"
        except NotHttp as failed:
            error = f"the answer is not HTTP: {failed}"
        else:
            return Answer(
                received.status,
                None,
                received.retry_after,
                deadline.elapsed_ms(),
                excerpt(received.body) or None,
            )
        return Answer(None, error, duration_ms=deadline.elapsed_ms(), is_late=is_late)

    def _post(
        self, url: str, headers: Mapping[str, str], body: bytes, deadline: Deadline
    ) -> Received:
        target = urls.parse(url, allow_loopback=self._allow_loopback)
        sent = request(target.authority, target.path, {**_HEADERS, **headers}, body)
        kept = self._kept.take(url)
        if kept is not None:
            try:
                return self._exchange(kept, sent, deadline)
            except Closed as closed:
                if not closed.is_silent:
                    raise
            except ConnectionError:
                pass  # it was closed while the request was on its way; a webhook may come twice
        connection = Connection(url, self._connect(target, deadline))
        return self._exchange(connection, sent, deadline)

    def _exchange(self, connection: Connection, sent: bytes, deadline: Deadline) -> Received:
        """Send a request and keep the connection if it can be used again."""
        reusable = False
        try:
            received = exchange(connection.socket, sent, deadline)
            reusable = received.is_reusable
            return received
        finally:
            if reusable:
                self._kept.keep(connection)
            else:
                connection.socket.close()

    def close(self) -> None:
        """Close the connections that are kept."""
        self._kept.close()

    def _connect(self, target: urls.Target, deadline: Deadline) -> socket.socket:
        found = self._resolver.within(deadline.left_s(), target.host, target.port)
        check_addresses(found, allow_loopback=self._allow_loopback)
        plain = connect_to_one_of(found[:_MAX_ADDRESSES], target.port, deadline)
        if target.scheme == "http":
            return plain
        try:
            plain.settimeout(deadline.left_s())
            return self._tls.wrap_socket(plain, server_hostname=target.host)
        except BaseException:
            plain.close()
            raise

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        if self._given_tls is not None:
            return self._given_tls
        context = ssl.create_default_context()
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context
