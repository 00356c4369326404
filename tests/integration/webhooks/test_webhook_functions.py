"""The functions `webhook` and `webhook_due`, called as Lambda calls them."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.api import LambdaContext, load_function
from tests.integration.webhooks.conftest import PII_KEY, Merchant
from tests.receivers import Receiver, status
from tests.waiting import PATIENCE_S, until

SAMPLE = Path(__file__).parents[3] / "events" / "webhook_payment_captured.json"


@pytest.fixture
def dead_letters_url(sqs: Any) -> str:
    return str(sqs.create_queue(QueueName=f"dead-{uuid.uuid4().hex[:12]}")["QueueUrl"])


@pytest.fixture
def webhook_function(
    monkeypatch: pytest.MonkeyPatch,
    app_database_url: str,
    valkey_url: str,
    aws_endpoint_url: str,
    dead_letters_url: str,
) -> Iterator[Any]:
    for name, value in {
        "ENVIRONMENT": "local",
        "DATABASE_URL": app_database_url,
        "VALKEY_URL": valkey_url,
        "PII_KEY": PII_KEY,
        "WEBHOOK_DEAD_LETTER_QUEUE_URL": dead_letters_url,
        "WEBHOOK_ALLOW_LOOPBACK": "true",
        "AWS_ENDPOINT_URL": aws_endpoint_url,
    }.items():
        monkeypatch.setenv(name, value)
    app = load_function("webhook")
    app._means.cache_clear()
    yield app
    means = app._means()
    means.store._database.close()
    means.places._cache.close()
    means.dead_letters._client.close()
    app._means.cache_clear()


def test_the_function_takes_the_sample_event(webhook_function: Any) -> None:
    answer = webhook_function.handler(json.loads(SAMPLE.read_text()), LambdaContext())
    assert answer == {"batchItemFailures": []}


def test_the_function_is_done_with_what_failed_and_with_poison(
    webhook_function: Any,
    sqs: Any,
    dead_letters_url: str,
    merchant: Merchant,
    receiver: Receiver,
) -> None:
    (record,) = json.loads(SAMPLE.read_text())["Records"]
    receiver.replies.append(status(500))
    bodies = {"failing": merchant.message().body, "poison": "?", "fine": record["body"]}
    records = [record | {"messageId": name, "body": body} for name, body in bodies.items()]
    answer = webhook_function.handler({"Records": records}, LambdaContext())
    assert answer == {"batchItemFailures": []}
    assert len(merchant.waiting()) == 1
    (raw,) = sqs.receive_message(QueueUrl=dead_letters_url, WaitTimeSeconds=5)["Messages"]
    assert raw["Body"] == "?"


def test_poison_that_no_dead_letter_queue_takes_stays_in_its_queue(
    webhook_function: Any, dead_letters_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEBHOOK_DEAD_LETTER_QUEUE_URL", f"{dead_letters_url}-gone")
    (record,) = json.loads(SAMPLE.read_text())["Records"]
    poison = record | {"messageId": "poison", "body": "?"}
    answer = webhook_function.handler({"Records": [record, poison]}, LambdaContext())
    assert answer == {"batchItemFailures": [{"itemIdentifier": "poison"}]}


@pytest.fixture
def due_function(
    monkeypatch: pytest.MonkeyPatch, app_database_url: str, aws_endpoint_url: str
) -> Iterator[Any]:
    sqs = boto3.client("sqs", endpoint_url=aws_endpoint_url)
    url = sqs.create_queue(QueueName="due-function-dlq")["QueueUrl"]
    for name, value in {
        "ENVIRONMENT": "local",
        "DATABASE_URL": app_database_url,
        "VALKEY_URL": "redis://127.0.0.1:1/0",
        "PII_KEY": PII_KEY,
        "WEBHOOK_DEAD_LETTER_QUEUE_URL": url,
        "WEBHOOK_ALLOW_LOOPBACK": "true",
        "AWS_ENDPOINT_URL": aws_endpoint_url,
    }.items():
        monkeypatch.setenv(name, value)
    app = load_function("webhook_due")
    app._parts.cache_clear()
    yield app
    app._parts()[0]._store._database.close()
    app._parts.cache_clear()
    sqs.close()


def run_until(function: Any, holds: Callable[[], bool]) -> None:
    """Run after run, each no longer than one step: less time is left than the last step has."""

    def run() -> bool:
        function.handler({}, LambdaContext())
        return holds()

    until(run)


def test_the_function_delivers_what_is_due(
    due_function: Any, merchant: Merchant, receiver: Receiver
) -> None:
    receiver.replies.append(status(500, Retry_After="0.1"))
    merchant.deliver(merchant.message())
    merchant.owner.execute("UPDATE webhook_waiting SET due_at = now()")
    run_until(due_function, lambda: merchant.deliveries()[0]["status"] != "pending")
    assert len(receiver.received) == 2
    assert [each["status"] for each in merchant.deliveries()] == ["delivered"]


def test_a_request_under_way_keeps_no_others_waiting_for_the_next_run(
    due_function: Any,
    merchant: Merchant,
    receiver: Receiver,
    new_merchant: Callable[[str], Merchant],
    new_receiver: Callable[[], Receiver],
) -> None:
    go_on = threading.Event()

    def late(handler: BaseHTTPRequestHandler) -> None:
        go_on.wait(PATIENCE_S)
        status(200)(handler)

    receiver.replies.append(late)
    merchant.set_endpoint(slow=True)
    merchant.deliver(merchant.message())
    due_function.handler({}, LambdaContext())
    assert merchant.attempts() == [], "the run has ended before it is answered"
    other = new_merchant(new_receiver().url)
    other.set_endpoint(answered_at=None)
    other.deliver(other.message())
    run_until(due_function, lambda: other.deliveries()[0]["status"] == "delivered")
    assert merchant.attempts() == []
    go_on.set()
    run_until(due_function, lambda: merchant.deliveries()[0]["status"] == "delivered")
    assert len(receiver.received) == len(merchant.attempts()) == 1, "a later run has recorded it"
