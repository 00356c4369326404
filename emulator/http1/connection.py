"""One client's connection: parses, hands requests over one by one, watches the clock."""

from __future__ import annotations

import asyncio
import math
import re
from collections import deque
from collections.abc import Iterable
from enum import Enum, auto
from http import HTTPStatus
from typing import Protocol, cast

import httptools

from emulator.http1.messages import Header, Limits, Request

_STATUS_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus
}
_BODILESS = frozenset({204, 304})
_PIPELINE_LIMIT = 16
_LINGER_S = 2.0
_LINGER_BYTES = 64 * 1024 * 1024
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_REQUEST_LINE_REST = len("  HTTP/1.1\r\n")
_ABSOLUTE = re.compile(rb"https?://([^/?#]+)([^#]*)", re.IGNORECASE)


class Host(Protocol):
    """The server that a connection belongs to."""

    limits: Limits
    loop: asyncio.AbstractEventLoop
    closing: bool

    def admit(self, connection: Connection) -> bool:
        """Count a new connection in, or refuse it."""
        ...

    def forget(self, connection: Connection) -> None:
        """Count a closed connection out."""
        ...

    def dispatch(self, request: Request) -> None:
        """Handle one request."""
        ...


class _Phase(Enum):
    IDLE = auto()  # between requests
    HEAD = auto()
    BODY = auto()
    BUSY = auto()  # a request is being handled
    WRITING = auto()  # the client does not read what it was sent
    CLOSING = auto()


