"""X-Ray's trace header, which follows a request through everything that it causes.

Source: AWS X-Ray developer guide, "Tracing header"; a W3C trace id is the same 32 hexadecimal
digits (AWS Distro for OpenTelemetry, "X-Ray ID generator").
"""

from __future__ import annotations

import random
import re
import time

from emulator.http1 import Request

HEADER = b"x-amzn-trace-id"
_LONGEST_BYTES = 512
_ROOT = re.compile(rb"\bRoot=1-[0-9a-f]{8}-[0-9a-f]{24}\b")
_TRACEPARENT = re.compile(
    rb"[0-9a-f]{2}-(?!0{32})([0-9a-f]{8})([0-9a-f]{24})-[0-9a-f]{16}-[0-9a-f]{2}"
)
# Ids need to differ, not to be secret; asking the kernel for each would cost calls a request.
_random = random.Random()  # noqa: S311


def new_trace_id() -> str:
    """A trace header that starts a new trace."""
    return f"Root=1-{int(time.time()):08x}-{_random.getrandbits(96):024x}"


def trace_id_of(request: Request) -> str:
    """The trace header that came, else one of the caller's W3C trace, else a new one.

    AWS itself makes nothing of a `traceparent`; here one trace id then finds all lines of the log.
    """
    given = request.header(HEADER)
    if given is not None and len(given) <= _LONGEST_BYTES and _ROOT.search(given):
        return given.decode("latin-1")
    parent = request.header(b"traceparent")
    match = _TRACEPARENT.fullmatch(parent) if parent is not None else None
    return f"Root=1-{match[1].decode()}-{match[2].decode()}" if match else new_trace_id()
