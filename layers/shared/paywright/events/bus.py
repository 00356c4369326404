"""EventBridge: puts entries on a bus, several requests at a time, each with a short timeout."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from paywright.events.entry import MAX_BYTES, SOURCE, Entry, chunks

IN_FLIGHT = 4
_CONNECT_TIMEOUT_S, _READ_TIMEOUT_S = 1, 3


@dataclass
class Outcome:
    """What became of the entries; those in neither of the two were not decided, by `failure`."""

    accepted: list[UUID] = field(default_factory=list)
    refused: dict[UUID, str] = field(default_factory=dict)
    failure: str | None = None


class Bus:
    """One EventBridge bus; the endpoint is AWS_ENDPOINT_URL's, which boto3 reads itself."""

    def __init__(self, name: str, client: Any | None = None) -> None:
        self._name = name
        # One attempt: the relay itself tries again, and knows what else waits.
        self._client = client or boto3.client(
            "events",
            config=Config(
                connect_timeout=_CONNECT_TIMEOUT_S,
                read_timeout=_READ_TIMEOUT_S,
                retries={"total_max_attempts": 1},
                max_pool_connections=IN_FLIGHT,
            ),
        )
        self._pool = ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="put-events")

    def put(self, entries: Iterable[Entry]) -> Outcome:
        """Put entries on the bus and tell of each what became of it; nothing is raised."""
        outcome = Outcome()
        fitting = []
        for entry in entries:
            if entry.size > MAX_BYTES:
                outcome.refused[entry.id] = f"{entry.size} bytes are more than the bus takes"
            else:
                fitting.append(entry)
        requests = list(chunks(fitting))
        if len(requests) == 1:  # no other thread is of help
            return _sum([outcome, self._put_chunk(requests[0])])
        return _sum([outcome, *self._pool.map(self._put_chunk, requests)])

    def _put_chunk(self, chunk: list[Entry]) -> Outcome:
        request = [
            {
                "Source": SOURCE,
                "DetailType": entry.detail_type,
                "Detail": entry.detail,
                "EventBusName": self._name,
            }
            for entry in chunk
        ]
        try:
            answer = self._client.put_events(Entries=request)
        except (BotoCoreError, ClientError) as error:
            if not _is_invalid(error):
                return Outcome(failure=f"{type(error).__name__}: {error}")
            if len(chunk) == 1:
                return Outcome(refused={chunk[0].id: str(error)})
            # One entry condemns the whole request: find it, so that the others go.
            parts = [self._put_chunk([entry]) for entry in chunk]
            return _sum(parts)
        outcome = Outcome()
        for entry, result in zip(chunk, answer["Entries"], strict=True):
            if result.get("EventId"):
                outcome.accepted.append(entry.id)
            else:
                outcome.refused[entry.id] = str(result.get("ErrorCode", "refused"))
        return outcome


def _is_invalid(error: BotoCoreError | ClientError) -> bool:
    return (
        isinstance(error, ClientError)
        and error.response.get("Error", {}).get("Code") == "ValidationException"
    )


def _sum(parts: Iterable[Outcome]) -> Outcome:
    total = Outcome()
    for part in parts:
        total.accepted += part.accepted
        total.refused |= part.refused
        total.failure = total.failure or part.failure
    return total
