"""The part of Lambda's own API that invokes and describes functions: boto3 and the CLI speak to it.

Source: Lambda API reference. Signatures are not checked, so it listens on the loopback interface
only, and refuses what a browser sends on behalf of a page.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, unquote

from emulator.control import Control
from emulator.http1 import JSON_TYPE, Header, HttpServer, Limits, Request
from emulator.invocations import InvokeResult, Throttled
from emulator.invoke_api import describe, errors, requests
from emulator.invoke_api.errors import MAX_ASYNC_BYTES, MAX_SYNC_BYTES, Refused
from emulator.invoke_api.references import Named, Place, resolve
from emulator.runtime import Runtime
from emulator.runtime.service import new_request_id
from emulator.template.model import LATEST, PUBLISHED, Application, Function
from emulator.tracing import trace_id_of

_LIMITS = Limits(head_bytes=32 * 1024, body_bytes=MAX_SYNC_BYTES)
_KINDS = ("DryRun", "RequestResponse", "Event")
_LOG_TYPES = ("None", "Tail")
_FUNCTIONS_A_PAGE, _MAPPINGS_A_PAGE = 50, 100
_OPERATION = re.compile(r"/20\d\d-\d\d-\d\d/.*")
_LOOPBACK = re.compile(rb"(127\.0\.0\.1|localhost|\[::1\])(:\d+)?", re.IGNORECASE)

_Handler = Callable[[Request, Sequence[str], Mapping[str, str]], None]


class InvokeApi:
    """Lambda's API on one port, with the emulator's own paths beside it."""

    def __init__(self, runtime: Runtime, app: Application, control: Control) -> None:
        self._runtime = runtime
        self._control = control
        self._app = app
        self._place = Place(app.region, app.account_id)
        self._loop = asyncio.get_running_loop()
        one, query = r"/functions/([^/]+)", "/?"
        routes: list[tuple[str, str, _Handler]] = [
            ("POST", f"/2015-03-31{one}/invocations", self._invoke),
            ("POST", f"/2014-11-13{one}/invoke-async", self._invoke_async),
            ("GET", "/2015-03-31/functions", self._list_functions),
            ("GET", f"/2015-03-31{one}", self._get_function),
            ("GET", f"/2015-03-31{one}/configuration", self._get_configuration),
            ("GET", f"/2015-03-31{one}/aliases", self._list_aliases),
            ("GET", f"/2015-03-31{one}/aliases/([^/]+)", self._get_alias),
            ("GET", f"/2015-03-31{one}/versions", self._list_versions),
            ("GET", f"/2019-09-30{one}/concurrency", self._get_concurrency),
            ("GET", f"/2019-09-25{one}/event-invoke-config", self._get_event_invoke),
            ("GET", "/2015-03-31/event-source-mappings", self._list_mappings),
            ("GET", "/2015-03-31/event-source-mappings/([^/]+)", self._get_mapping),
            ("GET", "/2016-08-19/account-settings", self._get_account),
        ]
        self._routes = [
            (method, re.compile(path + query), handler) for method, path, handler in routes
        ]
        self.server = HttpServer(self._handle, _LIMITS)

    def describe(self, app: Application) -> None:
        """Tell of these functions from now on."""
        self._app = app

    def _handle(self, request: Request) -> None:
        try:
            _refuse_browsers(request)
            if request.refusal:
                raise _unreadable(request)
            if self._control.handles(request.target):
                self._control.handle(request)
                return
            target, _, query = request.target.decode("latin-1").partition("?")
            self._route(request, unquote(target), dict(parse_qsl(query)))
        except Refused as refused:
            _refuse(request, refused)

    def _route(self, request: Request, path: str, query: Mapping[str, str]) -> None:
        for method, pattern, handler in self._routes:
            if request.method == method and (match := pattern.fullmatch(path)):
                handler(request, match.groups(), query)
                return
        refusal = errors.not_emulated if _OPERATION.fullmatch(path) else errors.unknown
        raise refusal(request.method, path)

    @property
    def _functions(self) -> dict[str, Function]:
        """As they run now, by name."""
        return {function.name: function for function in self._runtime.functions}

    def _named(self, reference: str, query: Mapping[str, str]) -> Named:
        return resolve(reference, query.get("Qualifier"), self._functions, self._place)

    # -- invoking

    def _invoke(self, request: Request, names: Sequence[str], query: Mapping[str, str]) -> None:
        named = self._named(names[0], query)
        kind = requests.header(request, b"x-amz-invocation-type") or "RequestResponse"
        log_type = requests.header(request, b"x-amz-log-type") or "None"
        if kind not in _KINDS:
            raise errors.not_one_of(kind, "invocationType", _KINDS)
        if log_type not in _LOG_TYPES:
            raise errors.not_one_of(log_type, "logType", _LOG_TYPES)
        if kind == "Event":
            self._start(request, named)
            return
        payload, context = requests.payload(request), requests.client_context(request)
        if kind == "DryRun":
            request.respond(204, (_request_id(), _version(named)))
        else:
            self._run(request, named, payload, context, log_tail=log_type == "Tail")

    def _invoke_async(
        self, request: Request, names: Sequence[str], query: Mapping[str, str]
    ) -> None:
        self._start(request, self._named(names[0], query))

    def _run(
        self,
        request: Request,
        named: Named,
        payload: bytes,
        client_context: str | None,
        *,
        log_tail: bool,
    ) -> None:
        try:
            outcome = self._runtime.submit(
                named.function.name,
                payload,
                trace_id=trace_id_of(request),
                log_tail=log_tail,
                client_context=client_context,
            )
        except Throttled as throttled:
            raise _throttled(throttled) from None
        version = _version(named)
        request.after(outcome, lambda: _answer_result(request, outcome, version, log_tail=log_tail))

    def _start(self, request: Request, named: Named) -> None:
        """Accept an event; it gets no client context, as on AWS."""
        if len(request.body) > MAX_ASYNC_BYTES:
            raise errors.too_large_event(len(request.body))
        payload = requests.payload(request)
        try:
            request_id = self._runtime.enqueue(
                named.function.name, payload, trace_id=trace_id_of(request)
            )
        except Throttled as throttled:
            raise _throttled(throttled) from None
        request.respond(202, (_request_id(request_id), JSON_TYPE))

    # -- describing

    def _list_functions(
        self, request: Request, _names: Sequence[str], query: Mapping[str, str]
    ) -> None:
        every = query.get("FunctionVersion") == "ALL"
        wanted = [
            Named(function, version if every else "")
            for function in self._runtime.functions
            for version in (function.versions if every else ("",))
        ]
        page, following = requests.page(wanted, query, most=10_000, at_once=_FUNCTIONS_A_PAGE)
        self._answer(request, lambda: {"Functions": self._described(page), **following})

    def _described(self, named: Sequence[Named]) -> list[dict[str, Any]]:
        changed_s = self._changed_s()
        return [describe.function(one, changed_s) for one in named]

    def _list_versions(
        self, request: Request, names: Sequence[str], query: Mapping[str, str]
    ) -> None:
        function = self._named(names[0], {}).function
        wanted = [Named(function, version) for version in function.versions]
        page, following = requests.page(wanted, query, most=10_000, at_once=_FUNCTIONS_A_PAGE)
        self._answer(request, lambda: {"Versions": self._described(page), **following})

    def _list_aliases(
        self, request: Request, names: Sequence[str], query: Mapping[str, str]
    ) -> None:
        function = self._named(names[0], {}).function
        of_version = query.get("FunctionVersion", PUBLISHED) == PUBLISHED
        wanted = sorted(function.aliases) if of_version else []
        page, following = requests.page(wanted, query, most=10_000, at_once=_FUNCTIONS_A_PAGE)
        found = [describe.alias(function, name) for name in page]
        self._answer(request, lambda: {"Aliases": found, **following})

    def _get_alias(self, request: Request, names: Sequence[str], _query: Mapping[str, str]) -> None:
        function, name = self._named(names[0], {}).function, names[1]
        if name not in function.aliases:
            raise errors.not_found(f"Cannot find alias arn: {function.arn}:{name}")
        self._answer(request, lambda: describe.alias(function, name))

    def _get_function(
        self, request: Request, names: Sequence[str], query: Mapping[str, str]
    ) -> None:
        named = self._named(names[0], query)
        self._answer(request, lambda: describe.whole_function(named, self._changed_s()))

    def _get_configuration(
        self, request: Request, names: Sequence[str], query: Mapping[str, str]
    ) -> None:
        named = self._named(names[0], query)
        self._answer(request, lambda: describe.function(named, self._changed_s()))

    def _get_concurrency(
        self, request: Request, names: Sequence[str], query: Mapping[str, str]
    ) -> None:
        function = self._named(names[0], query).function
        self._answer(request, lambda: describe.concurrency(function))

    def _get_event_invoke(
        self, request: Request, names: Sequence[str], query: Mapping[str, str]
    ) -> None:
        function = self._named(names[0], query).function
        if not function.details.has_event_invoke:
            arn = f"{function.arn}:{LATEST}"
            raise errors.not_found(f"The function {arn} doesn't have an EventInvokeConfig")
        self._answer(request, lambda: describe.event_invoke(function, self._changed_s()))

    def _mappings(self) -> list[dict[str, Any]]:
        functions, changed_s = self._functions, self._changed_s()
        return [
            describe.mapping(mapping, functions[mapping.function].arn, changed_s)
            for mapping in self._app.mappings
            if mapping.function in functions
        ]

    def _list_mappings(
        self, request: Request, _names: Sequence[str], query: Mapping[str, str]
    ) -> None:
        found = self._mappings()
        if name := query.get("FunctionName"):
            arn = self._named(name, {}).function.arn
            found = [mapping for mapping in found if mapping["FunctionArn"] == arn]
        if source := query.get("EventSourceArn"):
            found = [mapping for mapping in found if mapping["EventSourceArn"] == source]
        page, following = requests.page(found, query, most=10_000, at_once=_MAPPINGS_A_PAGE)
        self._answer(request, lambda: {"EventSourceMappings": page, **following})

    def _get_mapping(
        self, request: Request, names: Sequence[str], _query: Mapping[str, str]
    ) -> None:
        for mapping in self._mappings():
            if mapping["UUID"] == names[0]:
                self._answer(request, lambda found=mapping: found)  # type: ignore[misc]
                return
        raise errors.not_found("The resource you requested does not exist.")

    def _get_account(
        self, request: Request, _names: Sequence[str], _query: Mapping[str, str]
    ) -> None:
        functions = list(self._runtime.functions)
        limit = self._runtime.settings.account_concurrency
        reserved = sum(function.reserved_concurrency or 0 for function in functions)
        self._answer(request, lambda: describe.account(functions, limit, limit - reserved))

    def _changed_s(self) -> float:
        """When the template was changed, and with it what is configured."""
        try:
            return self._app.template_path.stat().st_mtime
        except OSError:
            return 0.0

    def _answer(self, request: Request, build: Callable[[], Any]) -> None:
        """Answer with what `build` makes on a thread: it may read whole folders of code."""

        building = self._loop.run_in_executor(None, build)

        def done() -> None:
            if building.cancelled() or building.exception() is not None:
                reason = "cancelled" if building.cancelled() else repr(building.exception())
                _refuse(request, Refused(500, "ServiceException", reason, Type="Service"))
                return
            request.respond_json(200, json.dumps(building.result()).encode(), (_request_id(),))

        request.after(building, done)


def _refuse_browsers(request: Request) -> None:
    """Refuse what a page could have a browser send, directly or by a name that resolves here."""
    if request.header(b"origin") is not None:
        raise errors.forbidden("Requests with an Origin header, as browsers send, are refused.")
    host = request.header(b"host")
    if host is not None and _LOOPBACK.fullmatch(host) is None:
        raise errors.forbidden("This API answers to localhost and 127.0.0.1 only.")


def _answer_result(
    request: Request, done: asyncio.Future[InvokeResult], version: Header, *, log_tail: bool
) -> None:
    if done.cancelled():
        _refuse(request, Refused(500, "ServiceException", "The invocation was abandoned."))
        return
    result = done.result()
    headers = [_request_id(result.request_id), version]
    if result.function_error is not None:
        headers.append((b"x-amz-function-error", result.function_error.encode()))
    if log_tail:
        tail = result.log_tail.encode(errors="replace")
        headers.append((b"x-amz-log-result", base64.b64encode(tail)))
    request.respond_json(200, result.payload, headers)


def _throttled(error: Throttled) -> Refused:
    return errors.throttled(error.reason)


def _unreadable(request: Request) -> Refused:
    """What to say of a request that the HTTP server did not take."""
    if request.refusal != 413:
        return Refused(
            request.refusal, "InvalidRequestContentException", "The request cannot be read."
        )
    size = request.header(b"content-length")
    if size is not None and request.header(b"x-amz-invocation-type") == b"Event":
        return errors.too_large_event(int(size))
    return errors.too_large()


def _refuse(request: Request, refused: Refused) -> None:
    name = (b"x-amzn-errortype", refused.name.encode())
    request.respond_json(refused.status, refused.body(), (_request_id(), name))


def _version(named: Named) -> Header:
    return b"x-amz-executed-version", named.version.encode()


def _request_id(known: str | None = None) -> Header:
    return b"x-amzn-requestid", (known or new_request_id()).encode()
