"""One HTTP/1.1 request and its answer on a connection, as much as a webhook needs of it.

Written by hand: the head leaves with the body in one piece, and of the answer only status,
Retry-After and a bounded beginning of the body are wanted. http.client takes half as
long again of the processor.
Source: RFC 9112.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass

from paywright.sockets import Deadline

MAX_ANSWER_BYTES = 64 * 1024
"""Of a body, and of all that is before it."""
MAX_HEADERS = 100
BODY_S = 2.0
"""How long a body may take: the status has said all that counts."""

_PIECE_BYTES = 64 * 1024
_LONGEST_LINE = 1024
_SWITCHING_PROTOCOLS = 101
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: [^\n]*)?\r?(?:\n|\Z)")
_HEAD_END, _END_BYTES = re.compile(rb"\r?\n\r?\n"), len(b"\r\n\r\n")
_LENGTH = re.compile(rb"[0-9]{1,18}")
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;|\Z)")
_NO_STATUS_LINE = "it does not begin with HTTP/1.1 and a status"


class NotHttp(Exception):
    """The answer is not HTTP; the message says in which way."""


class Closed(ConnectionError):
    """The receiver has closed the connection before it had answered.

    `is_silent` when nothing had come at all.
    """

    def __init__(self, *, is_silent: bool) -> None:
        super().__init__("closed without an answer" if is_silent else "closed in mid-answer")
        self.is_silent = is_silent


@dataclass(frozen=True, slots=True)
class Received:
    """An answer; `body` is its beginning. A connection that `is_reusable` is in order for more."""

    status: int
    retry_after: str | None
    body: bytes
    is_reusable: bool


@dataclass(frozen=True, slots=True)
class _Head:
    status: int
    is_http_1_1: bool
    headers: Mapping[bytes, bytes]

    @property
    def is_kept(self) -> bool:
        """Whether the receiver keeps the connection open (RFC 9112, section 9.3)."""
        options = self.headers.get(b"connection", b"").lower()
        return b"close" not in options and (self.is_http_1_1 or b"keep-alive" in options)


def request(authority: str, path: str, headers: Mapping[str, str], body: bytes) -> bytes:
    """The bytes of a POST request."""
    lines = [f"POST {path} HTTP/1.1", f"Host: {authority}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    head = "\r\n".join(lines)
    assert head.count("\n") == len(lines) - 1, "a value with a line break would be a header more"
    return head.encode("ascii") + b"\r\n\r\n" + body


def exchange(connected: socket.socket, sent: bytes, deadline: Deadline) -> Received:
    """Send a request and read its answer.

    Raise NotHttp, Closed, TimeoutError after the deadline, or the connection's own OSError.
    """
    rest = memoryview(sent)
    while rest:
        connected.settimeout(deadline.left_s())
        rest = rest[connected.send(rest[:_PIECE_BYTES]) :]
    incoming = _Incoming(connected, deadline)
    head = _read_head(incoming)
    found = bytearray()
    try:
        incoming.deadline = Deadline(min(BODY_S, deadline.left_s()))
        is_whole = _read_body(incoming, head, found)
    except (OSError, NotHttp):
        is_whole = False  # it makes no difference to the status
    retry_after = head.headers.get(b"retry-after")
    return Received(
        status=head.status,
        retry_after=None if retry_after is None else retry_after.decode("latin-1"),
        body=bytes(found),
        is_reusable=is_whole and head.is_kept and not incoming.buffer,
    )


class _Incoming:
    """What has come and was not used yet."""

    def __init__(self, connected: socket.socket, deadline: Deadline) -> None:
        self.buffer = bytearray()
        self.deadline = deadline
        self._connected = connected

    def more(self) -> bool:
        """Wait for more; False when no more comes."""
        self._connected.settimeout(self.deadline.left_s())
        piece = self._connected.recv(_PIECE_BYTES)
        self.buffer += piece
        return bool(piece)

    def line(self) -> bytes:
        """A short line, without its end."""
        while (end := self.buffer.find(b"\n")) < 0:
            if len(self.buffer) > _LONGEST_LINE or not self.more():
                raise NotHttp("a line does not end")
        line = bytes(self.buffer[:end])
        del self.buffer[: end + 1]
        return line.removesuffix(b"\r")


def _read_head(incoming: _Incoming) -> _Head:
    """The head of the final answer; interim ones (RFC 9110, section 15.2) are left out."""
    taken = 0
    while True:
        end = _end_of_head(incoming, taken)
        head = _head(bytes(incoming.buffer[: end.start()]))
        taken += end.end()
        del incoming.buffer[: end.end()]
        if head.status >= 200 or head.status == _SWITCHING_PROTOCOLS:
            return head


def _end_of_head(incoming: _Incoming, taken: int) -> re.Match[bytes]:
    """Where the next head ends, as soon as it has come; `taken` is what came before it.

    What was searched is not searched again: of a head that comes byte by byte that would be 64 KB
    for each of them.
    """
    searched, has_status = 0, False
    while (end := _HEAD_END.search(incoming.buffer, max(searched - _END_BYTES + 1, 0))) is None:
        if taken + len(incoming.buffer) > MAX_ANSWER_BYTES:
            raise NotHttp(f"more than {MAX_ANSWER_BYTES // 1024} KB of headers")
        if not has_status and incoming.buffer.find(b"\n", searched) >= 0:
            _status_line(incoming.buffer)  # what is not HTTP may never end
            has_status = True
        searched = len(incoming.buffer)
        if not incoming.more():
            if incoming.buffer and not incoming.buffer.startswith(b"HTTP/"):
                raise NotHttp(_NO_STATUS_LINE)
            raise Closed(is_silent=not taken and not incoming.buffer)
    return end


def _head(text: bytes) -> _Head:
    lines = text.split(b"\n")
    version, status = _status_line(text)
    if len(lines) > MAX_HEADERS + 1:
        raise NotHttp(f"more than {MAX_HEADERS} headers")
    headers: dict[bytes, bytes] = {}
    for line in lines[1:]:
        name, _, value = line.partition(b":")
        name, value = name.lower(), value.strip()
        headers[name] = headers[name] + b", " + value if name in headers else value
    return _Head(status, version == b"1", headers)


def _status_line(text: bytes | bytearray) -> tuple[bytes, int]:
    found = _STATUS_LINE.match(text)
    if found is None:
        raise NotHttp(_NO_STATUS_LINE)
    return found[1], int(found[2])


def _read_body(incoming: _Incoming, head: _Head, found: bytearray) -> bool:
    """Read a body as long as it may be; was that all of it?  (RFC 9112, section 6.3)"""
    if head.status in (204, 304):
        return True
    coding, length = head.headers.get(b"transfer-encoding"), head.headers.get(b"content-length")
    if coding is not None:
        return coding.lower() == b"chunked" and _read_chunks(incoming, found) and length is None
    if length is not None and _LENGTH.fullmatch(length):
        return _take(incoming, int(length), found)
    _take(incoming, MAX_ANSWER_BYTES, found)  # to the end
    return False


def _read_chunks(incoming: _Incoming, found: bytearray) -> bool:
    while True:
        size = _SIZE.match(incoming.line())
        if size is None:
            raise NotHttp("a chunk has no size")
        if int(size[1], 16) == 0:
            break
        if not _take(incoming, int(size[1], 16), found) or incoming.line():
            return False
    return any(not incoming.line() for _ in range(MAX_HEADERS))  # the trailer ends


def _take(incoming: _Incoming, count: int, found: bytearray) -> bool:
    """Take so many bytes of a body; False where there are no more, or no more are wanted."""
    while count:
        room = MAX_ANSWER_BYTES - len(found)
        if room <= 0 or not (incoming.buffer or incoming.more()):
            return False
        piece = incoming.buffer[: min(count, room)]
        del incoming.buffer[: len(piece)]
        found += piece
        count -= len(piece)
    return True
