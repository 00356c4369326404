"""Dead letters of Paywright's own queues: why they are there, and bringing them back twice."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cli import queue_move
from cli.queue_why import parser_of
from cli.queues import Queues as EveryQueue
from paywright.notifications.notify import Received
from paywright.notifications.queue import received
from tests.integration.cli.test_queue_command import Queues, plain_url
from tests.integration.notifications.conftest import Merchant, merchant, new_merchant, owner
from tests.waiting import until

__all__ = ["merchant", "new_merchant", "owner", "plain_url"]

READABLE: dict[str, Any] = {
    "detail-type": "dispute.created",
    "detail": {
        "event_id": "evt_01k8nkrkaye008000000000003",
        "merchant_id": "mer_01k8nkrkaye008000000000002",
        "livemode": False,
        "sequence": 1,
        "payload": "{}",
    },
}
NO_MERCHANT = READABLE | {"detail": {**READABLE["detail"], "merchant_id": "mer_1"}}


class OwnQueues(Queues):
    """A queue with the name of one of ours, as a stack with a prefix has it."""

    def __init__(self, url: str, name: str) -> None:
        self.own_name = name
        super().__init__(url)

    def make(self, name: str, attributes: dict[str, str] | None = None) -> str:
        return super().make(name.replace("q", self.own_name, 1), attributes)


@pytest.mark.parametrize(
    ("name", "body", "said"),
    [
        ("webhook-delivery", "no JSON", "JSONDecodeError: Expecting value"),
        ("webhook-delivery", "{}", "KeyError: 'detail'"),
        ("webhook-delivery", json.dumps(NO_MERCHANT), "not an id of kind mer"),
        ("notifications", "[]", "TypeError"),
        ("notifications", json.dumps(READABLE), "dispute.created: data is no object"),
    ],
)
def test_peek_tells_what_the_consumer_cannot_read(
    aws_endpoint_url: str, name: str, body: str, said: str
) -> None:
    queues = OwnQueues(aws_endpoint_url, name)
    queues.fail(body)
    dead = f"{queues.prefix}{name}-dlq"
    shown = queues.run("peek", dead).stdout
    (line,) = [line.strip() for line in shown.splitlines() if line.strip().startswith("why: ")]
    assert line.startswith("why: it cannot be read: ")
    assert said in line
    assert line.endswith(
        f"; {queues.prefix}{name} gave it up: it was received too often without being deleted"
    )
    (found,) = json.loads(queues.run("peek", dead, "--json").stdout)
    assert found["why"] == line.removeprefix("why: ")
    assert found["attributes"]["ApproximateReceiveCount"] == "1"
    assert found["attributes"]["DeadLetterQueueSourceArn"].endswith(f":{queues.prefix}{name}")


def test_a_readable_message_that_waits_has_no_reason(aws_endpoint_url: str) -> None:
    queues = OwnQueues(aws_endpoint_url, "webhook-delivery")
    queues.send(queues.queue, json.dumps(READABLE))
    (found,) = json.loads(queues.run("peek", f"{queues.prefix}webhook-delivery", "--json").stdout)
    assert found["why"] is None


def test_what_a_consumer_has_written_onto_a_dead_letter_is_told(aws_endpoint_url: str) -> None:
    queues = OwnQueues(aws_endpoint_url, "webhook-delivery")
    reason = {"DataType": "String", "StringValue": "the endpoint answered 500"}
    code = {"DataType": "String", "StringValue": "RETRIES_EXHAUSTED"}
    queues.sqs.send_message(
        QueueUrl=queues.dead,
        MessageBody=json.dumps(READABLE),
        MessageAttributes={"ERROR_MESSAGE": reason, "ERROR_CODE": code},
    )
    (found,) = json.loads(
        queues.run("peek", f"{queues.prefix}webhook-delivery-dlq", "--json").stdout
    )
    assert found["why"] == "RETRIES_EXHAUSTED: the endpoint answered 500"


@pytest.mark.parametrize(
    ("queue", "is_ours"),
    [
        ("webhook-delivery", True),
        ("notifications-dlq", True),
        ("staging-notifications", True),
        ("mynotifications", False),
        ("orders", False),
    ],
)
def test_only_our_own_queues_are_read_by_their_consumers(queue: str, is_ours: bool) -> None:
    assert (parser_of(queue) is not None) is is_ours


SEVERAL = ("dispute_opened", "settlement_ready", "endpoint_disabled")
"""Kinds for 25 messages: of one kind a merchant gets ten mails a day."""


class Consumer:
    """The function `notifications`, by hand."""

    def __init__(self, queues: Queues, merchant: Merchant) -> None:
        self._queues = queues
        self._merchant = merchant

    def drain(self) -> int:
        """Work on all that is there; how many messages that were."""
        count = 0
        while found := self._queues.receive(self._queues.queue):
            undone = self._merchant.notify(*[self._read(message) for message in found])
            assert set(undone) == {None}
            for message in found:
                self._queues.sqs.delete_message(
                    QueueUrl=self._queues.queue, ReceiptHandle=message["ReceiptHandle"]
                )
            count += len(found)
        return count

    def _read(self, message: dict[str, Any]) -> Received:
        return received(
            {
                "messageId": message["MessageId"],
                "receiptHandle": message["ReceiptHandle"],
                "attributes": message["Attributes"],
                "body": message["Body"],
            }
        )


class Killed(BaseException):
    """What ends a process between any two of its steps."""


def test_redrive_is_repeated_as_one_likes_and_everybody_is_told_once(
    plain_url: str, merchant: Merchant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupted where it hurts most: messages are sent on, and not deleted yet."""
    monkeypatch.setattr(queue_move, "_HIDDEN_S", 1)
    queues = OwnQueues(plain_url, "notifications")
    for number in range(25):
        queues.send(queues.dead, merchant.record(SEVERAL[number % 3])["body"])
    every = EveryQueue(plain_url)
    dead = every.find(queues.dead)
    delete, batches = every.sqs.delete_message_batch, []

    def delete_once(**request: Any) -> Any:
        batches.append(request)
        if len(batches) > 1:
            raise Killed
        return delete(**request)

    monkeypatch.setattr(every.sqs, "delete_message_batch", delete_once)
    with pytest.raises(Killed):
        queue_move.redrive(every, dead, None, None, lambda *_: None)
    assert queues.depth(queues.queue) == 20
    until(lambda: queues.depth(queues.dead) == 15)  # ten of them were sent already

    name = f"{queues.prefix}notifications-dlq"
    assert queues.run("redrive", name).stdout == f"15 messages moved from {name}.\n"
    assert queues.run("redrive", name).stdout == f"0 messages moved from {name}.\n"
    assert Consumer(queues, merchant).drain() == 35
    assert len(merchant.mails()) == 25


def test_the_service_s_own_move_is_repeated_as_well(
    aws_endpoint_url: str, merchant: Merchant
) -> None:
    queues = OwnQueues(aws_endpoint_url, "notifications")
    bodies = [merchant.record(SEVERAL[number % 3])["body"] for number in range(25)]
    for body in bodies:
        queues.send(queues.dead, body)
    names = [f"{queues.prefix}notifications-dlq", f"--to={queues.prefix}notifications"]
    first, second = (queues.run("redrive", *names) for _ in range(2))
    assert (first.exit_code, second.exit_code) == (0, 0), (first, second)
    assert Consumer(queues, merchant).drain() == 25
    for body in bodies[:5]:  # and what comes a second time, from wherever
        queues.send(queues.dead, body)
    queues.run("redrive", *names)
    assert Consumer(queues, merchant).drain() == 5
    assert len(merchant.mails()) == 25
