"""Sends on the AWS endpoint what becomes of asynchronous events."""

from __future__ import annotations

from emulator.aws import Aws
from emulator.runtime.destinations import Message


class AwsSender:
    """Brings messages to SQS queues and EventBridge buses."""

    def __init__(self, aws: Aws) -> None:
        self._aws = aws
        self._urls: dict[str, str] = {}

    async def __call__(self, message: Message) -> None:
        """Send it; raises ValueError for a destination of another kind, else the client's error."""
        if ":sqs:" in message.arn:
            await self._to_queue(message)
        elif ":events:" in message.arn:
            await self._to_bus(message)
        else:
            raise ValueError("only queues, buses and functions are emulated as destinations")

    async def _to_queue(self, message: Message) -> None:
        arn = message.arn
        if arn not in self._urls:
            answer = await self._aws.sqs.get_queue_url(QueueName=arn.rpartition(":")[2])
            self._urls[arn] = answer["QueueUrl"]
        await self._aws.sqs.send_message(
            QueueUrl=self._urls[arn],
            MessageBody=message.body,
            MessageAttributes={
                name: {"DataType": kind, "StringValue": value}
                for name, (kind, value) in message.attributes.items()
            },
        )

    async def _to_bus(self, message: Message) -> None:
        answer = await self._aws.events.put_events(Entries=[message.bus_entry()])
        if answer.get("FailedEntryCount"):
            raise OSError(str(answer["Entries"][0].get("ErrorMessage")))
