"""What the relay puts on the bus: one entry for each event.

The detail carries the event as a string, byte for byte as merchants get it: a bus may write JSON
anew, and a signature is over bytes. Beside it stands what rules and consumers want without parsing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from paywright.ids import typeid

SOURCE = "paywright"
MAX_ENTRIES = 10
MAX_BYTES = 256 * 1024
"""Of one entry and of one request (AWS: Calculating PutEvents event entry size)."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One event as the bus takes it."""

    id: UUID
    detail_type: str
    detail: str

    @property
    def size(self) -> int:
        """Bytes that count against the bus's limit."""
        return sum(len(text.encode()) for text in (SOURCE, self.detail_type, self.detail))


def from_row(row: Mapping[str, Any]) -> Entry:
    """The entry of a row of the outbox, its `payload` as text."""
    detail = {
        "event_id": typeid("evt", row["id"]),
        "merchant_id": typeid("mer", row["merchant_id"]),
        "livemode": row["livemode"],
        "sequence": row["sequence"],
        "trace_id": row["trace_id"],
        "payload": row["payload"],
    }
    text = json.dumps(detail, separators=(",", ":"), ensure_ascii=False)
    return Entry(row["id"], row["type"], text)


def chunks(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """Requests for the bus, in order, each within its limits of number and size.

    An entry that is too large by itself comes alone: the bus refuses it without harm to others.
    """
    chunk: list[Entry] = []
    size = 0
    for entry in entries:
        if chunk and (len(chunk) == MAX_ENTRIES or size + entry.size > MAX_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(entry)
        size += entry.size
    if chunk:
        yield chunk
