"""EventBridge: puts entries on a bus, several requests at a time, each with a short timeout."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from uuid import UUID

import boto3

from paywright.events.entry import MAX_BYTES, SOURCE, Entry, chunks
from paywright.events.put_events import Answer, PutEvents, Refusal

IN_FLIGHT = 4
_INVALID = "ValidationException"


@dataclass
class Outcome:
    """What became of the entries; those in neither of the two were not decided, by `failure`."""

    accepted: list[UUID] = field(default_factory=list)
    refused: dict[UUID, str] = field(default_factory=dict)
    failure: str | None = None


class Bus:
    """One EventBridge bus; the endpoint is AWS_ENDPOINT_URL's, which boto3 reads itself."""

    def __init__(
        self,
        name: str,
        *,
        session: boto3.session.Session | None = None,
        endpoint_url: str | None = None,
    ) -> None:
        self._name = name
        session = session or boto3.session.Session()
        # A client finds out where the region's endpoint is; it is not needed for more.
        client = session.client("events", endpoint_url=endpoint_url)
        where = client.meta
        client.close()
        found = session.get_credentials()
        self._put_events = PutEvents(
            where.endpoint_url,
            where.region_name,
            lambda: None if found is None else found.get_frozen_credentials(),
        )

    def put(self, entries: Iterable[Entry]) -> Outcome:
        """Put entries on the bus and tell of each what became of it; nothing is raised.

        After a request that nobody took no more are sent: whoever asks tries again later.
        """
        outcome = Outcome()
        fitting = []
        for entry in entries:
            if entry.size > MAX_BYTES:
                outcome.refused[entry.id] = f"{entry.size} bytes are more than the bus takes"
            else:
                fitting.append(entry)
        requests = chunks(fitting)
        while outcome.failure is None and (together := list(islice(requests, IN_FLIGHT))):
            self._put_together(together, outcome)
        return outcome

    def close(self) -> None:
        """Close the connections to the endpoint."""
        self._put_events.close()

    def _put_together(self, requests: Sequence[list[Entry]], outcome: Outcome) -> None:
        answers = self._put_events.send([[self._shown(each) for each in r] for r in requests])
        for request, answer in zip(requests, answers, strict=True):
            if isinstance(answer, Refusal) and answer.code == _INVALID and len(request) > 1:
                # One entry condemns the whole request: find it, so that the others go.
                for entry in request:
                    self._put_together([[entry]], outcome)
            else:
                _note(request, answer, outcome)

    def _shown(self, entry: Entry) -> dict[str, str]:
        return {
            "Source": SOURCE,
            "DetailType": entry.detail_type,
            "Detail": entry.detail,
            "EventBusName": self._name,
        }


def _note(request: Sequence[Entry], answer: Answer, outcome: Outcome) -> None:
    if isinstance(answer, Refusal):
        if answer.code == _INVALID:
            outcome.refused[request[0].id] = answer.reason
        else:
            outcome.failure = outcome.failure or answer.reason
        return
    for entry, result in zip(request, answer, strict=True):
        if result.get("EventId"):
            outcome.accepted.append(entry.id)
        else:
            outcome.refused[entry.id] = str(result.get("ErrorCode", "refused"))
