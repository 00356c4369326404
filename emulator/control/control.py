"""The paths `/_emulator/` and `/metrics` on Lambda's port."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from emulator.clock import Clock, ClockRefused
from emulator.http1 import Request
from emulator.metrics import CONTENT_TYPE
from emulator.schedules import Schedules, TooMany, UnknownSchedule

_LONGEST_BODY = 10_000


class _Refused(Exception):
    """The request makes no sense; the message says why."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Control:
    """Answers for clock, schedules and metrics.

    `schedules` is None while there are none: the template may need no endpoint for any.
    """

    def __init__(self, clock: Clock, metrics: Callable[[], bytes]) -> None:
        self._clock = clock
        self._metrics = metrics
        self._running: set[asyncio.Task[None]] = set()
        self.schedules: Schedules | None = None

    def handles(self, target: bytes) -> bool:
        """Return whether a request's target is one of these paths."""
        return target.startswith(b"/_emulator/") or target.partition(b"?")[0] == b"/metrics"

    def handle(self, request: Request) -> None:
        """Answer one request."""
        try:
            self._route(request)
        except _Refused as refused:
            _answer(request, refused.status, {"message": str(refused)})

    def _route(self, request: Request) -> None:
        path = request.target.partition(b"?")[0].decode("latin-1")
        match request.method, path:
            case "GET", "/metrics":
                request.respond(200, ((b"content-type", CONTENT_TYPE),), self._metrics())
            case "GET", "/_emulator/clock":
                _answer(request, 200, self._time())
            case "POST", "/_emulator/clock":
                _answer(request, 200, self._advance(_body(request)))
            case "GET", "/_emulator/schedules":
                rows = [] if self.schedules is None else self.schedules.rows()
                _answer(request, 200, {**self._time(), "schedules": rows})
            case "POST", "/_emulator/schedules/run":
                self._run(request, _body(request))
            case _, ("/metrics" | "/_emulator/clock" | "/_emulator/schedules"):
                raise _Refused(405, f"{path} does not take {request.method}.")
            case _:
                raise _Refused(404, f"There is no {request.method} {path}.")

    def _time(self) -> dict[str, Any]:
        return {
            "now": self._clock.now().isoformat(timespec="milliseconds"),
            "offset_s": self._clock.offset.total_seconds(),
        }

    def _advance(self, body: dict[str, Any]) -> dict[str, Any]:
        seconds = body.get("advance_s")
        if isinstance(seconds, bool) or not isinstance(seconds, int | float):
            raise _Refused(400, "advance_s is a number of seconds.")
        due = 0
        try:
            step = timedelta(seconds=seconds)
            until = self._clock.check(step)
            if self.schedules is not None:
                due = self.schedules.check_step(until)
            self._clock.advance(step)
        except (ClockRefused, TooMany) as error:
            raise _Refused(400, str(error)) from None
        except (OverflowError, ValueError):
            raise _Refused(400, "The clock moves at most ten years (3653d) at a time.") from None
        if self.schedules is not None:
            self.schedules.clock_moved()
        return {**self._time(), "schedules_due": due}

    def _run(self, request: Request, body: dict[str, Any]) -> None:
        name, group = body.get("name"), body.get("group", "default")
        if not isinstance(name, str) or not isinstance(group, str):
            raise _Refused(400, "name and group are texts.")
        if self.schedules is None:
            raise _Refused(404, "There are no schedules.")
        task = asyncio.create_task(_fire(request, self.schedules, name, group))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        request.owed_by(task)


async def _fire(request: Request, schedules: Schedules, name: str, group: str) -> None:
    try:
        _answer(request, 200, {"fired": await schedules.run(name, group)})
    except UnknownSchedule as error:
        _answer(request, 404, {"message": str(error)})


def _body(request: Request) -> dict[str, Any]:
    kind = (request.header(b"content-type") or b"").partition(b";")[0].strip().lower()
    if kind != b"application/json":
        raise _Refused(415, "The content-type is application/json.")
    if len(request.body) > _LONGEST_BODY:
        raise _Refused(413, f"The body is at most {_LONGEST_BODY} bytes.")
    try:
        found = json.loads(request.body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise _Refused(400, "The body is a JSON object.")
    return found


def _answer(request: Request, status: int, content: dict[str, Any]) -> None:
    if request.unanswered:
        request.respond_json(status, json.dumps(content).encode())
