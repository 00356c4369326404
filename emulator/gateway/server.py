"""API Gateway: takes HTTP requests, invokes the route's function, answers as an HTTP API does."""

from __future__ import annotations

import asyncio
import base64
import logging
import random
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from email.utils import formatdate
from functools import partial
from http import HTTPStatus

from emulator.gateway import response
from emulator.gateway.authorizer import Authorizers, Submitter
from emulator.gateway.context import AccessLogFormat, Answered, ContextVariables
from emulator.gateway.cors import CorsPolicy
from emulator.gateway.event import EventBuilder, Sighting, Verdict
from emulator.gateway.event_v1 import EventBuilderV1
from emulator.gateway.routes import Match, RouteTable
from emulator.gateway.throttle import TokenBucket, bucket
from emulator.http1 import JSON_TYPE, Header, HttpServer, Limits, Request
from emulator.invocations import InvokeResult, Throttled, UnknownFunction
from emulator.logs import Kind, LogSink
from emulator.template.model import Authorizer, HttpApi
from emulator.tracing import trace_id_of

# API Gateway quotas page, HTTP API: payload 10 MB, request line and headers 10,240 bytes in all,
# integration timeout 30 s at most.
LIMITS = Limits(head_bytes=10_240, body_bytes=10 * 1024 * 1024)
MAX_INTEGRATION_TIMEOUT_S = 30.0
# Lambda takes events of 6 MB at most; the gateway says so itself.
_MAX_EVENT_BYTES = 6 * 1024 * 1024

_MESSAGES = {
    400: b'{"message":"Bad Request"}',
    401: b'{"message":"Unauthorized"}',
    403: b'{"message":"Forbidden"}',
    404: b'{"message":"Not Found"}',
    413: b'{"message":"Request Entity Too Large"}',
    429: b'{"message":"Too Many Requests"}',
    431: b'{"message":"Request Header Fields Too Large"}',
    500: b'{"message":"Internal Server Error"}',
    501: b'{"message":"Not Implemented"}',
    503: b'{"message":"Service Unavailable"}',
}

# As many digits as a card's number has: whatever they are in a path, they are not for a log.
_LONG_NUMBER = re.compile(r"[0-9](?:(?:[ +.-]|%20)?[0-9]){11,}")

_log = logging.getLogger(__name__)
# Ids need to differ, not to be secret; asking the kernel for each would cost a call a request.
_random = random.Random()  # noqa: S311


@dataclass(slots=True, eq=False)
class _Exchange:
    """One request between its arrival and its answer."""

    request: Request
    sighting: Sighting
    began: float
    route_key: str = "-"
    function: str | None = None
    timer: asyncio.TimerHandle | None = None
    verdict: Verdict | None = None
    invoked: float = 0.0
    result: InvokeResult | None = None
    own_answer: str | None = None
    complaint: str | None = None


