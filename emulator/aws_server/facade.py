"""Our SQS in the place of MiniStack's, for those of its services that put messages in queues.

They import `ministack.services.sqs` and append messages to what they take for its lists.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import types
from collections.abc import Iterable
from typing import Any

from emulator.aws_server.sqs import SqsService, Store
from emulator.aws_server.sqs.errors import SqsError
from emulator.aws_server.sqs.messages import Message
from emulator.aws_server.sqs.queue import Queue, QueueKey
from emulator.http1 import Header, Request

_LOG = logging.getLogger(__name__)


def install(service: SqsService) -> None:
    """Put our SQS where MiniStack's would be imported from."""
    store = service.store
    loop = asyncio.get_running_loop()

    def queue_by_arn(arn: str) -> _QueueView | None:
        key = QueueKey.of_arn(arn)
        queue = store.queues.get(key) if key else None
        return _QueueView(store, queue, loop) if queue is not None else None

    async def handle_request(
        method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, list[str]]
    ) -> tuple[int, dict[str, str], bytes]:
        client = _Client(loop)
        request = Request(client)
        request.method, request.body = method, body
        fields = "&".join(f"{name}={value}" for name, values in query.items() for value in values)
        request.target = f"{path}?{fields}".encode()
        request.headers = [(name.encode(), value.encode()) for name, value in headers.items()]
        service.serve(request)
        return await client.answered

    module: Any = types.ModuleType("ministack.services.sqs")
    module.handle_request = handle_request
    module.get_state = lambda: None
    module.load_persisted_state = lambda _data: None
    module.reset = store.reset
    module._queue_by_arn = queue_by_arn
    module.queue_policy_allows = lambda *_arguments: True
    module.queue_delay = lambda _queue: 0
    module._ensure_msg_fields = lambda _message: None
    module._queue_ref_from_urlish = _account_and_name
    module._queues = _Queues(store)
    sys.modules[module.__name__] = module
    services: Any = sys.modules["ministack.services"]
    services.sqs = module


class _Client:
    """Takes the answer to a request that came through MiniStack."""

    peer = "127.0.0.1"
    half_closed = False
    open = True

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.answered: asyncio.Future[tuple[int, dict[str, str], bytes]] = loop.create_future()

    def awaits(self, _request: Request) -> bool:
        """Whether the answer is still to come."""
        return not self.answered.done()

    def answer(
        self, _request: Request, status: int, headers: Iterable[Header], body: bytes
    ) -> None:
        """Take the answer, unless nobody waits any more."""
        if not self.answered.done():
            told = {name.decode(): value.decode() for name, value in headers}
            self.answered.set_result((status, told, body))


class _QueueView:
    """A queue as MiniStack's services see one."""

    def __init__(self, store: Store, queue: Queue, loop: asyncio.AbstractEventLoop) -> None:
        self._fields = {
            "name": queue.key.name,
            "is_fifo": queue.is_fifo,
            "attributes": {**queue.attributes, "QueueArn": queue.key.arn},
            "fifo_seq": 0,
            "messages": _Line(store, queue, loop),
        }

    def __getitem__(self, name: str) -> Any:
        return self._fields[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self._fields[name] = value

    def get(self, name: str, default: Any = None) -> Any:
        """Return a field."""
        return self._fields.get(name, default)


class _Line:
    """Takes messages as MiniStack makes them, from any thread."""

    def __init__(self, store: Store, queue: Queue, loop: asyncio.AbstractEventLoop) -> None:
        self._store = store
        self._queue = queue
        self._loop = loop
        self._last: dict[str, Any] = {}

    def append(self, message: dict[str, Any]) -> None:
        """Send a message; one that finds no room is lost, which the log tells."""
        self._last = message
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            self._loop.call_soon_threadsafe(self._send, message)
        else:
            self._send(message)

    def __getitem__(self, _index: int) -> dict[str, Any]:
        return self._last

    def _send(self, made: dict[str, Any]) -> None:
        queue, now = self._queue, self._store.now()
        message = Message(
            made["body"],
            attributes=made.get("message_attributes") or {},
            system={"SenderId": made.get("sys", {}).get("SenderId", "")},
            group=made.get("group_id"),
            deduplication_id=made.get("dedup_id"),
            sent_at=now,
        )
        message.visible_at = now + queue.number("DelaySeconds")
        if queue.is_fifo and queue.duplicate(message, now) is not None:
            return
        try:
            self._store.send(queue, [message])
        except (SqsError, OSError) as error:
            _LOG.error("%s did not take an event: %s", queue.key.name, error)


class _Queues:
    """All queues, as MiniStack's page of messages reads them."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def to_dict(self) -> dict[tuple[str, str, str], dict[str, Any]]:
        """Return every queue with its messages."""
        host, port = os.environ.get("MINISTACK_HOST", "localhost"), os.environ.get("GATEWAY_PORT")
        return {
            (key.account, key.region, f"http://{host}:{port}/{key.account}/{key.name}"): {
                "name": key.name,
                "messages": [_shown(message) for message in queue.messages.values()],
            }
            for key, queue in self._store.queues.items()
        }


def _shown(message: Message) -> dict[str, Any]:
    return {
        "id": message.id,
        "body": message.body,
        "md5_body": message.md5,
        "sent_at": message.sent_at,
        "visible_at": message.visible_at,
        "receive_count": message.receive_count,
        "first_receive_at": message.first_received_at or None,
        "message_attributes": message.attributes,
        "sys": message.system,
        "group_id": message.group,
        "dedup_id": message.deduplication_id,
        "seq": message.sequence_number if message.deduplication_id else None,
    }


def _account_and_name(url: str) -> tuple[str | None, str]:
    account, _, name = url.rstrip("/").rpartition("/")
    return account.rpartition("/")[2] or None, name
