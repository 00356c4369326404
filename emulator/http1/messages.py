"""What a server and its handlers say to each other: limits, requests, answers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

Header = tuple[bytes, bytes]

JSON_TYPE: Header = (b"content-type", b"application/json")
_FAILED = b'{"message":"Internal Server Error"}'
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Limits:
    """What one server takes from a client; None is no limit in time."""

    head_bytes: int = 10_240
    body_bytes: int = 10 * 1024 * 1024
    head_s: float | None = 10.0
    body_s: float | None = 60.0
    idle_s: float | None = 75.0
    write_s: float | None = 60.0
    connections: int = 2_048


class Answerer(Protocol):
    """The connection that a request came on."""

    peer: str
    half_closed: bool

    @property
    def open(self) -> bool:
        """Whether the client is still there."""
        ...

    def awaits(self, request: Request) -> bool:
        """Whether this request is the one to be answered now."""
        ...

    def answer(self, request: Request, status: int, headers: Iterable[Header], body: bytes) -> None:
        """Write one answer."""
        ...


class Request:
    """One request and the way to answer it; `respond` must be called exactly once.

    `refusal` is 0, or the status to refuse it with: 413 or 431 when a limit was passed, 400 when
    it was no HTTP, 501 when its body is coded in a way unknown here. Such a request has no body,
    perhaps no headers, and its answer is the last.
    `may_wait` lets the answer leave with that of the request after it, if that is already here.
    """

    __slots__ = (
        "_connection",
        "body",
        "headers",
        "keep_alive",
        "may_wait",
        "method",
        "refusal",
        "target",
    )

    def __init__(self, connection: Answerer) -> None:
        self._connection = connection
        self.method = ""
        self.target = b""
        self.headers: list[Header] = []
        self.body = b""
        self.keep_alive = True
        self.refusal = 0
        self.may_wait = False

    def header(self, name: bytes) -> bytes | None:
        """The first value of a header, its name given in lower case."""
        for key, value in self.headers:
            if key == name:
                return value
        return None

    @property
    def connected(self) -> bool:
        """Whether the client is still there to be answered."""
        return self._connection.open

    @property
    def client_waits(self) -> bool:
        """Whether the client still waits: one that closed its end has most likely gone."""
        return self._connection.open and not self._connection.half_closed

    @property
    def unanswered(self) -> bool:
        """Whether the answer is still to be given."""
        return self._connection.awaits(self)

    @property
    def peer(self) -> str:
        """The client's address."""
        return self._connection.peer

    def respond(self, status: int, headers: Iterable[Header] = (), body: bytes = b"") -> None:
        """Send the answer; content-length and connection are added."""
        self._connection.answer(self, status, headers, body)

    def respond_json(self, status: int, body: bytes, headers: Sequence[Header] = ()) -> None:
        """Send a JSON answer."""
        self._connection.answer(self, status, (JSON_TYPE, *headers), body)

    def fail(self, error: BaseException) -> None:
        """Log what went wrong and answer 500, if the answer is still to be given."""
        _log.error("cannot answer %s %r", self.method, self.target[:200], exc_info=error)
        if self.unanswered:
            self.respond_json(500, _FAILED)

    def after(self, future: asyncio.Future[Any], answer: Callable[[], None]) -> None:
        """Call `answer` once the future is done; what goes wrong in it is a 500.

        A handler that answers later has nobody above it: what it raises there would leave the
        client waiting for ever.
        """

        def done(_future: asyncio.Future[Any]) -> None:
            try:
                answer()
            except Exception as error:
                self.fail(error)

        future.add_done_callback(done)

    def owed_by(self, task: asyncio.Future[None]) -> None:
        """Answer 500 if the task that is to answer fails."""

        def done(_task: asyncio.Future[None]) -> None:
            error = None if task.cancelled() else task.exception()
            if error is not None:
                self.fail(error)

        task.add_done_callback(done)


Handler = Callable[[Request], None]
