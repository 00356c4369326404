"""Lists as PostgreSQL's array literals (documentation, "Array Value Input")."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from psycopg.adapt import Buffer, Dumper

_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"'})


class ArrayDumper(Dumper):
    """Dumps a flat list as text without a type: the statement casts it, `%(ids)s::uuid[]`."""

    def dump(self, obj: list[Any]) -> Buffer:
        """The literal."""
        elements = [_LITERALS.get(type(each), _other)(each) for each in obj]
        return f"{{{','.join(elements)}}}".encode()


def _other(value: Any) -> str:
    """A value of a kind derived from those that are known: an enumeration, say."""
    literal = next((each for kind, each in _LITERALS.items() if isinstance(value, kind)), None)
    assert literal is not None, "no such arrays are used here"
    return literal(value)


def _text(value: str) -> str:
    if '"' in value or "\\" in value:
        value = value.translate(_ESCAPES)
    return f'"{value}"'


_LITERALS: dict[type, Callable[[Any], str]] = {
    UUID: str,
    str: _text,
    bool: str,  # PostgreSQL reads Python's names as well
    int: str,
    Decimal: str,
    type(None): lambda _: "NULL",
    datetime: lambda value: f'"{value.isoformat()}"',
    bytes: lambda value: f'"\\\\x{value.hex()}"',
}
