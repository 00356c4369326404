"""What a function's process writes: unbuffered output, the root logger, errors in one event.

Source of the forms: awslambdaric 4 and "Log and monitor Python Lambda functions".
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
import traceback
from collections.abc import Iterable
from typing import Any, TextIO

_TIME = "%Y-%m-%dT%H:%M:%S"
# The lines of one error are one log event: they are joined by what CloudWatch does not split at,
# and indented by what it does not strip.
_LINE_END = "\r"
_INDENT = "\u00a0"
_AS_JSON = os.environ.get("AWS_LAMBDA_LOG_FORMAT", "").upper() == "JSON"
_STANDARD_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"aws_request_id", "tenant_id"}


class Unbuffered:
    """A stream that is flushed after every write: nothing is lost when the process is killed."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def __enter__(self) -> Unbuffered:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def write(self, text: str) -> None:
        """Write and flush."""
        self.stream.write(text)
        self.stream.flush()

    def writelines(self, lines: Iterable[str]) -> None:
        """Write and flush."""
        self.stream.writelines(lines)
        self.stream.flush()


class LogSink:
    """Where log events go: the function's standard output."""

    def log(self, text: str) -> None:
        """Write one event."""
        sys.stdout.write(text)


class LambdaLoggerHandler(logging.Handler):
    """The root logger's handler."""

    def __init__(self, sink: LogSink) -> None:
        super().__init__()
        self.log_sink = sink

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        self.log_sink.log(self.format(record))


class _CurrentRequest(logging.Filter):
    """Gives every record the id of the request that is being handled."""

    aws_request_id = ""
    tenant_id: str | None = None

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass."""
        record.aws_request_id = self.aws_request_id
        record.tenant_id = self.tenant_id
        return True


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        """One JSON object; fields without a value are left out."""
        kind, error, frames = record.exc_info or (None, None, None)
        structured = isinstance(record.msg, dict) and not record.args
        level = min(50, max(0, record.levelno)) // 10 * 10
        own = vars(record)
        fields = {
            "timestamp": self.formatTime(record, f"{_TIME}Z"),
            "level": logging.getLevelName(level),
            "message": record.msg if structured else record.getMessage(),
            "logger": record.name,
            "stackTrace": traceback.format_tb(frames) if kind else None,
            "errorType": kind.__name__ if kind else None,
            "errorMessage": str(error) if kind else None,
            "requestId": own.get("aws_request_id"),
            "location": f"{record.pathname}:{record.funcName}:{record.lineno}" if kind else None,
            "tenantId": own.get("tenant_id"),
        }
        for name, value in own.items():
            if name not in _STANDARD_FIELDS:
                fields.setdefault(name, value)
        present = {name: value for name, value in fields.items() if value is not None}
        return json.dumps(present, ensure_ascii=False, default=str) + "\n"


current_request = _CurrentRequest()


def set_up() -> LogSink:
    """Make output unbuffered and give the root logger its handler."""
    sys.stdout = Unbuffered(sys.stdout)
    sys.stderr = Unbuffered(sys.stderr)
    logging.Formatter.converter = time.gmtime
    sink = LogSink()
    handler = LambdaLoggerHandler(sink)
    handler.setFormatter(
        _JsonFormatter()
        if _AS_JSON
        else logging.Formatter(
            "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s\n", _TIME
        )
    )
    handler.addFilter(current_request)
    root = logging.getLogger()
    level = os.environ.get("AWS_LAMBDA_LOG_LEVEL", "").upper()
    level = "DEBUG" if level == "TRACE" else level
    if level in logging.getLevelNamesMapping():
        root.setLevel(level)
    root.addHandler(handler)
    return sink


def log_error(error: dict[str, Any], sink: LogSink) -> None:
    """Write an error as one event."""
    if _AS_JSON:
        now = time.strftime(f"{_TIME}Z", time.gmtime())
        text = json.dumps({"timestamp": now, "level": "ERROR", **error})
    else:
        kind, message = error["errorType"], error["errorMessage"]
        what = ": ".join(part for part in (kind, message) if part)
        lines = [f"[ERROR] {what}" if what else "[ERROR]", "Traceback (most recent call last):"]
        for entry in error["stackTrace"]:
            lines += [_indented(line) for line in entry.splitlines()] or [""]
        text = _LINE_END.join(lines)
    sink.log(text + "\n")


def _indented(line: str) -> str:
    text = line.lstrip(" ")
    return _INDENT * (len(line) - len(text)) + text
