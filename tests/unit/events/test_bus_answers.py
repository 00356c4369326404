"""What the relay makes of EventBridge's answers, those that no local bus gives included."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import boto3
import pytest
from botocore.stub import Stubber

from paywright.events.bus import Bus
from paywright.events.entry import Entry


def _entry(number: int) -> Entry:
    return Entry(UUID(int=number), "payment.captured", "{}")


@pytest.fixture
def stubbed() -> Iterator[tuple[Bus, Stubber]]:
    client: Any = boto3.client("events", endpoint_url="http://127.0.0.1:1")
    with Stubber(client) as stubber:
        yield Bus("bus", client), stubber
    client.close()


def test_accepted_and_refused_entries_are_told_apart(stubbed: tuple[Bus, Stubber]) -> None:
    bus, stubber = stubbed
    stubber.add_response(
        "put_events",
        {
            "FailedEntryCount": 1,
            "Entries": [
                {"EventId": "1"},
                {"ErrorCode": "ThrottlingException", "ErrorMessage": "slow down"},
                {"EventId": "3"},
            ],
        },
    )
    outcome = bus.put([_entry(1), _entry(2), _entry(3)])
    assert outcome.accepted == [UUID(int=1), UUID(int=3)]
    assert outcome.refused == {UUID(int=2): "ThrottlingException"}
    assert outcome.failure is None


def test_one_invalid_entry_does_not_hold_up_its_request(stubbed: tuple[Bus, Stubber]) -> None:
    bus, stubber = stubbed
    stubber.add_client_error("put_events", "ValidationException", "detailType is too long")
    stubber.add_response("put_events", {"FailedEntryCount": 0, "Entries": [{"EventId": "1"}]})
    stubber.add_client_error("put_events", "ValidationException", "detailType is too long")
    outcome = bus.put([_entry(1), _entry(2)])
    assert outcome.accepted == [UUID(int=1)]
    assert list(outcome.refused) == [UUID(int=2)]
    assert outcome.failure is None


def test_a_failed_request_decides_nothing(stubbed: tuple[Bus, Stubber]) -> None:
    bus, stubber = stubbed
    stubber.add_client_error("put_events", "InternalException", "try later", 500)
    outcome = bus.put([_entry(1)])
    assert (outcome.accepted, outcome.refused) == ([], {})
    assert outcome.failure is not None
    assert "InternalException" in outcome.failure
