"""Lists as PostgreSQL's array literals (documentation, "Array Value Input")."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from psycopg.adapt import Buffer, Dumper

_OTHERS = (list, float)
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"'})


class ArrayDumper(Dumper):
    """Dumps a flat list as text without a type: the statement casts it, `%(ids)s::uuid[]`."""

    def dump(self, obj: list[Any]) -> Buffer:
        """The literal."""
        return f"{{{','.join([_element(each) for each in obj])}}}".encode()


def _element(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, str):
        return f'"{value.translate(_ESCAPES)}"'
    if isinstance(value, datetime):
        return f'"{value.isoformat()}"'
    if isinstance(value, bytes):
        return f'"\\\\x{value.hex()}"'
    assert not isinstance(value, _OTHERS), "no such arrays are used here"
    return str(value)  # UUIDs, numbers, and booleans, whose names PostgreSQL reads as well