class Gateway:
    """One HTTP API on one port."""

    def __init__(self, api: HttpApi, account_id: str, runtime: Submitter, sink: LogSink) -> None:
        self._events = EventBuilder(api, account_id)
        self._events_v1 = EventBuilderV1(api, account_id)
        self._authorizers = Authorizers(api, account_id, runtime)
        self._asking: set[asyncio.Task[None]] = set()
        self._access_log: AccessLogFormat | None = None
        if api.access_log_format is not None:
            self._access_log = AccessLogFormat(api.access_log_format)
        self._variables = ContextVariables(api, account_id)
        self._runtime = runtime
        self._sink = sink
        self._loop = asyncio.get_running_loop()
        self._routes = RouteTable(api.routes)
        self._cors = CorsPolicy(api.cors) if api.cors is not None else None
        self._prefix = "" if api.stage == "$default" else f"/{api.stage}"
        self._buckets: dict[str, TokenBucket] = {}
        for route in api.routes:
            limit = bucket(route.throttle, api.throttle, self._loop.time)
            if limit is not None:
                self._buckets[route.key] = limit
        self.server = HttpServer(self._handle, LIMITS)

    def _handle(self, request: Request) -> None:
        sighting = Sighting(
            base64.b64encode(_random.randbytes(11)).decode("ascii"),
            trace_id_of(request),
            time.time(),
        )
        exchange = _Exchange(request, sighting, time.perf_counter())
        if request.refusal:
            self._answer(exchange, request.refusal)
            return
        path = request.target.partition(b"?")[0].decode("latin-1")
        match = self._match(request.method, path)
        if match is None:
            if self._cors is not None and CorsPolicy.is_preflight(request):
                self._finish(exchange, 204, self._cors.preflight(request), b"")
            else:
                self._answer(exchange, 404)
            return
        exchange.route_key = match.route.key
        limit = self._buckets.get(match.route.key)
        if limit is not None and not limit.take():
            self._answer(exchange, 429)
        elif match.route.protection is None:
            self._admit(exchange, match)
        else:
            task = self._loop.create_task(self._authorize(exchange, match))
            self._asking.add(task)
            task.add_done_callback(partial(self._asked, exchange))

    def _match(self, method: str, path: str) -> Match | None:
        if not path.startswith("/"):
            return None
        if self._prefix:
            if path != self._prefix and not path.startswith(self._prefix + "/"):
                return None
            path = path[len(self._prefix) :] or "/"
        return self._routes.match(method, path)

    def _asked(self, exchange: _Exchange, task: asyncio.Task[None]) -> None:
        """Answer whoever would wait for ever because asking failed."""
        self._asking.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and exchange.request.unanswered:
            self._complain(exchange, f"its authorizer could not be asked: {error!r}", "ERROR")
            self._answer(exchange, 500)

    async def _authorize(self, exchange: _Exchange, match: Match) -> None:
        """Let the request pass if what protects its route does, or refuse it."""
        protection = match.route.protection
        if isinstance(protection, Authorizer):
            verdict = await self._authorizers.ask(
                protection, exchange.request, match, exchange.sighting
            )
        else:
            assert protection is not None
            verdict = Verdict(500, error=f"{match.route.key}: {protection.reason}")
        exchange.verdict = verdict
        if verdict.error is not None:
            self._complain(exchange, verdict.error, "ERROR")
        if verdict.status:
            self._answer(exchange, verdict.status)
        else:
            self._admit(exchange, match)

    def _admit(self, exchange: _Exchange, match: Match) -> None:
        """Serve a request that may pass: preflights are the gateway's, unless OPTIONS has a route.

        A catch-all route's authorizer comes first (developer guide, "Configure CORS for HTTP APIs",
        on `$default` routes), which is how browsers come to be refused.
        """
        if (
            self._cors is not None
            and CorsPolicy.is_preflight(exchange.request)
            and not match.route.key.startswith("OPTIONS ")
        ):
            self._finish(exchange, 204, self._cors.preflight(exchange.request), b"")
        else:
            self._invoke(exchange, match)

    def _invoke(self, exchange: _Exchange, match: Match) -> None:
        route = match.route
        exchange.function = route.function
        exchange.invoked = time.perf_counter()
        sighting = exchange.sighting
        events = self._events if route.payload_version == "2.0" else self._events_v1
        payload = events.build(
            exchange.request, route.key, match.path_parameters, sighting, exchange.verdict
        )
        if len(payload) > _MAX_EVENT_BYTES:
            self._answer(exchange, 413)
            return
        try:
            outcome = self._runtime.submit(route.function, payload, trace_id=sighting.trace_id)
        except Throttled as throttled:
            self._complain(exchange, f"throttled: {throttled}", "WARNING")
            self._answer(exchange, 503)
            return
        except UnknownFunction:
            self._complain(exchange, f"there is no function {route.function}", "ERROR")
            self._answer(exchange, 500)
            return
        timeout_s = min(route.timeout_ms / 1000, MAX_INTEGRATION_TIMEOUT_S)
        exchange.timer = self._loop.call_later(timeout_s, self._give_up, exchange)
        infer = response.infer if route.payload_version == "2.0" else response.infer_v1
        outcome.add_done_callback(lambda done: self._settle(exchange, done, infer))

    def _give_up(self, exchange: _Exchange) -> None:
        """The integration timeout: the client is answered, the function runs on."""
        exchange.timer = None
        self._answer(exchange, 503)

    def _settle(
        self,
        exchange: _Exchange,
        done: asyncio.Future[InvokeResult],
        infer: Callable[[bytes], response.HttpAnswer],
    ) -> None:
        """Answer with what the function returned; what goes wrong in that is a 500."""
        try:
            self._returned(exchange, done, infer)
        except Exception as error:
            _log.exception("cannot answer %s", exchange.route_key)
            if exchange.request.unanswered:
                self._complain(exchange, f"its result cannot be answered: {error!r}", "ERROR")
                self._answer(exchange, 500)

    def _returned(
        self,
        exchange: _Exchange,
        done: asyncio.Future[InvokeResult],
        infer: Callable[[bytes], response.HttpAnswer],
    ) -> None:
        if exchange.timer is None:
            return  # answered when it took too long
        exchange.timer.cancel()
        if done.cancelled():
            self._answer(exchange, 500)
            return
        result = exchange.result = done.result()
        if result.function_error is not None:
            self._answer(exchange, 500)
            return
        try:
            answer = infer(result.payload)
        except response.Malformed as malformed:
            self._complain(exchange, f"malformed response: {malformed}", "ERROR")
            self._answer(exchange, 500)
            return
        self._send(exchange, answer.status, answer.headers, answer.body)

    def _answer(self, exchange: _Exchange, status: int) -> None:
        """An answer of the gateway's own."""
        exchange.own_answer = HTTPStatus(status).phrase
        self._send(exchange, status, (JSON_TYPE,), _MESSAGES[status])

    def _send(
        self, exchange: _Exchange, status: int, headers: Iterable[Header], body: bytes
    ) -> None:
        if self._cors is not None:
            headers = self._cors.apply(exchange.request, headers)
        self._finish(exchange, status, headers, body)

    def _finish(
        self, exchange: _Exchange, status: int, headers: Iterable[Header], body: bytes
    ) -> None:
        request, sighting = exchange.request, exchange.sighting
        sent: list[Header] = [
            (b"date", _http_date(int(sighting.epoch_s))),
            *headers,
            (b"apigw-requestid", sighting.request_id.encode()),
        ]
        request.respond(status, sent, body)
        duration_ms = (time.perf_counter() - exchange.began) * 1000
        target = request.target.decode("latin-1")
        path = _LONG_NUMBER.sub("…", target.partition("?")[0])
        line = f"{request.peer} {request.method} {path} {status} {len(body)} {duration_ms:.1f} ms"
        if self._access_log is not None:
            line = self._in_its_format(exchange, status, len(body), duration_ms)
        self._sink(
            Kind.ACCESS,
            line,
            function=exchange.function,
            request_id=sighting.request_id,
            method=request.method,
            path=path,
            route=exchange.route_key,
            trace_id=sighting.trace_id,
            status=status,
            duration_ms=round(duration_ms, 3),
        )

    def _in_its_format(
        self, exchange: _Exchange, status: int, length: int, duration_ms: float
    ) -> str:
        """The access line as the template's AccessLogSettings want it."""
        assert self._access_log is not None
        answered = Answered(
            status,
            length,
            duration_ms,
            (time.perf_counter() - exchange.invoked) * 1000 if exchange.invoked else None,
            exchange.result.request_id if exchange.result else None,
            exchange.own_answer,
            exchange.complaint,
            exchange.verdict,
        )
        told = self._variables.of(exchange.request, exchange.sighting, exchange.route_key)
        return self._access_log.line(told | answered.variables())

    def _complain(self, exchange: _Exchange, message: str, level: str) -> None:
        exchange.complaint = message
        self._sink(
            Kind.PLATFORM,
            message,
            function=exchange.function,
            request_id=exchange.sighting.request_id,
            level=level,
        )


_date_cache: tuple[int, bytes] = (-1, b"")


def _http_date(second: int) -> bytes:
    global _date_cache  # noqa: PLW0603
    if _date_cache[0] != second:
        _date_cache = (second, formatdate(second, usegmt=True).encode())
    return _date_cache[1]
