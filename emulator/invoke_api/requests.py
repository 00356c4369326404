"""What requests to Lambda's API bring: payload, client context, pages of lists."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from emulator.http1 import Request
from emulator.invoke_api import errors
from emulator.invoke_api.errors import Refused

_MAX_CLIENT_CONTEXT_BYTES = 3_583
_NUMBER = re.compile("[0-9]{1,9}")


def page(
    items: Sequence[Any], query: Mapping[str, str], *, most: int, at_once: int
) -> tuple[Sequence[Any], dict[str, str]]:
    """The items that Marker and MaxItems ask for, and where the next page begins, if there is."""
    marker, wanted = query.get("Marker", "0"), query.get("MaxItems", str(at_once))
    if not _NUMBER.fullmatch(marker) or int(marker) > len(items):
        raise errors.invalid_parameter("Invalid Marker")
    if not _NUMBER.fullmatch(wanted) or not 1 <= int(wanted) <= most:
        raise errors.invalid_parameter(f"MaxItems must be from 1 to {most}")
    first = int(marker)
    end = first + min(int(wanted), at_once)
    return items[first:end], {"NextMarker": str(end)} if end < len(items) else {}


def header(request: Request, name: bytes) -> str | None:
    """A header's value as text, if it is there."""
    value = request.header(name)
    return None if value is None else value.decode("latin-1")


def payload(request: Request) -> bytes:
    """The body, if it is JSON; nothing is an empty object."""
    given = request.body or b"{}"
    try:
        json.loads(given.decode(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise errors.bad_json(str(error)) from None
    return given


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def client_context(request: Request) -> str | None:
    """The client context, as JSON on one line."""
    given = request.header(b"x-amz-client-context")
    if given is None:
        return None
    if len(given) > _MAX_CLIENT_CONTEXT_BYTES:
        raise errors.invalid_parameter(
            f"Client context must be no more than {_MAX_CLIENT_CONTEXT_BYTES} bytes "
            "when base64-encoded."
        )
    try:
        # Anew on one line: it travels in a header.
        return json.dumps(json.loads(base64.b64decode(given, validate=True)))
    except (ValueError, RecursionError):
        message = "Client context must be a valid Base64-encoded JSON object."
        raise Refused(400, "InvalidRequestContentException", message, Type="User") from None
