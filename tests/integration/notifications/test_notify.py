"""Notifications: what is sent to whom, once, whatever the queue and SES do."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from datetime import timedelta

import boto3
import pytest

from paywright.db import Database
from paywright.housekeeping import keep_house
from paywright.notifications.letters import Kind
from paywright.notifications.mailer import Mailer, Outcome
from paywright.notifications.notify import DELAYS_S
from paywright.notifications.queue import received
from paywright.notifications.store import CLAIM_S
from paywright.webhooks.message import Event
from paywright.wiring import Platform
from tests.api import LambdaContext, load_function
from tests.integration.notifications.conftest import IDS, SENDER, Merchant, Refusing
from tests.platform import PII_KEY


@pytest.mark.parametrize("kind", Kind)
def test_each_kind_is_mailed_to_the_merchant(merchant: Merchant, kind: Kind) -> None:
    assert merchant.notify(merchant.message(kind)) == [None]
    (mail,) = merchant.mails()
    assert mail["Source"] == f"Paywright <{SENDER}>"
    assert mail["BodyHtml"].startswith("<!doctype html>")
    assert "Reference: evt_" in mail["BodyText"]
    ((status, attempts, error, message_id),) = [
        row for row in merchant.rows() if row[0] != "unwanted"
    ]
    assert (status, attempts, error) == ("sent", 1, None)
    assert mail["MessageId"].startswith(message_id.partition("@")[0])


def test_a_new_merchant_is_told_of_its_first_key(merchant: Merchant) -> None:
    (message,) = merchant.events()
    assert merchant.notify(message) == [None]
    (mail,) = merchant.mails()
    assert mail["Subject"] == "[test mode] A new API key was created for your account"
    assert f"Ends in: {merchant.api_key[-4:]}" in mail["BodyText"]
    assert merchant.api_key[:-4] not in mail["BodyText"] + mail["BodyHtml"]
    assert isinstance(message.event, Event)
    assert merchant.api_key[:-4].encode() not in message.event.payload


def test_a_message_that_comes_again_sends_nothing_again(merchant: Merchant) -> None:
    first, other = merchant.message(), merchant.message()
    again = replace(first, id="again", receipt_handle="another", attempt=2)
    assert merchant.notify(first, again, other) == [None, None, None]
    assert merchant.notify(again) == [None]
    assert len(merchant.mails()) == 2
    assert len(merchant.rows()) == 2


def test_what_ses_refuses_is_tried_again_later_and_sent_once(merchant: Merchant) -> None:
    refusing = Refusing(lambda: Outcome(None, "Throttling: slow down"))
    message = merchant.message()
    waits = [
        merchant.notify(replace(message, attempt=attempt), mail=refusing)[0]
        for attempt in range(1, 7)
    ]
    assert waits == [*DELAYS_S, DELAYS_S[-1]]
    assert merchant.rows() == [("failed", 6, "Throttling: slow down", None)]
    assert merchant.notify(message) == [None]  # brought back from the dead letters
    assert len(merchant.mails()) == 1


def test_an_unverified_sender_is_said_without_an_address(merchant: Merchant) -> None:
    ses = boto3.client("ses", endpoint_url=merchant.aws_url)
    unknown = Mailer("nobody@elsewhere.example", ses)
    assert merchant.notify(merchant.message(), mail=unknown) == [DELAYS_S[0]]
    ((status, _, error, _),) = merchant.rows()
    assert status == "failed"
    assert error.startswith("MessageRejected: Email address is not verified.")
    assert "@" not in error


def test_a_silent_ses_is_an_answer_in_time(merchant: Merchant) -> None:
    nowhere = boto3.client("ses", endpoint_url="http://127.0.0.1:9")
    assert merchant.notify(merchant.message(), mail=Mailer(SENDER, nowhere)) == [DELAYS_S[0]]
    ((status, _, error, _),) = merchant.rows()
    assert (status, error.partition(":")[0]) == ("failed", "EndpointConnectionError")


def test_whoever_dies_between_sending_and_recording_leaves_it_to_the_next(
    merchant: Merchant,
) -> None:
    """Nobody can know whether SES had it: it goes again, with the same reference."""

    class Killed(BaseException):
        pass

    def die() -> Outcome:
        raise Killed

    message = merchant.message()
    with pytest.raises(Killed):
        merchant.notify(message, mail=Refusing(die))
    assert merchant.rows() == [("sending", 1, None, None)]
    other = Refusing(lambda: Outcome("sent by another"))
    assert merchant.notify(message, mail=other) == [60]  # it might still be at work
    assert other.sent == 0
    merchant.wall.ahead = timedelta(seconds=CLAIM_S)
    assert merchant.notify(message) == [None]
    assert len(merchant.mails()) == 1
    assert merchant.rows()[0][:2] == ("sent", 2)


def test_a_merchant_chooses_kinds_and_address(merchant: Merchant) -> None:
    assert merchant.prefer(email="ops@example.org", dispute_opened=False) == {
        "dispute_opened": [True, False],
        "email": "changed",
    }
    assert merchant.notify(merchant.message("dispute_opened")) == [None]
    assert merchant.notify(merchant.message("settlement_ready")) == [None]
    assert merchant.mails() == []
    assert len(merchant.mails("ops@example.org")) >= 1
    assert sorted(row[0] for row in merchant.rows()) == ["sent", "unwanted", "waiting"]
    # What was unwanted when it came stays so; what comes later is sent, to the own address again.
    assert merchant.prefer(email=None, dispute_opened=True)["email"] == "changed"
    assert merchant.prefer(api_key_created=True) == {}
    assert merchant.notify(merchant.message("dispute_opened")) == [None]
    assert len(merchant.mails()) == 1
    (stored,) = merchant.owner.execute(
        "SELECT notification_email_encrypted, notifications_off FROM merchants WHERE id = %s",
        [merchant.id],
    ).fetchall()
    assert stored == (None, [])


def test_an_address_is_stored_encrypted(merchant: Merchant) -> None:
    merchant.prefer(email="ops@example.org")
    ((stored,),) = merchant.owner.execute(
        "SELECT notification_email_encrypted FROM merchants WHERE id = %s", [merchant.id]
    ).fetchall()
    assert b"ops@" not in stored


@pytest.mark.parametrize(
    "body",
    [
        "no JSON",
        "{}",
        json.dumps({"detail-type": "dispute.created", "detail": {}}),
    ],
)
def test_poison_harms_nothing_beside_it(merchant: Merchant, body: str) -> None:
    poison = received(merchant.record() | {"body": body})
    assert merchant.notify(poison, merchant.message()) == [0, None]
    assert len(merchant.mails()) == 1


def test_an_event_of_no_merchant_is_poison(merchant: Merchant) -> None:
    nobody = replace(merchant, id=IDS.new())
    assert nobody.notify(nobody.message()) == [0]


def test_an_event_that_nobody_must_know_is_done(merchant: Merchant) -> None:
    record = merchant.record()
    record["body"] = record["body"].replace("dispute.created", "payment.captured")
    assert merchant.notify(received(record)) == [None]
    assert merchant.rows() == []


def test_housekeeping_forgets_what_no_message_can_be_about_any_more(
    merchant: Merchant, housekeeping_database_url: str, platform: Platform
) -> None:
    for _ in range(2):
        merchant.notify(merchant.message())
    merchant.owner.execute(
        "UPDATE notifications SET created_at = now() - interval '32 days' WHERE event_id ="
        " (SELECT event_id FROM notifications WHERE merchant_id = %s LIMIT 1)",
        [merchant.id],
    )
    database = Database(housekeeping_database_url)
    keep_house(platform.payments, database, for_s=0)
    database.close()
    assert len(merchant.rows()) == 1


def test_what_does_not_fit_into_the_time_is_left(merchant: Merchant) -> None:
    assert merchant.notify(merchant.message(), left_s=5) == [0]
    assert merchant.rows() == []


def test_the_function_answers_with_what_is_not_done(
    merchant: Merchant,
    app_database_url: str,
    valkey_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sqs = boto3.client("sqs", endpoint_url=merchant.aws_url)
    url = sqs.create_queue(QueueName=f"notifications-{uuid.uuid4().hex}")["QueueUrl"]
    good, bad = merchant.record(), merchant.record() | {"body": "nothing"}
    for record in (good, bad):
        sqs.send_message(QueueUrl=url, MessageBody=record["body"])
    answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=600)
    handles = {message["Body"]: message["ReceiptHandle"] for message in answer["Messages"]}
    for record in (good, bad):
        record["receiptHandle"] = handles[record["body"]]
    for name, value in {
        "ENVIRONMENT": "local",
        "DATABASE_URL": app_database_url,
        "VALKEY_URL": valkey_url,
        "PII_KEY": PII_KEY,
        "AWS_ENDPOINT_URL": merchant.aws_url,
        "NOTIFICATIONS_FROM": SENDER,
        "NOTIFICATIONS_QUEUE_URL": url,
    }.items():
        monkeypatch.setenv(name, value)
    app = load_function("notifications")
    result = app.handler({"Records": [good, bad]}, LambdaContext())
    assert result == {"batchItemFailures": [{"itemIdentifier": bad["messageId"]}]}
    assert len(merchant.mails()) == 1
    shown = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5)["Messages"]
    assert [message["Body"] for message in shown] == ["nothing"]  # visible at once
    app._parts()[0]._database.close()
    app._parts.cache_clear()
    sqs.close()


def test_without_an_address_the_function_says_so(
    app_database_url: str, valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", app_database_url)
    monkeypatch.setenv("VALKEY_URL", valkey_url)
    monkeypatch.setenv("PII_KEY", PII_KEY)
    monkeypatch.setenv("NOTIFICATIONS_FROM", "")
    app = load_function("notifications")
    app._parts.cache_clear()
    with pytest.raises(ValueError, match="parameter NotificationsFrom"):
        app.handler({"Records": []}, LambdaContext())
