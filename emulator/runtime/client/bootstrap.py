"""Our own runtime client, for platforms without awslambdaric: the same behaviour, in Python alone.

Rules and wording are those of awslambdaric 4: what a handler may be, how its errors look, which
JSON is accepted and made.
"""

from __future__ import annotations

import decimal
import importlib
import logging
import math
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import simplejson  # as Lambda: it takes named tuples, decimals and bytes where `json` does not
from simplejson.raw_json import RawJSON

from .context import LambdaContext
from .output import LogSink, current_request, log_error, set_up
from .transport import RuntimeApi

Handler = Callable[[Any, LambdaContext], Any]

_OWN_FOLDER = str(Path(__file__).parent)
_XRAY_LIMIT_BYTES = 1024 * 1024
_UNHANDLED = (
    "LAMBDA_WARNING: Unhandled exception. The most likely cause is an issue in the function code."
    " However, in rare cases, a Lambda runtime update can cause unexpected function behavior."
    " For functions using managed runtimes, runtime updates can be triggered by a function change,"
    " or can be applied automatically. To determine if the runtime has been updated, check the"
    " runtime version in the INIT_START log entry. If this error correlates with a change in the"
    " runtime version, you may be able to mitigate this error by temporarily rolling back to the"
    " previous runtime version. For more information, see"
    " https://docs.aws.amazon.com/lambda/latest/dg/runtimes-update.html\r"
)


class Fault(Exception):
    """An error that the runtime itself reports, without the frames of its own code."""

    def __init__(self, kind: str, message: str, trace: list[str] | None = None) -> None:
        super().__init__(message)
        self.kind = f"Runtime.{kind}"
        self.trace = trace or []


class _Encoder(simplejson.JSONEncoder):  # type: ignore[misc]
    """JSON of results; from Python 3.12 on Lambda leaves text beyond ASCII as it is."""

    def __init__(self) -> None:
        super().__init__(use_decimal=False, allow_nan=True, ensure_ascii=sys.version_info < (3, 12))

    def default(self, value: Any) -> Any:
        if isinstance(value, decimal.Decimal):
            return math.nan if value.is_nan() else RawJSON(str(value))
        return super().default(value)


_encode = _Encoder().encode


def run(handler: str, address: str) -> None:
    """Run a function until its environment ends."""
    api = RuntimeApi(address)
    sink = set_up()
    try:
        function = load(handler)
    except Fault as fault:
        _give_up(api, sink, _error(str(fault), fault.kind, fault.trace))
    except Exception as error:
        frames = _frames(error.__traceback__)
        _give_up(api, sink, _error(str(error), type(error).__name__, _format(frames)))
    else:
        while True:
            body, headers = api.next()
            _announce(headers)
            _handle(api, sink, function, body, headers)


def load(handler: str) -> Handler:
    """The handler named MODULE.FUNCTION; raises Fault, or what its module raises."""
    module_name, dot, name = handler.rpartition(".")
    if not dot:
        raise Fault(
            "MalformedHandlerName",
            f"Bad handler '{handler}': not enough values to unpack (expected 2, got 1)",
        )
    if module_name.partition(".")[0] in sys.builtin_module_names:
        raise Fault(
            "BuiltInModuleConflict",
            f"Cannot use built-in module {module_name} as a handler module",
        )
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as error:
        raise Fault(
            "ImportModuleError", f"Unable to import module '{module_name}': {error}"
        ) from error
    except SyntaxError as error:
        raise Fault(
            "UserCodeSyntaxError",
            f"Syntax error in module '{module_name}': {error}",
            [f'  File "{error.filename}" Line {error.lineno}\n    {error.text}'],
        ) from error
    try:
        function: Handler = getattr(module, name)
    except AttributeError:
        message = f"Handler '{name}' missing on module '{module_name}'"
        raise Fault("HandlerNotFound", message) from None
    return function


def _announce(headers: dict[str, str]) -> None:
    """Make known to logging and to X-Ray which request is being handled."""
    current_request.aws_request_id = headers["lambda-runtime-aws-request-id"]
    current_request.tenant_id = headers.get("lambda-runtime-aws-tenant-id")
    trace_id = headers.get("lambda-runtime-trace-id")
    if trace_id is not None:
        os.environ["_X_AMZN_TRACE_ID"] = trace_id
    else:
        os.environ.pop("_X_AMZN_TRACE_ID", None)


