"""Sends one request to a merchant's endpoint, within one deadline and to a checked address.

The host is resolved once; the connection goes to an address that was checked, while TLS and the
Host header keep the name. All waits of a request share its deadline, so that a receiver that drips
its answer takes no longer than one that hangs.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

from paywright import __version__
from paywright.sockets import Bounded, Deadline, connect_to_one_of
from paywright.webhooks import urls
from paywright.webhooks.kept import Connection, KeptConnections

MAX_ANSWER_BYTES = 64 * 1024
_MAX_ADDRESSES = 4

Resolve = Callable[[str, int], list[str]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of an attempt: a status, or the reason why there is none."""

    status: int | None
    error: str | None = None
    retry_after: str | None = None
    duration_ms: int = 0
    excerpt: str | None = None


def resolve(host: str, port: int) -> list[str]:
    """The addresses of a host, in the system's order of preference."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class Sender:
    """Posts to webhook URLs. Safe to use from several threads."""

    def __init__(
        self,
        *,
        timeout_s: float,
        allow_private: bool,
        resolver: Resolve = resolve,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._timeout_s = timeout_s
        self._allow_private = allow_private
        self._resolve = resolver
        self._given_tls = tls
        self._kept = KeptConnections()

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Send a body and return the answer or what prevented one; nothing is raised."""
        deadline = Deadline(self._timeout_s)
        status, error, retry_after = None, None, None
        try:
            status, retry_after = self._post(url, headers, body, deadline)
        except urls.UnsafeUrl as refused:
            error = str(refused)
        except TimeoutError:
            error = f"no answer within {self._timeout_s:g} s"
        except socket.gaierror:
            error = "the host cannot be resolved"
        except ssl.SSLError as failed:
            error = f"TLS: {getattr(failed, 'verify_message', '') or failed.reason}"
        except OSError as failed:
            error = f"connection failed: {failed.strerror or type(failed).__name__}"
        except http.client.HTTPException as failed:
            error = f"the answer is not HTTP: {type(failed).__name__}"
        return Answer(status, error, retry_after, duration_ms=deadline.elapsed_ms())

    def _post(
        self, url: str, headers: Mapping[str, str], body: bytes, deadline: Deadline
    ) -> tuple[int, str | None]:
        target = urls.parse(url, allow_private=self._allow_private)
        request = _Request(target, headers, body)
        kept = self._kept.take(url)
        if kept is not None:
            # Suppressed: it was closed while the request was on its way. A webhook may come twice.
            with contextlib.suppress(ConnectionError):
                return self._exchange(kept, request, deadline)
        connection = Connection(url, self._connect(target, deadline))
        return self._exchange(connection, request, deadline)

    def _exchange(
        self, connection: Connection, request: _Request, deadline: Deadline
    ) -> tuple[int, str | None]:
        """Send a request and keep the connection if it can be used again."""
        reusable = False
        try:
            response = request.send(Bounded(connection.socket, deadline))
            reusable = _read_politely(response) and not response.will_close
            return response.status, response.headers.get("Retry-After")
        finally:
            if reusable:
                self._kept.keep(connection)
            else:
                connection.socket.close()

    def close(self) -> None:
        """Close the connections that are kept."""
        self._kept.close()

    def _connect(self, target: urls.Target, deadline: Deadline) -> socket.socket:
        addresses = self._resolve(target.host, target.port)[:_MAX_ADDRESSES]
        if not self._allow_private:
            for address in addresses:  # one that is not public makes the others suspect
                urls.check_address(address)
        plain = connect_to_one_of(addresses, target.port, deadline)
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
        return self._given_tls or ssl.create_default_context()


@dataclass(frozen=True, slots=True)
class _Request:
    target: urls.Target
    headers: Mapping[str, str]
    body: bytes

    def send(self, connected: Bounded) -> http.client.HTTPResponse:
        """The answer's head; its body is yet to be read."""
        connection = http.client.HTTPConnection(self.target.host, self.target.port)
        connection.sock = connected
        connection.putrequest("POST", self.target.path, skip_host=True, skip_accept_encoding=True)
        for name, value in {
            "Host": self.target.authority,
            "User-Agent": f"Paywright-Webhooks/{__version__}",
            "Content-Type": "application/json",
            "Content-Length": str(len(self.body)),
            **self.headers,
        }.items():
            connection.putheader(name, value)
        connection.endheaders(self.body)
        return connection.getresponse()


def _read_politely(response: http.client.HTTPResponse) -> bool:
    """Read the body so that the receiver can finish in peace; was that all of it?

    The status has said all: whatever is wrong with the body makes no difference to it.
    """
    with contextlib.suppress(OSError, http.client.HTTPException):
        response.read(MAX_ANSWER_BYTES)
        return response.isclosed()
    return False
