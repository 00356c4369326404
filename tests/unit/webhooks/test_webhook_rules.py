"""Filters, delays, secrets and messages: the pure parts of webhooks."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from paywright.webhooks.filters import wanted_since, wants
from paywright.webhooks.message import Message, Poison, body_for, event_of, from_record
from paywright.webhooks.retries import MAX_ATTEMPTS, delay_s, parse_retry_after
from paywright.webhooks.secrets import key_of, new_secret

SAMPLE = Path(__file__).parents[3] / "events" / "webhook_payment_captured.json"
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("filters", "event_type", "wanted"),
    [
        (["*"], "payment.captured", True),
        (["payment.captured"], "payment.captured", True),
        (["payment.captured"], "payment.captured.late", False),
        (["payment.*"], "payment.captured", True),
        (["payment.*"], "payments.captured", False),
        (["payment.*"], "payment", False),
        (["payment"], "payment.captured", False),
        (["refund.*", "payment.failed"], "payment.failed", True),
        ([], "payment.captured", False),
        (["*.captured"], "payment.captured", False),
    ],
)
def test_filters_take_whole_types_and_trailing_wildcards(
    filters: list[str], event_type: str, wanted: bool
) -> None:
    assert wants(filters, event_type) is wanted


@pytest.mark.parametrize(("attempt", "seconds"), [(1, 1), (2, 5), (3, 30), (4, 120), (5, 600)])
def test_delays_grow_with_the_attempts(attempt: int, seconds: int) -> None:
    assert delay_s(attempt, None, 0.0) == seconds
    assert seconds * 0.9 <= (delay_s(attempt, None, -1.0) or 0) <= seconds
    assert seconds < (delay_s(attempt, None, 1.0) or 0) <= seconds * 1.1 + 1


def test_the_sixth_attempt_is_the_last() -> None:
    assert MAX_ATTEMPTS == 6
    assert delay_s(6, 30, 0.0) is None


def test_retry_after_makes_a_delay_longer_up_to_15_minutes_and_never_shorter() -> None:
    assert delay_s(1, 60.0, 0.0) == 60
    assert delay_s(1, 120.1, 0.0) == 120.1
    assert delay_s(1, 86_400.0, 0.0) == 900
    assert delay_s(4, 2.0, 0.0) == 120


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        ("120.1", 120.1),
        (format_datetime(NOW.replace(minute=2), usegmt=True), 120.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", None),
        ("0", None),
        ("-5", None),
        ("nan", None),
        ("inf", None),
        ("invalid", None),
        ("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str | None, seconds: float | None) -> None:
    assert parse_retry_after(value, NOW) == seconds


def test_secrets_are_random_and_of_the_published_form() -> None:
    first, second = new_secret(), new_secret()
    assert first != second
    assert first.startswith("whsec_")
    assert len(key_of(first)) == 24


def test_the_sample_event_is_read() -> None:
    (record,) = json.loads(SAMPLE.read_text())["Records"]
    message = from_record(record)
    event = event_of(message)
    assert message.id == record["messageId"]
    assert event.endpoint_id is None
    assert event.type == "payment.captured"
    assert event.livemode is False
    assert json.loads(event.payload)["id"] == event.public_id


def test_a_message_for_one_endpoint_is_the_event_again_and_names_the_endpoint() -> None:
    (record,) = json.loads(SAMPLE.read_text())["Records"]
    event, endpoint_id = event_of(from_record(record)), uuid4()
    again = event_of(Message("id", body_for(event, endpoint_id)))
    assert again == replace(event, endpoint_id=endpoint_id)


def _body(**changes: Any) -> str:
    (record,) = json.loads(SAMPLE.read_text())["Records"]
    envelope = json.loads(record["body"])
    envelope["detail"] |= changes
    return json.dumps(envelope)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "not json",
        "[]",
        "null",
        '"text"',
        "{}",
        "[" * 100_000,
        '{"detail-type": "payment.captured", "detail": null}',
        _body(merchant_id="cus_01k8nkrkaye008000000000002"),
        _body(event_id="evt_nonsense"),
        _body(event_id=7),
        _body(payload=None),
        _body(payload={"id": "evt_x"}),
        _body(payload="\ud800"),
        _body(livemode="false"),
        _body(sequence="1"),
        _body(trace_id={"id": "trace-1"}),
        _body(endpoint_id="whe_nonsense"),
        _body(endpoint_id=None),
    ],
)
def test_what_is_no_event_is_poison(body: str) -> None:
    with pytest.raises(Poison):
        event_of(Message("id", body))


EARLY, LATER = NOW - timedelta(days=2), NOW - timedelta(days=1)


@pytest.mark.parametrize(
    ("before", "event_types", "since"),
    [
        ({}, ["*"], {"*": NOW}),
        ({"*": EARLY}, ["*"], {"*": EARLY}),
        ({"*": EARLY}, ["payment.*"], {"payment.*": EARLY}),
        ({"payment.*": EARLY}, ["*"], {"*": NOW, "payment.*": EARLY}),
        ({"payment.*": EARLY}, ["refund.*"], {"refund.*": NOW}),
        (
            {"payment.*": EARLY},
            ["payment.captured", "refund.*"],
            {"payment.captured": EARLY, "refund.*": NOW},
        ),
        (
            {"payment.captured": LATER, "payment.*": EARLY},
            ["payment.captured"],
            {"payment.captured": EARLY},
        ),
        ({"payment.captured": EARLY, "*": LATER}, ["*"], {"*": LATER, "payment.captured": EARLY}),
        ({"payment.captured": EARLY}, [], {}),
    ],
)
def test_what_a_filter_lets_pass_before_and_after_a_change_was_always_wanted(
    before: dict[str, datetime], event_types: list[str], since: dict[str, datetime]
) -> None:
    assert wanted_since(before, event_types, NOW) == since
