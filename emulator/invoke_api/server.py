"""The part of Lambda's own API that invokes and describes functions: boto3 and the CLI speak to it.

Source: Lambda API reference, Invoke, ListFunctions, GetFunction and GetFunctionConfiguration.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from emulator.http1 import JSON_TYPE, Header, HttpServer, Limits, Request
from emulator.invocations import InvokeResult, Throttled
from emulator.runtime import Runtime, new_trace_id
from emulator.template.model import Function

# Lambda quotas page: 6 MB for a synchronous, 1 MB for an asynchronous invocation.
MAX_SYNC_BYTES = 6 * 1024 * 1024
MAX_ASYNC_BYTES = 1024 * 1024
_LIMITS = Limits(head_bytes=32 * 1024, body_bytes=MAX_SYNC_BYTES)
_INVOKE = re.compile(r"/2015-03-31/functions/([^/]+)/invocations/?")
_INVOKE_ASYNC = re.compile(r"/2014-11-13/functions/([^/]+)/invoke-async/?")
_LIST = re.compile(r"/2015-03-31/functions/?")
_GET = re.compile(r"/2015-03-31/functions/([^/]+)(/configuration)?/?")
_VERSION: Header = (b"x-amz-executed-version", b"$LATEST")


class _Refused(Exception):
    """An error of the API: a status, AWS's name for it and a message."""

    def __init__(self, status: int, name: str, message: str, **fields: str) -> None:
        super().__init__(message)
        self.status = status
        self.name = name
        self.fields = {"Message": message, "message": message, "Type": "User", **fields}


class InvokeApi:
    """Lambda's API on one port."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self.server = HttpServer(self._handle, _LIMITS)

    def _handle(self, request: Request) -> None:
        try:
            if request.refusal:
                raise _refusal(request.refusal)
            path = unquote(request.target.partition(b"?")[0].decode("latin-1"))
            self._route(request, path)
        except _Refused as refused:
            _refuse(request, refused)

    def _route(self, request: Request, path: str) -> None:
        if request.method == "POST" and (match := _INVOKE.fullmatch(path)):
            self._invoke(request, self._named(match[1]))
        elif request.method == "POST" and (match := _INVOKE_ASYNC.fullmatch(path)):
            self._start(request, self._named(match[1]))
        elif request.method == "GET" and _LIST.fullmatch(path):
            functions = [configuration(function) for function in self._runtime.functions]
            request.respond_json(200, json.dumps({"Functions": functions}).encode())
        elif request.method == "GET" and (match := _GET.fullmatch(path)):
            described = configuration(self._named(match[1]))
            if match[2] is None:
                described = {"Configuration": described, "Tags": {}}
            request.respond_json(200, json.dumps(described).encode())
        else:
            raise _Refused(404, "ResourceNotFoundException", f"{request.method} {path} is unknown")

    def _named(self, reference: str) -> Function:
        """The function of a name, an ARN or a partial ARN, with or without `:$LATEST`."""
        name = reference.removesuffix(":$LATEST")
        if ":" in name:
            name = name.rpartition(":")[2]
        for function in self._runtime.functions:
            if name == function.name:
                return function
        message = f"Function not found: {reference}"
        raise _Refused(404, "ResourceNotFoundException", message)

    def _invoke(self, request: Request, function: Function) -> None:
        kind = (request.header(b"x-amz-invocation-type") or b"RequestResponse").decode("latin-1")
        payload = request.body or b"{}"
        if kind not in {"RequestResponse", "Event", "DryRun"}:
            raise _Refused(400, "InvalidParameterValueException", f"InvocationType {kind}")
        try:
            json.loads(payload)
        except ValueError as error:
            raise _Refused(
                400,
                "InvalidRequestContentException",
                f"Could not parse request body into json: {error}",
            ) from None
        if kind == "DryRun":
            request.respond(204, (_VERSION,))
        elif kind == "Event":
            self._start(request, function)
        else:
            self._run(request, function, payload)

    def _run(self, request: Request, function: Function, payload: bytes) -> None:
        log_tail = request.header(b"x-amz-log-type") == b"Tail"
        try:
            outcome = self._runtime.submit(
                function.name, payload, trace_id=_trace_id(request), log_tail=log_tail
            )
        except Throttled:
            raise _throttled() from None
        outcome.add_done_callback(_answerer(request, log_tail=log_tail))

    def _start(self, request: Request, function: Function) -> None:
        payload = request.body or b"{}"
        if len(payload) > MAX_ASYNC_BYTES:
            raise _refusal(413)
        try:
            request_id = self._runtime.enqueue(function.name, payload, trace_id=_trace_id(request))
        except Throttled:
            raise _throttled() from None
        request.respond(202, ((b"x-amzn-requestid", request_id.encode()), JSON_TYPE))


def configuration(function: Function) -> dict[str, Any]:
    """A function's configuration as GetFunctionConfiguration gives it."""
    return {
        "FunctionName": function.name,
        "FunctionArn": function.arn,
        "Runtime": function.runtime,
        "Handler": function.handler,
        "Timeout": function.timeout_s,
        "MemorySize": function.memory_mb,
        "Version": "$LATEST",
        "PackageType": "Zip",
        "State": "Active",
        "LastUpdateStatus": "Successful",
        "Environment": {"Variables": dict(function.environment)},
        "Layers": [{"Arn": str(layer)} for layer in function.layer_dirs],
    }


def _answerer(
    request: Request, *, log_tail: bool
) -> Callable[[asyncio.Future[InvokeResult]], None]:
    def answer(done: asyncio.Future[InvokeResult]) -> None:
        if done.cancelled():
            _refuse(request, _Refused(500, "ServiceException", "the invocation was abandoned"))
            return
        result = done.result()
        headers: list[Header] = [
            (b"x-amzn-requestid", result.request_id.encode()),
            _VERSION,
        ]
        if result.function_error is not None:
            headers.append((b"x-amz-function-error", result.function_error.encode()))
        if log_tail:
            headers.append((b"x-amz-log-result", base64.b64encode(result.log_tail.encode())))
        request.respond_json(200, result.payload, headers)

    return answer


def _trace_id(request: Request) -> str:
    given = request.header(b"x-amzn-trace-id")
    return given.decode("latin-1") if given else new_trace_id()


def _throttled() -> _Refused:
    reason = "ReservedFunctionConcurrentInvocationLimitExceeded"
    return _Refused(429, "TooManyRequestsException", "Rate Exceeded.", Reason=reason)


def _refusal(status: int) -> _Refused:
    if status == 413:
        message = "Request must be smaller than 6291456 bytes for the InvokeFunction operation"
        return _Refused(413, "RequestTooLargeException", message)
    return _Refused(status, "InvalidRequestContentException", "the request cannot be read")


def _refuse(request: Request, refused: _Refused) -> None:
    headers = ((b"x-amzn-errortype", refused.name.encode()),)
    request.respond_json(refused.status, json.dumps(refused.fields).encode(), headers)