def _handle(
    api: RuntimeApi, sink: LogSink, function: Handler, body: bytes, headers: dict[str, str]
) -> None:
    request_id = headers["lambda-runtime-aws-request-id"]
    try:
        context = _context(headers)
        result = function(_event(body, headers), context)
        if isinstance(result, bytes):
            content_type, answer = "application/unknown", result
        else:
            content_type, answer = "application/json", _json(result)
    except Fault as fault:
        error = _error(str(fault), fault.kind, fault.trace, request_id)
        cause = _xray_cause("LambdaValidationError", str(fault), traceback.StackSummary())
    except Exception as raised:
        frames = _frames(raised.__traceback__)
        kind = type(raised).__name__
        error = _error(str(raised), kind, _format(frames), request_id)
        cause = _xray_cause(kind, str(raised), frames)
    else:
        api.respond(request_id, content_type, answer)
        return
    log_error(error, sink)
    api.fail(request_id, _encode(error).encode(), cause)


def _context(headers: dict[str, str]) -> LambdaContext:
    return LambdaContext(
        headers["lambda-runtime-aws-request-id"],
        headers["lambda-runtime-invoked-function-arn"],
        int(headers["lambda-runtime-deadline-ms"]),
        client_context=_json_header(headers, "Client Context"),
        cognito_identity=_json_header(headers, "Cognito Identity"),
        tenant_id=headers.get("lambda-runtime-aws-tenant-id"),
    )


def _json_header(headers: dict[str, str], name: str) -> Any:
    value = headers.get(f"lambda-runtime-{name.lower().replace(' ', '-')}")
    if not value:
        return None
    try:
        return simplejson.loads(value)
    except ValueError as error:
        raise Fault(
            "LambdaContextUnmarshalError", f"Unable to parse {name} JSON: {error}"
        ) from error


def _event(body: bytes, headers: dict[str, str]) -> Any:
    if headers.get("content-type") != "application/json":
        return body
    try:
        return simplejson.loads(body)
    except Exception as error:
        raise Fault("UnmarshalError", f"Unable to unmarshal input: {error}") from error


def _json(result: Any) -> bytes:
    try:
        text: str = _encode(result)
    except Exception as error:
        raise Fault("MarshalError", f"Unable to marshal response: {error}") from error
    return text.encode()


def _error(
    message: str, kind: str, trace: list[str], request_id: str = ""
) -> dict[str, str | list[str]]:
    return {
        "errorMessage": message,
        "errorType": kind,
        "requestId": request_id,
        "stackTrace": trace,
    }


def _frames(trace: TracebackType | None) -> traceback.StackSummary:
    """The frames of the function's own code: ours come first and are left out."""
    frames = traceback.extract_tb(trace)
    while frames and frames[0].filename.startswith(_OWN_FOLDER):
        del frames[0]
    return frames


def _format(frames: traceback.StackSummary) -> list[str]:
    """Frames as AWS shows them: without the markers that Python puts under a line."""
    return traceback.format_list([(f.filename, f.lineno or 0, f.name, f.line) for f in frames])


def _xray_cause(kind: str, message: str, frames: traceback.StackSummary) -> str:
    """The cause of an error in X-Ray's form, if it is short enough for a header."""
    stack = [{"label": f.name, "path": f.filename, "line": f.lineno} for f in frames]
    cause = simplejson.dumps(
        {
            "working_directory": str(Path.cwd()),
            "exceptions": [{"message": message, "type": kind, "stack": stack}],
            "paths": sorted({frame.filename for frame in frames}),
        }
    )
    return cause if len(cause) < _XRAY_LIMIT_BYTES else ""


def _give_up(api: RuntimeApi, sink: LogSink, error: dict[str, str | list[str]]) -> None:
    """Report that INIT failed and leave."""
    logging.getLogger().warning(_UNHANDLED)
    log_error(error, sink)
    api.fail_init(_encode(error).encode(), str(error["errorType"]))
    sys.exit(1)
