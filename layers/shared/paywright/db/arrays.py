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
        return f"{{{','.join([_element(each) for each in obj])}}}".encode()


def _element(value: Any) -> str:
    literal = _LITERALS.get(type(value))
    if literal is None:  # an enumeration, say
        literal = next((each for kind, each in _LITERALS.items() if isinstance(value, kind)), None)
        assert literal is not None, "no such arrays are used here"
    return literal(value)


def _text(value: str) -> str:
    return f'"{value if value.isalnum() else value.translate(_ESCAPES)}"'


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
