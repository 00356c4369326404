"""What came at the receivers, held against what the database says should have come."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg

from paywright.ids import parse_typeid, typeid
from tests.simulation.moody_receiver import Receipt

Pair = tuple[UUID, UUID]
"""An event and an endpoint."""

_PREFIXES = {"payment": "txn", "refund": "re"}

_EVENTS = """
SELECT id, merchant_id, type, object_id, sequence, payload::text,
       extract(epoch FROM created_at)::float8
  FROM (SELECT * FROM outbox
         UNION ALL
        SELECT id, merchant_id, livemode, type, object_id, sequence, payload, NULL, created_at
          FROM events
         WHERE id NOT IN (SELECT id FROM outbox)) AS event -- what is relayed again is in both
"""


@dataclass(frozen=True)
class Endpoint:
    """Where events of a merchant go that one of the filters matches."""

    id: UUID
    merchant_id: UUID
    path: str
    filters: Sequence[str]

    def wants(self, event: Event) -> bool:
        """Whether an event is to come here, said anew and not asked of the product."""
        group = event.type.split(".")[0] + ".*"
        return (
            event.merchant_id == self.merchant_id
            and event.type != "merchant.api_key_created"
            and any(each in ("*", group, event.type) for each in self.filters)
        )


@dataclass(frozen=True)
class Event:
    """A committed event; `created_at` is Unix time of the business's clock."""

    id: UUID
    merchant_id: UUID
    type: str
    object_id: UUID
    sequence: int
    payload: str
    created_at: float


@dataclass(frozen=True)
class Figures:
    """What a run came to."""

    events: int
    wanted: int
    requests: int
    repeated: int
    longest_delay_s: float


def events_of(connection: psycopg.Connection[Any]) -> dict[UUID, Event]:
    """All committed events, on their way or not."""
    rows = connection.execute(_EVENTS.encode()).fetchall()
    return {row[0]: Event(*row) for row in rows}


def wanted_of(events: Mapping[UUID, Event], endpoints: Iterable[Endpoint]) -> set[Pair]:
    """Each event with each endpoint that it has to come to."""
    return {
        (event.id, endpoint.id)
        for endpoint in endpoints
        for event in events.values()
        if endpoint.wants(event)
    }


def delivered_of(connection: psycopg.Connection[Any]) -> set[Pair]:
    """What the database says is delivered."""
    rows = connection.execute(
        "SELECT event_id, endpoint_id FROM webhook_deliveries WHERE status = 'delivered'"
    ).fetchall()
    return set(rows)


@dataclass(frozen=True)
class Reckoning:
    """Events before and after the receipts were read: none came later than `after` knows of."""

    endpoints: Sequence[Endpoint]
    before: Mapping[UUID, Event]
    receipts: Sequence[Receipt]
    after: Mapping[UUID, Event]
    delivered: set[Pair]

    def problems(self, promised: Iterable[tuple[str, str]]) -> list[str]:
        """Everything that is not as it must be, in words."""
        return [
            *self._missing(),
            *self._untrue(),
            *self._gaps(),
            *self._broken_promises(promised),
        ]

    def figures(self, machine_time: Callable[[float], float]) -> Figures:
        """What it came to; delays are of the machine's time, to the first answer of 204."""
        first: dict[Pair, float] = {}
        times: Counter[Pair] = Counter()
        for receipt in self.receipts:
            pair = self._pair(receipt)
            if pair is not None:
                times[pair] += receipt.is_taken
                if receipt.is_taken:
                    first[pair] = min(first.get(pair, receipt.at), receipt.at)
        delays = [
            at - machine_time(self.after[event].created_at) for (event, _), at in first.items()
        ]
        return Figures(
            events=len(self.before),
            wanted=len(wanted_of(self.before, self.endpoints)),
            requests=len(self.receipts),
            repeated=sum(count - 1 for count in times.values() if count > 1),
            longest_delay_s=max(delays, default=0.0),
        )

    def _missing(self) -> list[str]:
        """Committed, and not received or not known to be; byte for byte is for `_untrue`."""
        wanted = wanted_of(self.before, self.endpoints)
        taken = {self._pair(receipt) for receipt in self.receipts if receipt.is_taken}
        return [
            *(f"never received: {self._words(pair)}" for pair in wanted - taken),
            *(
                f"not recorded as delivered: {self._words(pair)}"
                for pair in wanted - self.delivered
            ),
            *(
                f"recorded as delivered but never received: {self._words(pair)}"
                for pair in (self.delivered & wanted) - taken
            ),
        ]

    def _untrue(self) -> list[str]:
        """Received, and not committed like that or not for this endpoint."""
        wanted, problems = wanted_of(self.after, self.endpoints), []
        for receipt in self.receipts:
            pair = self._pair(receipt)
            where = f"{receipt.id} at {receipt.path}"
            if not receipt.is_signed:
                problems.append(f"not signed as it must be: {where}")
            if pair is None:
                problems.append(f"invented: {where}")
            elif pair not in wanted:
                problems.append(f"not subscribed to: {where}, {self.after[pair[0]].type}")
            elif receipt.body != self.after[pair[0]].payload:
                problems.append(f"other than committed: {where}")
            elif json.loads(receipt.body)["id"] != receipt.id:
                problems.append(f"under an id that is not the event's: {where}")
        return problems

    def _gaps(self) -> list[str]:
        """Objects whose events are not numbered 1, 2, 3, … here and at who receives them all."""
        committed: dict[UUID, list[int]] = defaultdict(list)
        for event in self.before.values():
            committed[event.object_id].append(event.sequence)
        received: dict[tuple[str, str], set[int]] = defaultdict(set)
        everything = {each.path for each in self.endpoints if "*" in each.filters}
        for receipt in self.receipts:
            if receipt.is_taken and receipt.path in everything:
                content = json.loads(receipt.body)
                about = content["data"]["object"]["id"]
                received[receipt.path, about].add(content["sequence"])
        return [
            f"events of {about} are numbered {sorted(numbers)}"
            for about, numbers in [*committed.items(), *received.items()]
            if sorted(numbers) != list(range(1, len(numbers) + 1))
        ]

    def _broken_promises(self, promised: Iterable[tuple[str, str]]) -> list[str]:
        """What a merchant was answered, and no event tells."""
        known = {(event.type, event.object_id) for event in self.before.values()}
        return [
            f"answered, and there is no event: {event_type} of {about}"
            for event_type, about in promised
            if (event_type, parse_typeid(_PREFIXES[event_type.split(".")[0]], about)) not in known
        ]

    def _pair(self, receipt: Receipt) -> Pair | None:
        """Which event came where, if it is one."""
        event_id = parse_typeid("evt", receipt.id)
        endpoint = next((each.id for each in self.endpoints if each.path == receipt.path), None)
        if event_id is None or event_id not in self.after or endpoint is None:
            return None
        return event_id, endpoint

    def _words(self, pair: Pair) -> str:
        event = self.before[pair[0]]
        path = next(each.path for each in self.endpoints if each.id == pair[1])
        return f"{typeid('evt', event.id)} ({event.type}, number {event.sequence}) at {path}"
