"""What people must know reaches them; events reach a developer's server; poison is told as such."""

import json
import subprocess
import uuid
from typing import Any

import pytest
from standardwebhooks import Webhook

from cli.api import call
from cli.aws import client
from cli.paths import CHECKOUT
from tests.receivers import Receiver
from tests.waiting import until

pytestmark = pytest.mark.xdist_group("e2e")


def mails(paywright: Any, address: str) -> list[dict[str, Any]]:
    done = paywright.run("mail", "list", f"--to={address}", "--json")
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout))


def new_merchant(paywright: Any, address: str) -> dict[str, str]:
    return dict(
        paywright.json(
            "merchant",
            "create",
            "--name=Ada's Books",
            f"--email={address}",
            "--settlement-currency=usd",
        )
    )


def test_a_new_merchant_is_mailed_that_it_has_a_key(paywright):
    address = f"{uuid.uuid4().hex}@books.example"
    key = new_merchant(paywright, address)["api_key"]
    (mail,) = until(lambda: mails(paywright, address), "the mail")
    assert mail["subject"] == "[test mode] A new API key was created for your account"
    assert mail["sender"] == "Paywright <notifications@paywright.example>"
    shown = paywright.run("mail", "show", mail["id"])
    assert f"Ends in: {key[-4:]}" in shown.stdout
    assert key not in shown.stdout
    assert paywright.run("mail", "show").returncode == 0


def test_who_was_mailed_until_now_is_told_of_another_address(paywright):
    address, other = (f"{uuid.uuid4().hex}@books.example" for _ in range(2))
    key = new_merchant(paywright, address)["api_key"]
    (first,) = until(lambda: mails(paywright, address), "the mail of the key")
    answer = call(
        "PATCH",
        f"{paywright.urls.gateway_url}/v1/merchants/me",
        json.dumps({"notifications": {"email": other}}).encode(),
        headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
    )
    assert answer.status == 200
    told = until(lambda: mails(paywright, address)[:-1], "the mail of the change")
    assert [mail["subject"] for mail in told] == [
        "E-mails about your account go to another address"
    ]
    assert first["id"] == mails(paywright, address)[-1]["id"]
    assert mails(paywright, other) == []


def test_the_same_event_twice_is_one_mail(paywright):
    address = f"{uuid.uuid4().hex}@books.example"
    merchant = new_merchant(paywright, address)["id"]
    until(lambda: mails(paywright, address), "the first mail")
    sample = json.loads((CHECKOUT / "events" / "notifications_dispute_opened.json").read_text())
    body = sample["Records"][0]["body"]
    for name, value in {
        "${MERCHANT}": merchant,
        "${EVENT}": "evt_01k8nkrkaye008000000000003",
        "${NOW}": "2026-11-22T20:00:00Z",
        "${TRACE}": "0" * 32,
    }.items():
        body = body.replace(name, value)
    sqs = client("sqs", paywright.urls)
    url = sqs.get_queue_url(QueueName="notifications")["QueueUrl"]
    for _ in range(3):
        sqs.send_message(QueueUrl=url, MessageBody=body)
    until(lambda: len(mails(paywright, address)) > 1, "the mail of the dispute")
    until(lambda: depth(sqs, url) == 0, "the end of the queue")
    assert [mail["subject"] for mail in mails(paywright, address)] == [
        "[test mode] A payment of 19.99 usd is disputed",
        "[test mode] A new API key was created for your account",
    ]


def test_poison_goes_to_the_dead_letters_and_says_why(paywright):
    sqs = client("sqs", paywright.urls)
    mark = uuid.uuid4().hex
    url = sqs.get_queue_url(QueueName="notifications")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody=json.dumps({"surprise": mark}))

    def dead() -> list[dict[str, Any]]:
        shown = paywright.run("queue", "peek", "notifications-dlq", "--limit=100", "--json")
        return [each for each in json.loads(shown.stdout) if mark in each["body"]]

    (letter,) = until(dead, "the dead letter")
    assert letter["why"].startswith("it cannot be read: KeyError: 'detail'")


def test_events_are_forwarded_to_a_developers_server(paywright):
    receiver = Receiver()
    process = subprocess.Popen(
        [
            *paywright.command,
            "listen",
            f"--forward-to={receiver.url}",
            "--events=payment.*",
        ],
        env=paywright.env,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        head = [process.stdout.readline() for _ in range(3)]
        assert head[0].startswith(f"Forwarding payment.* of {paywright.demo.id} to {receiver.url}")
        secret = head[1].split()[-1]
        content = {"amount": 1999, "currency": "usd"}
        method = {"payment_method_id": paywright.demo.payment_method_id}
        paid = [paywright.api.created("/v1/payments", content | method)["id"] for _ in range(5)]

        def forwarded() -> bool:
            got = {json.loads(each.body)["data"]["object"]["id"] for each in receiver.received}
            return set(paid) <= got

        until(forwarded, "the forwarding")
        for request in receiver.received:
            event = Webhook(secret).verify(request.body, request.headers)
            assert event["type"] == "payment.captured"
        process.terminate()
        rest = process.communicate(timeout=30)[0]
        assert f"{len(receiver.received)} forwarded, 0 not taken." in rest
        assert process.returncode == 0
    finally:
        process.kill()
        process.communicate()
        receiver.close()


def depth(sqs: Any, url: str) -> int:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)
    return sum(int(value) for value in answer["Attributes"].values())
