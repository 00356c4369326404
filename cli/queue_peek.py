"""Looks at messages without taking them."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

from cli import queue_inside, queue_why
from cli.aws import told
from cli.queues import Queues, Ref
from cli.state import Emulated, Urls

_HIDDEN_S = 30
_BATCH = 10


@dataclass(frozen=True)
class Message:
    """A message in its queue; `state` is visible, in_flight or delayed.

    `why` says why nobody is done with it, where that can be told.
    """

    id: str
    state: str
    body: str
    attributes: dict[str, str]
    message_attributes: dict[str, Any]
    why: str | None = None


@dataclass(frozen=True)
class Peek:
    """Messages, and what looking at them has cost, if anything."""

    messages: list[Message]
    remark: str = ""


def peek(queues: Queues, ref: Ref, limit: int) -> Peek:
    """Up to `limit` messages, the oldest first where the endpoint knows it."""
    inside = queue_inside.messages(queues.sqs, queues.describe(ref).arn, limit)
    if inside is None:
        found = _received(queues.sqs, ref, limit)
    else:
        known = [field.name for field in fields(Message) if field.name != "why"]
        found = Peek([Message(**{name: message[name] for name in known}) for message in inside])
    # Another application's queue may have the name of one of ours.
    alone = isinstance(queues.where, Emulated) and not isinstance(queues.where, Urls)
    parser = None if alone else queue_why.parser_of(ref.name)
    explained = [
        replace(
            message,
            why=queue_why.why(message.attributes, message.message_attributes, message.body, parser),
        )
        for message in found.messages
    ]
    return Peek(explained, found.remark)


def _received(sqs: Any, ref: Ref, limit: int) -> Peek:
    """Receive messages, hidden from others for as long as it takes, and let them go again."""
    held: list[dict[str, Any]] = []
    try:
        with told():
            while len(held) < limit:
                answer = sqs.receive_message(
                    QueueUrl=ref.url,
                    MaxNumberOfMessages=min(_BATCH, limit - len(held)),
                    VisibilityTimeout=_HIDDEN_S,
                    WaitTimeSeconds=0 if held else 1,
                    MessageSystemAttributeNames=["All"],
                    MessageAttributeNames=["All"],
                )
                messages = answer.get("Messages", [])
                if not messages:
                    break
                held += messages
    finally:
        for start in range(0, len(held), _BATCH):
            entries = [
                {"Id": str(n), "ReceiptHandle": message["ReceiptHandle"], "VisibilityTimeout": 0}
                for n, message in enumerate(held[start : start + _BATCH])
            ]
            with told():
                sqs.change_message_visibility_batch(QueueUrl=ref.url, Entries=entries)
    remark = (
        "SQS shows messages only to who receives them: each one's receive count has grown by one,"
        " and who was waiting for them had to wait a moment."
    )
    shown = [
        Message(
            id=message["MessageId"],
            state="visible",
            body=message["Body"],
            attributes=message.get("Attributes", {}),
            message_attributes=message.get("MessageAttributes", {}),
        )
        for message in held
    ]
    return Peek(shown, remark if held else "")
