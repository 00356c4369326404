"""How callers name a function: its name, an ARN or a part of one, with a qualifier or without.

Source: Lambda API reference, Invoke, FunctionName and Qualifier.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from emulator.invoke_api import errors
from emulator.template.model import LATEST, PUBLISHED, Function

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


@dataclass(frozen=True)
class Named:
    """A function as a caller named it; the qualifier is empty if there was none."""

    function: Function
    qualifier: str

    @property
    def version(self) -> str:
        """The version that is meant: an alias is of the published one."""
        return LATEST if self.qualifier in {"", LATEST} else PUBLISHED

    @property
    def arn(self) -> str:
        """The function's ARN, ending in the qualifier if there is one."""
        return f"{self.function.arn}:{self.qualifier}" if self.qualifier else self.function.arn


def resolve(
    reference: str, qualifier: str | None, functions: Mapping[str, Function], place: Place
) -> Named:
    """Return the function that is meant; raise Refused as Lambda does."""
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
    if found is None or not found.knows(wanted):
        arn = f"arn:aws:lambda:{region}:{account}:function:{match[7]}"
        raise errors.not_found(f"Function not found: {arn}{':' if wanted else ''}{wanted}")
    return Named(found, wanted)
