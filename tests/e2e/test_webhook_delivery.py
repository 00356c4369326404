"""Webhooks of the running system when a receiver fails: retries, dead letters, and back again."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import boto3
import psycopg
import pytest

from cli.api import Merchant
from cli.merchants import pii_key
from paywright.clock import SystemClock
from paywright.ids import UuidSource, parse_typeid
from paywright.merchants.create import create_merchant
from tests.receivers import Receiver, status
from tests.waiting import until

pytestmark = pytest.mark.xdist_group("e2e")

_DEAD = "webhook-delivery-dlq"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.fixture
def database(paywright) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(paywright.urls.database_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def merchant(paywright, database, receiver: Receiver) -> Iterator[Merchant]:
    """One whose webhooks go to the receiver."""
    clock = SystemClock()
    made = create_merchant(
        database,
        pii_key(paywright.home),
        name="Ada",
        email=f"{uuid.uuid4().hex}@example.com",
        settlement_currency="usd",
        webhook_url=receiver.url,
        clock=clock,
        ids=UuidSource(clock),
        allow_loopback=True,
    )
    yield Merchant(paywright.urls.gateway_url, made.api_key)
    database.execute(
        "UPDATE webhook_endpoints SET enabled = false WHERE merchant_id = %s",
        [parse_typeid("mer", made.id)],
    )


def pay(merchant: Merchant) -> None:
    customer = merchant.created("/v1/customers", {})
    card = {"number": "4242424242424242", "exp_month": 12, "exp_year": 2034, "cvc": "123"}
    path = f"/v1/customers/{customer['id']}/payment_methods"
    method = merchant.created(path, {"type": "card", "card": card})
    merchant.created(
        "/v1/payments", {"amount": 1999, "currency": "usd", "payment_method_id": method["id"]}
    )


def deliveries(merchant: Merchant, state: str) -> list[Any]:
    return list(merchant.get(f"/v1/webhook_deliveries?status={state}").body["data"])


def dead_letters(paywright, code: str) -> list[dict[str, str]]:
    """Their attributes and bodies."""
    done = paywright.run("queue", "peek", _DEAD, "--json")
    assert done.returncode == 0, done.stderr
    letters = [
        {name: each["StringValue"] for name, each in message["message_attributes"].items()}
        | {"body": message["body"]}
        for message in json.loads(done.stdout)
    ]
    return [letter for letter in letters if letter.get("ERROR_CODE") == code]


def test_a_delivery_that_fails_for_good_comes_back_from_the_dead_letters_once(
    paywright, database, merchant: Merchant, receiver: Receiver
) -> None:
    receiver.replies.extend([status(500), status(503)])
    pay(merchant)
    (delivery,) = until(
        lambda: [each for each in deliveries(merchant, "pending") if each["attempts"]],
        "the first attempt",
    )
    database.execute(
        "UPDATE webhook_deliveries SET tries = 5 WHERE id = %s",
        [parse_typeid("whd", delivery["id"])],
    )
    (failed,) = until(lambda: deliveries(merchant, "failed"), "the last attempt")
    assert (failed["attempts"], failed["last_status_code"]) == (2, 503)
    letter = until(
        lambda: [
            each
            for each in dead_letters(paywright, "RETRIES_EXHAUSTED")
            if each["DELIVERY_ID"] == delivery["id"]
        ],
        "the dead letter",
    )[0]
    assert letter["ERROR_MESSAGE"] == "the receiver answered 503"
    for _ in range(2):
        done = paywright.run("queue", "redrive", _DEAD, "--to", "webhook-delivery")
        assert done.returncode == 0, done.stderr
        (delivered,) = until(lambda: deliveries(merchant, "delivered"), "the delivery")
        assert (delivered["id"], delivered["attempts"]) == (delivery["id"], 3)
    assert len({each.headers["webhook-id"] for each in receiver.received}) == 1
    attempts = merchant.get(f"/v1/webhook_deliveries/{delivery['id']}/attempts").body["data"]
    assert [each["status_code"] for each in attempts] == [200, 503, 500]


def test_what_is_no_event_is_shown_among_the_dead_letters_with_its_reason(paywright) -> None:
    sqs = boto3.client(
        "sqs",
        endpoint_url=paywright.urls.aws_endpoint_url,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    url = sqs.get_queue_url(QueueName="webhook-delivery")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="no event")
    letter = until(lambda: dead_letters(paywright, "UNREADABLE"), "the dead letter")[0]
    assert letter["body"] == "no event"
    assert letter["ERROR_MESSAGE"].startswith("JSONDecodeError")
    assert paywright.run("queue", "purge", _DEAD, "--yes").returncode == 0
    sqs.close()


def test_a_delivery_is_sent_again_by_request(merchant: Merchant, receiver: Receiver) -> None:
    pay(merchant)
    (delivery,) = until(lambda: deliveries(merchant, "delivered"), "the delivery")
    merchant.created(f"/v1/webhook_deliveries/{delivery['id']}/resend", {})
    until(lambda: len(receiver.received) == 2, "the second request")
    first, second = receiver.received
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
