"""Sends what a schedule fires to its target: a queue, a function, a bus, or a universal target.

Source: Amazon EventBridge Scheduler User Guide, "Using templated targets" and "Using universal
targets".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from emulator import targets
from emulator.endpoint import Endpoint
from emulator.invocations import Invoker
from emulator.schedules.firing import Firing
from emulator.schedules.jobs import Job


class Unreachable(Exception):
    """The target is refused: not emulated, or what it is to get makes no sense to it."""


class Sender:
    """Reaches targets on the endpoint and in the runtime."""

    def __init__(self, endpoint: Endpoint, invoker: Invoker) -> None:
        self._endpoint = endpoint
        self._invoker = invoker
        self._urls: dict[str, str] = {}

    async def send(self, firing: Firing) -> None:
        """Send one firing; raise Unreachable, or what the endpoint or the runtime refuses with."""
        job = firing.job
        app = self._endpoint.app
        payload = firing.payload(app.region, app.account_id)
        match targets.service(job.target.arn):
            case "sqs":
                group = job.target.message_group_id
                await self.message(job.target.arn, payload, group=group)
            case "lambda":
                await self._invoker.invoke_async(
                    targets.function_reference(job.target.arn), payload.encode()
                )
            case "events":
                await self._put_event(job, payload)
            case "sqs:sendMessage":
                request = _request(payload)
                url = await self._url(str(request.get("QueueUrl", "")).rpartition("/")[2])
                await self._endpoint.aws.sqs.send_message(**request | {"QueueUrl": url})
            case "lambda:invoke":
                await self._invoke(_request(payload))
            case "eventbridge:putEvents":
                await self._put_events(_request(payload))
            case _:
                raise Unreachable(f"{job.target.arn} is not emulated as a target")

    async def message(
        self,
        queue_arn: str,
        body: str,
        *,
        group: str | None = None,
        attributes: Mapping[str, str] | None = None,
    ) -> None:
        """Send a message to a queue."""
        request: dict[str, Any] = {
            "QueueUrl": await self._url(queue_arn.rpartition(":")[2]),
            "MessageBody": body,
        }
        if group is not None:
            request["MessageGroupId"] = group
        if attributes:
            request["MessageAttributes"] = {
                name: {"DataType": "String", "StringValue": value}
                for name, value in attributes.items()
            }
        await self._endpoint.aws.sqs.send_message(**request)

    def forget_urls(self) -> None:
        """Ask for queues' URLs again: one of them is gone."""
        self._urls.clear()

    async def _url(self, queue: str) -> str:
        if queue not in self._urls:
            answer = await self._endpoint.aws.sqs.get_queue_url(QueueName=queue)
            self._urls[queue] = answer["QueueUrl"]
        return self._urls[queue]

    async def _put_event(self, job: Job, detail: str) -> None:
        if job.target.event is None:
            raise Unreachable("a bus as target needs EventBridgeParameters")
        entry = {
            **job.target.event,
            "Detail": detail,
            "EventBusName": job.target.arn.rpartition("/")[2],
            "Resources": [job.arn],
        }
        await self._put_events({"Entries": [entry]})

    async def _put_events(self, request: Mapping[str, Any]) -> None:
        answer = await self._endpoint.aws.events.put_events(**request)
        for entry in answer.get("Entries", ()):
            if entry.get("ErrorCode"):
                raise Unreachable(f"{entry['ErrorCode']}: {entry.get('ErrorMessage', '')}")

    async def _invoke(self, request: Mapping[str, Any]) -> None:
        name = targets.function_reference(str(request.get("FunctionName", "")))
        if (qualifier := request.get("Qualifier")) and ":" not in name:
            name = f"{name}:{qualifier}"
        payload = request.get("Payload", "")
        body = payload if isinstance(payload, str) else json.dumps(payload)
        if request.get("InvocationType") == "Event":
            await self._invoker.invoke_async(name, body.encode())
        else:
            await self._invoker.invoke(name, body.encode())


def _request(payload: str) -> dict[str, Any]:
    try:
        found = json.loads(payload)
    except ValueError as error:
        raise Unreachable(f"the Input of a universal target is JSON: {error}") from None
    if not isinstance(found, dict):
        raise Unreachable("the Input of a universal target is a JSON object")
    return found
