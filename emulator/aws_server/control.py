"""What AWS has no call for: paths under `/_emulator/`, answered in JSON.

`GET /_emulator/queues?account=&region=` lists the queues: name, url, arn, visible, in_flight,
delayed, oldest_age_s (null when empty) and dead_letter_of, the names of its sources.
`GET /_emulator/queues/NAME/messages?limit=N` shows messages, oldest first, and changes nothing.
`GET /_emulator/schedules/version?after=N&wait_s=S` gives a number that grows with every schedule
and rule that changes: at once, or once it is not N any more, at the latest after S seconds.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote

from emulator.aws_server.sqs import Store
from emulator.aws_server.sqs.messages import Message
from emulator.aws_server.sqs.queue import Queue
from emulator.aws_server.versions import Version
from emulator.http1 import Request

PREFIX = b"/_emulator/"
_LONGEST_WAIT_S = 20.0
_DEFAULT_LIMIT = 10
_MAX_LIMIT = 1_000


class _Refused(Exception):
    """An answer other than 200; the arguments are its status and message."""


class Control:
    """Serves the paths under `/_emulator/`."""

    def __init__(self, store: Store, schedules: Version) -> None:
        self._store = store
        self._schedules = schedules
        self._tasks: set[asyncio.Task[None]] = set()

    def serve(self, request: Request) -> None:
        """Answer one request, at once but for long polls."""
        path, _, query = request.target.partition(b"?")
        parameters = dict(parse_qsl(query.decode("latin-1")))
        parts = unquote(path[len(PREFIX) :].decode("latin-1")).split("/")
        try:
            if request.method != "GET":
                raise _Refused(405, "Only GET is known here.")
            match parts:
                case ["queues"]:
                    _respond(request, {"queues": self._queues(request, parameters)})
                case ["queues", name, "messages"]:
                    _respond(request, {"messages": self._messages(name, parameters)})
                case ["schedules", "version"]:
                    self._tell_version(request, parameters)
                case _:
                    raise _Refused(404, "There is nothing here.")
        except _Refused as refused:
            status, message = refused.args
            request.respond_json(status, json.dumps({"message": message}).encode())

    async def stop(self) -> None:
        """End the long polls."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _queues(self, request: Request, parameters: Mapping[str, str]) -> list[dict[str, Any]]:
        base_url = f"http://{(request.header(b'host') or b'127.0.0.1').decode('latin-1')}"
        sources: dict[Any, list[str]] = {}
        for queue in self._store.queues.values():
            redrive = self._store.redrive_of(queue)
            if redrive is not None:
                sources.setdefault(redrive.target, []).append(queue.key.name)
        now = self._store.now()
        return [
            _described(queue, now, base_url, sorted(sources.get(queue.key, ())))
            for queue in self._chosen(parameters)
        ]

    def _messages(self, name: str, parameters: Mapping[str, str]) -> list[dict[str, Any]]:
        found = [queue for queue in self._chosen(parameters) if queue.key.name == name]
        if not found:
            raise _Refused(404, f"There is no queue {name}.")
        if len(found) > 1:
            raise _Refused(409, f"There are several queues {name}: give account and region.")
        limit = int(_number(parameters, "limit", _DEFAULT_LIMIT, _MAX_LIMIT))
        return [_shown(message, self._store.now()) for message in found[0].peek(limit)]

    def _chosen(self, parameters: Mapping[str, str]) -> list[Queue]:
        chosen = [
            queue
            for key, queue in sorted(self._store.queues.items())
            if parameters.get("account", key.account) == key.account
            and parameters.get("region", key.region) == key.region
        ]
        for queue in chosen:
            self._store.advance(queue)
        return chosen

    def _tell_version(self, request: Request, parameters: Mapping[str, str]) -> None:
        known = int(_number(parameters, "after", -1, 2**63))
        wait_s = _number(parameters, "wait_s", 0, _LONGEST_WAIT_S)
        if known != self._schedules.value or not wait_s:
            _respond(request, {"version": self._schedules.value})
            return
        task = asyncio.create_task(self._wait_for_version(request, known, wait_s))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        request.owed_by(task)

    async def _wait_for_version(self, request: Request, known: int, wait_s: float) -> None:
        _respond(request, {"version": await self._schedules.other_than(known, wait_s)})


def _described(queue: Queue, now: float, base_url: str, sources: list[str]) -> dict[str, Any]:
    oldest = queue.oldest_at()
    return {
        "name": queue.key.name,
        "url": f"{base_url}/{queue.key.account}/{queue.key.name}",
        "arn": queue.key.arn,
        "account": queue.key.account,
        "region": queue.key.region,
        "visible": queue.visible,
        "in_flight": queue.in_flight,
        "delayed": queue.delayed,
        "oldest_age_s": None if oldest is None else round(max(0.0, now - oldest), 3),
        "dead_letter_of": sources,
    }


def _shown(message: Message, now: float) -> dict[str, Any]:
    return {
        "id": message.id,
        "body": message.body,
        "state": message.state.name.lower(),
        "age_s": round(max(0.0, now - message.enqueued_at), 3),
        "visible_in_s": round(max(0.0, message.visible_at - now), 3),
        "attributes": message.told(frozenset({"All"})),
        "message_attributes": message.attributes,
    }


def _number(parameters: Mapping[str, str], name: str, default: float, highest: float) -> float:
    try:
        value = float(parameters.get(name, default))
    except ValueError:
        value = math.nan
    if math.isnan(value) or value < min(default, 0):
        raise _Refused(400, f"{name} is a number, {min(default, 0):g} or more.")
    return min(value, highest)


def _respond(request: Request, value: dict[str, Any]) -> None:
    request.respond_json(200, json.dumps(value).encode())