class Connection(asyncio.Protocol):
    """One client's connection: parses, hands requests over one by one, watches the clock."""

    def __init__(self, server: Host) -> None:
        self._server = server
        self._limits = server.limits
        self._loop = server.loop
        self._allowances = {
            _Phase.IDLE: server.limits.idle_s,
            _Phase.HEAD: server.limits.head_s,
            _Phase.BODY: server.limits.body_s,
            _Phase.BUSY: None,
            _Phase.WRITING: server.limits.write_s,
            _Phase.CLOSING: _LINGER_S,
        }
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._phase = _Phase.BUSY
        self._deadline = math.inf
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = math.inf
        self._receiving: Request | None = None
        self._quiet_bytes = 0  # received since a request was complete or gave a part of its body
        self._size = 0  # of the headers parsed
        self._hosts = 0
        self._is_coded = False  # its body needs more undone than chunks
        self._expected = 0  # what content-length says
        self._must_continue = False
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._head_done = False
        self._last_request_seen = False
        self._advancing = False
        self._current: Request | None = None
        self._queue: deque[Request] = deque()
        self._held = b""  # answers that leave with the next one
        self._reading_paused = False
        self._writing_paused = False
        self._lingered = 0
        self.half_closed = False
        self.peer = ""

    # -- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, or drop it when there are too many."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by its class
        peer = transport.get_extra_info("peername")
        self.peer = peer[0] if isinstance(peer, tuple) else ""
        if not self._server.admit(self):
            self._transport.abort()
            return
        self._enter(_Phase.IDLE)

    def connection_lost(self, _exc: Exception | None) -> None:
        """Forget what was under way: there is nobody to answer."""
        self._transport = None
        self._queue.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._server.forget(self)

    def data_received(self, data: bytes) -> None:
        """Parse, then start what is complete."""
        if self._last_request_seen or self._phase is _Phase.CLOSING:
            self._lingered += len(data)
            if self._lingered > _LINGER_BYTES:
                self.abort()
            return
        self._quiet_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._last_request_seen = True  # the protocol asked for is not spoken here
        except httptools.HttpParserError:
            self._refuse(HTTPStatus.BAD_REQUEST)
        if self._receiving is not None and self._quiet_bytes > 2 * self._limits.head_bytes:
            # A header or a trailer without an end grows in the parser, unseen by its callbacks.
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        self._advance()

    def eof_received(self) -> bool:
        """Let a half-closed client have its answers; the last of them closes."""
        self.half_closed = True
        if self._current is None and not self._queue:
            return False
        self._last_request_seen = True
        return True

    def pause_writing(self) -> None:
        """Start no further request while the client does not read."""
        self._writing_paused = True

    def resume_writing(self) -> None:
        """Go on once the client reads again."""
        self._writing_paused = False
        if self._phase is _Phase.WRITING:
            self._advance()

    # -- httptools callbacks

    def on_message_begin(self) -> None:
        """Parser: a request starts."""
        if self._last_request_seen:
            return  # what follows a refused request in the same packet
        self._receiving = Request(self)
        self._head_done = False
        self._size = 0
        self._hosts = 0
        self._is_coded = False
        self._expected = 0
        self._must_continue = False
        self._body.clear()
        self._body_bytes = 0

    def on_url(self, url: bytes) -> None:
        """Parser: (a part of) the target."""
        if self._receiving is not None:
            self._receiving.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Parser: one header, or after the body a trailer.

        Trailers are dropped: a header that guards something must not come in by the back door
        (RFC 9110, section 6.5.1).
        """
        if self._receiving is None or self._head_done:
            return
        name = name.lower()
        self._receiving.headers.append((name, value))
        self._size += len(name) + len(value) + 4
        if name == b"host":
            self._hosts += 1
        elif name == b"content-length":
            self._expected = int(value)
        elif name == b"transfer-encoding":
            self._is_coded = value.lower() != b"chunked"
        elif name == b"expect":
            self._must_continue = value == b"100-continue"

    def on_headers_complete(self) -> None:
        """Parser: the head is there; refuse it if it is too large."""
        request = self._receiving
        if request is None:
            return
        self._head_done = True
        request.method = self._parser.get_method().decode("ascii")
        request.keep_alive = self._parser.should_keep_alive()
        self._size += len(request.method) + len(request.target) + _REQUEST_LINE_REST
        if self._size > self._limits.head_bytes:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        elif self._hosts != 1 and not (self._hosts == 0 and self._is_http_1_0()):
            self._refuse(HTTPStatus.BAD_REQUEST)  # RFC 9112, section 3.2
        elif self._is_coded:
            self._refuse(HTTPStatus.NOT_IMPLEMENTED)  # RFC 9112, section 6.1
        elif self._expected > self._limits.body_bytes:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        elif self._must_continue and self._transport is not None:
            self._transport.write(_CONTINUE)
        if request.target[:1] != b"/":
            _take_authority(request)

    def _is_http_1_0(self) -> bool:
        return bool(self._parser.get_http_version() == "1.0")

    def on_body(self, body: bytes) -> None:
        """Parser: (a part of) the body."""
        if self._receiving is None:
            return
        self._quiet_bytes = 0
        self._body_bytes += len(body)
        if self._body_bytes > self._limits.body_bytes:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        else:
            self._body.append(body)

    def on_message_complete(self) -> None:
        """Parser: the request is there; put it in line."""
        request = self._receiving
        if request is None:
            return
        request.body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        self._receiving = None
        self._quiet_bytes = 0
        self._queue.append(request)
        if not request.keep_alive:
            self._last_request_seen = True

    # -- state

    @property
    def open(self) -> bool:
        """Whether the client is still there."""
        return self._transport is not None and not self._transport.is_closing()

    def awaits(self, request: Request) -> bool:
        """Whether this request is the one to be answered now."""
        return self._current is request

    @property
    def idle(self) -> bool:
        """Whether nothing is under way."""
        return self._current is None and not self._queue and self._receiving is None

    def abort(self) -> None:
        """Drop the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def close(self) -> None:
        """Close the connection once all is written."""
        if self._transport is not None:
            self._transport.close()

    def _refuse(self, status: HTTPStatus) -> None:
        """Hand over a request that cannot be taken; nothing after it is read."""
        if self._last_request_seen:
            return
        request = self._receiving or Request(self)
        request.refusal = status.value
        request.keep_alive = False
        self._receiving = None
        self._last_request_seen = True
        self._queue.append(request)

    def _advance(self) -> None:
        """Start the next request if none is running, and put the right deadline in place."""
        self._advancing = True
        while self._current is None and self._queue and not self._writing_paused:
            self._current = self._queue.popleft()
            self._phase = _Phase.BUSY
            self._deadline = math.inf
            self._server.dispatch(self._current)
        self._advancing = False
        if self._current is not None or self._phase is _Phase.CLOSING:
            pass
        elif self._writing_paused:
            self._enter(_Phase.WRITING)
        elif self._receiving is not None:
            self._enter(_Phase.BODY if self._head_done else _Phase.HEAD)
        else:
            self._enter(_Phase.IDLE)
        if self._queue or self._reading_paused:
            self._throttle_reading()

    def _throttle_reading(self) -> None:
        full = len(self._queue) >= _PIPELINE_LIMIT
        if full != self._reading_paused and self._transport is not None:
            self._reading_paused = full
            if full:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()

    def answer(self, request: Request, status: int, headers: Iterable[Header], body: bytes) -> None:
        """Write one answer; the next request of the pipeline follows."""
        assert request is self._current, "a request is answered once, in order"
        transport = self._transport
        if transport is None:
            self._current = None
            return
        last = self._last_request_seen and not self._queue
        keep_alive = request.keep_alive and not last and not self._server.closing
        head = [self._held, _STATUS_LINES.get(status) or f"HTTP/1.1 {status} \r\n".encode()]
        for name, value in headers:
            head += (name, b": ", value, b"\r\n")
        if status not in _BODILESS:
            head.append(b"content-length: %d\r\n" % len(body))
        head.append(
            b"connection: keep-alive\r\n\r\n" if keep_alive else b"connection: close\r\n\r\n"
        )
        if body and request.method != "HEAD" and status not in _BODILESS:
            head.append(body)
        data = b"".join(head)
        self._current = None  # not before: what cannot be written can be answered otherwise
        if request.may_wait and self._queue:
            self._held = data
        else:
            self._held = b""
            transport.write(data)
        if not keep_alive:
            self._finish(transport)
        elif not self._advancing:
            self._advance()

    def _finish(self, transport: asyncio.Transport) -> None:
        """Close once the client has the answer: closing on unread data would reset it away."""
        self._queue.clear()
        self._last_request_seen = True
        if transport.can_write_eof():
            transport.write_eof()
        if self._reading_paused:
            self._reading_paused = False
            transport.resume_reading()
        self._enter(_Phase.CLOSING)

    # -- deadlines

    def _enter(self, phase: _Phase) -> None:
        """Change phase; staying in one never moves its deadline."""
        if phase is self._phase:
            return
        self._phase = phase
        seconds = self._allowances[phase]
        self._deadline = math.inf if seconds is None else self._loop.time() + seconds
        if self._deadline < self._timer_at:
            if self._timer is not None:
                self._timer.cancel()
            self._timer_at = self._deadline
            self._timer = self._loop.call_at(self._deadline, self._on_timer)

    def _on_timer(self) -> None:
        # A deadline that moved on only moves the timer when it fires: requests stay cheap.
        self._timer = None
        self._timer_at = math.inf
        if self._deadline <= self._loop.time():
            self.abort()
        elif self._deadline < math.inf:
            self._timer_at = self._deadline
            self._timer = self._loop.call_at(self._deadline, self._on_timer)


def _take_authority(request: Request) -> None:
    """Read a target in absolute form: its host stands for the header's (RFC 9112, 3.2.2)."""
    match = _ABSOLUTE.fullmatch(request.target)
    if match is None:
        return
    authority, rest = match.groups()
    request.target = rest if rest.startswith(b"/") else b"/" + rest
    others = (header for header in request.headers if header[0] != b"host")
    request.headers = [(b"host", authority), *others]
