"""Every event that the system really emits is in the catalogue, and is what its schema says."""

from __future__ import annotations

import uuid
from collections import defaultdict
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from paywright.cache import Cache
from paywright.event import EventType
from paywright.ids import parse_typeid
from paywright.money import Currency, Money
from paywright.payments.expiry import expire_due
from paywright.payments.notices import hear_notices
from paywright.wiring import Platform
from tests.api import Api
from tests.clock_file import ClockFile
from tests.conformance.events.contract import check
from tests.simulation.own_platform import api, app_database_url, clock, owner, settle, url

__all__ = ["api", "app_database_url", "clock", "owner", "url"]

_VERY_LARGE = 100_000_00
OF_PAYMENTS = {each for each in EventType if each.partition(".")[0] in {"payment", "refund"}}


def hold(api: Api, **fields: Any) -> str:
    return str(api.pay(api.card(), 1000, capture=False, **fields).json["id"])


def debit(api: Api, number: str) -> str:
    details = {"account_number": number, "routing_number": "110000000", "country": "US"}
    details |= {"currency": "usd", "account_holder_name": "Ada"}
    path = f"/v1/customers/{api.customer()}/payment_methods"
    method = api.post(path, {"type": "bank_account", "bank_account": details}).json["id"]
    return str(api.pay(method, 5000).json["id"])


def reference(owner: psycopg.Connection[Any], payment_id: str) -> str:
    row = owner.execute(
        "SELECT processor_ref FROM transactions WHERE id = %s", [parse_typeid("txn", payment_id)]
    ).fetchone()
    assert row is not None
    return str(row[0])


def sent(owner: psycopg.Connection[Any]) -> list[Any]:
    """All events so far, each held against its schema, by object and in sequence."""
    rows = owner.execute(
        "SELECT payload::text, type, object_id, sequence FROM outbox ORDER BY object_id, sequence"
    ).fetchall()
    found = []
    for text, event_type, object_id, sequence in rows:
        event = check(text)
        assert (event.type, event.sequence) == (event_type, sequence)
        about = event.data["object"]
        prefix = str(about["id"]).partition("_")[0]
        assert parse_typeid(prefix, about["id"]) == object_id
        if event.type is not EventType.API_KEY_CREATED:  # the merchant was made for the test
            found.append(event)
    return found


def test_every_event_of_payments_and_refunds(
    api: Api, owner: psycopg.Connection[Any], platform: Platform, clock: ClockFile
) -> None:
    processor = platform.payments.processors.named("simulator").processor
    card = api.card()
    sale = api.pay(card, 5000, description="Zoë ☕", metadata={"order": "1"}).json["id"]
    api.post(f"/v1/payments/{sale}/refund", {"amount": 100, "reason": "duplicate"})
    euros = api.pay(card, 5000, currency="eur").json["id"]
    api.post(f"/v1/payments/{euros}/refund", {})
    assert api.pay(api.card("4000000000000002")).status == 402
    assert api.pay(api.card("4100000000000019")).status == 402
    assert api.pay(card, _VERY_LARGE).status == 201
    captured, voided = hold(api, capture_method="manual_multiple"), hold(api)
    api.post(f"/v1/payments/{captured}/capture", {"amount": 300})
    api.post(f"/v1/payments/{voided}/void")
    # The processor refuses what was done behind our back.
    uncaptured, unvoided = hold(api), hold(api)
    processor.void(uuid.uuid4(), reference=reference(owner, uncaptured))
    assert api.post(f"/v1/payments/{uncaptured}/capture").status == 402
    processor.capture(
        uuid.uuid4(),
        reference=reference(owner, unvoided),
        amount=Money(1000, Currency.of("usd")),
        final=True,
    )
    assert api.post(f"/v1/payments/{unvoided}/void").status == 402
    hold(api)  # it will expire
    later, fails = api.card("4000000000007726"), api.card("4000000000005126")
    for method in (later, fails):
        refundable = api.pay(method, 700).json["id"]
        assert api.post(f"/v1/payments/{refundable}/refund", {}).status == 201
    for number in ("000123456789", "000222222227", "000555555559"):
        debit(api, number)
    api.pay(api.card("4000000000003006"), 100)  # no answer in time
    settle(platform, clock)
    clock.advance(timedelta(days=20))
    expire_due(platform.payments)
    hear_notices(platform.payments)

    events = sent(owner)
    assert {event.type for event in events} == OF_PAYMENTS
    by_object: dict[str, list[int]] = defaultdict(list)
    for event in events:
        by_object[event.data["object"]["id"]].append(event.sequence)
    for sequences in by_object.values():
        assert sequences == list(range(1, len(sequences) + 1)), "no gaps"


@pytest.mark.parametrize("capture", [True, False])
def test_a_payment_that_is_flagged_for_review_says_so_after_it_is_accepted(
    api: Api, owner: psycopg.Connection[Any], capture: bool
) -> None:
    payment = api.pay(api.card(), _VERY_LARGE, capture=capture).json
    done, review = sent(owner)
    assert done.type == ("payment.captured" if capture else "payment.authorized")
    assert (review.type, review.sequence) == ("payment.review", 2)
    assert review.data["object"] == done.data["object"] == payment
    assert review.data["object"]["fraud_flags"] == ["amount_very_large"]
    if not capture:
        api.post(f"/v1/payments/{payment['id']}/capture")
        assert [event.type for event in sent(owner)][2:] == ["payment.captured"]


def test_common_flags_are_no_reason_for_a_review(api: Api, owner: psycopg.Connection[Any]) -> None:
    assert api.pay(api.card(), 5_000_00).json["fraud_flags"] == ["amount_large"]
    assert [event.type for event in sent(owner)] == ["payment.captured"]
    busy = api.card()
    flags = [api.pay(busy, 100).json["fraud_flags"] for _ in range(102)]
    assert flags[-1] == ["card_velocity_high"]
    assert {event.type for event in sent(owner)} == {"payment.captured"}


def test_a_payment_that_could_not_be_scored_is_for_review(
    platform: Platform, api: Api, owner: psycopg.Connection[Any]
) -> None:
    card = api.card()
    platform.payments.fraud._cache = Cache("redis://127.0.0.1:1/0")  # type: ignore[attr-defined]
    assert api.pay(card, 100).json["fraud_flags"] == ["scoring_unavailable"]
    assert [event.type for event in sent(owner)] == ["payment.captured", "payment.review"]


def test_a_declined_payment_is_not_for_review(api: Api, owner: psycopg.Connection[Any]) -> None:
    assert api.pay(api.card("4100000000000019")).status == 402
    assert api.pay(api.card("4000000000000002"), _VERY_LARGE).status == 402
    assert [event.type for event in sent(owner)] == ["payment.failed"] * 2
