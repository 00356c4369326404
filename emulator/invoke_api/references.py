"""How callers name a function: its name, an ARN or a part of one, with a qualifier or without.

Source: Lambda API reference, Invoke, FunctionName and Qualifier.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from emulator.invoke_api import errors
from emulator.template.model import Function

LATEST = "$LATEST"
_PATTERN = (
    r"(arn:(aws[a-zA-Z-]*)?:lambda:)?([a-z]{2}(-gov)?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?"
    r"([a-zA-Z0-9-_\.]+)(:(\$LATEST|[a-zA-Z0-9-_]+))?"
)
_REFERENCE = re.compile(_PATTERN)
_QUALIFIER = re.compile(r"(|[a-zA-Z0-9$_-]+)")


@dataclass(frozen=True)
class Place:
    """The region and account that the functions are in."""

    region: str
    account_id: str


def resolve(
    reference: str, qualifier: str | None, functions: Mapping[str, Function], place: Place
) -> Function:
    """Return the function that is meant; raise Refused as Lambda does.

    There is one version of each, `$LATEST`: no alias and no published version is ever found.
    """
    match = _REFERENCE.fullmatch(reference)
    if match is None:
        raise errors.not_like(reference, "functionName", _PATTERN)
    if qualifier is not None and _QUALIFIER.fullmatch(qualifier) is None:
        raise errors.not_like(qualifier, "qualifier", _QUALIFIER.pattern)
    own = match[9]
    if own and qualifier and own != qualifier:
        raise errors.invalid_parameter(
            "The derived qualifier from the function name does not match the specified qualifier."
        )
    wanted = own or qualifier or ""
    region = (match[3] or place.region).removesuffix(":")
    if region != place.region:
        raise errors.not_found(
            f"Functions from '{region}' are not reachable in this region ('{place.region}')"
        )
    account = (match[5] or place.account_id).removesuffix(":")
    found = functions.get(match[7]) if account == place.account_id else None
    if found is None or wanted not in {"", LATEST}:
        arn = f"arn:aws:lambda:{region}:{account}:function:{match[7]}"
        raise errors.not_found(f"Function not found: {arn}{':' if wanted else ''}{wanted}")
    return found
