"""Our SQS in the place of MiniStack's, for those of its services that put messages in queues.

They import `ministack.services.sqs` and append messages to what they take for its lists.
"""

from __future__ import annotations

import asyncio
import os
import sys
import types
from collections.abc import Iterable
from typing import Any

from emulator.aws_server import bus
from emulator.aws_server.sqs import SqsService, Store
from emulator.aws_server.sqs.messages import Message
from emulator.aws_server.sqs.queue import Queue
from emulator.http1 import Header, Request


def install(service: SqsService) -> None:
    """Put our SQS where MiniStack's would be imported from, and let its buses send there."""
    store = service.store
    loop = asyncio.get_running_loop()
    deliveries = bus.Deliveries(store, loop)

    def queue_by_arn(arn: str) -> _QueueView | None:
        queue = deliveries.find(arn)
        return _QueueView(deliveries, queue) if queue is not None else None

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
    bus.adapt(services.eventbridge, deliveries)


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

    def __init__(self, deliveries: bus.Deliveries, queue: Queue) -> None:
        self._fields = {
            "name": queue.key.name,
            "is_fifo": queue.is_fifo,
            "attributes": {**queue.attributes, "QueueArn": queue.key.arn},
            "messages": _Line(deliveries, queue),
        }

    def __getitem__(self, name: str) -> Any:
        return self._fields[name]

    def get(self, name: str, default: Any = None) -> Any:
        """Return a field."""
        return self._fields.get(name, default)


class _Line:
    """Takes messages as MiniStack makes them."""

    def __init__(self, deliveries: bus.Deliveries, queue: Queue) -> None:
        self._deliveries = deliveries
        self._queue = queue

    def append(self, message: dict[str, Any]) -> None:
        """Send a message."""
        self._deliveries.send(
            self._queue,
            message["body"],
            message.get("sys", {}).get("SenderId", ""),
            attributes=message.get("message_attributes") or {},
            group=message.get("group_id"),
            deduplication_id=message.get("dedup_id"),
        )


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
