"""The clients of the AWS endpoint: SQS, EventBridge and EventBridge Scheduler, over asyncio."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self

import aiohttp
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import NoCredentialsError

from emulator.aws_server import EDITION
from emulator.sqs import Credentials, SqsClient

MAX_WAIT_S = 20
"""SQS's longest long poll."""

_CONNECT_TIMEOUT_S = 2
_HEALTH_TIMEOUT_S = 10
_READ_TIMEOUT_S = MAX_WAIT_S + 10
_POOL_SIZE = 100


class Aws:
    """An async context manager holding one client per service.

    Every call has a timeout and is tried at most twice; callers own longer retries, since they
    know what waits for them. Without credentials in the environment, dummies sign the requests.
    """

    sqs: Any
    events: Any
    scheduler: Any
    queues: SqsClient
    """SQS once more, for what is called all the time."""

    def __init__(self, endpoint_url: str, region: str) -> None:
        self.endpoint_url = endpoint_url
        self.region = region
        self._exits = AsyncExitStack()
        self._new_client: Callable[[str], Any]

    async def __aenter__(self) -> Self:
        session = get_session()
        config = AioConfig(
            connect_timeout=_CONNECT_TIMEOUT_S,
            read_timeout=_READ_TIMEOUT_S,
            max_pool_connections=_POOL_SIZE,
            retries={"total_max_attempts": 2, "mode": "standard"},
            parameter_validation=False,
        )
        options = {
            "region_name": self.region,
            "endpoint_url": self.endpoint_url,
            "config": config,
            **_credentials(os.environ),
        }
        self._new_client = lambda name: session.create_client(name, **options)
        async with AsyncExitStack() as exits:
            for name in ("sqs", "events", "scheduler"):
                client = await exits.enter_async_context(session.create_client(name, **options))
                setattr(self, name, client)
            signed_by = _source_of_credentials(session)
            self.queues = await exits.enter_async_context(
                SqsClient(self.endpoint_url, self.region, signed_by)
            )
            self._exits = exits.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._exits.aclose()

    def ses(self) -> Any:
        """An async context manager of a client of SES, which few need: its model takes a while."""
        return self._new_client("ses")

    async def fires_schedules(self) -> bool:
        """Return whether the endpoint is a MiniStack that fires the schedules it stores.

        `emulator.aws_server` and LocalStack only store them.
        """
        health = await self._health("/_ministack/health")
        return bool(health.get("edition", EDITION) != EDITION)

    async def fires_rules(self) -> bool:
        """Return whether the endpoint is a LocalStack, which fires scheduled rules by itself."""
        return "services" in await self._health("/_localstack/health")

    async def _health(self, path: str) -> Mapping[str, Any]:
        """What the endpoint says there of itself; nothing, if it has no such place."""
        timeout = aiohttp.ClientTimeout(total=_HEALTH_TIMEOUT_S, sock_connect=_CONNECT_TIMEOUT_S)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(self.endpoint_url.rstrip("/") + path) as response,
        ):
            if response.status != 200 or "json" not in response.content_type:
                return {}
            health: Any = await response.json()
        return health if isinstance(health, dict) else {}


def error_code(error: Exception) -> str:
    """Return AWS's code of a botocore ClientError, without its legacy prefix; else an empty text.

    SQS says `AWS.SimpleQueueService.NonExistentQueue` or `QueueDoesNotExist`, by protocol.
    """
    response: Any = getattr(error, "response", None)
    if not isinstance(response, dict):
        return ""
    code = str(response.get("Error", {}).get("Code", ""))
    return {"AWS.SimpleQueueService.NonExistentQueue": "QueueDoesNotExist"}.get(code, code)


def account_id(environment: Mapping[str, str]) -> str:
    """Return whose account calls go to: at MiniStack and LocalStack a key of 12 digits names it."""
    key = environment.get("AWS_ACCESS_KEY_ID", "")
    return key if len(key) == 12 and key.isascii() and key.isdigit() else "000000000000"


def _source_of_credentials(session: Any) -> Callable[[], Awaitable[Credentials]]:
    """Return what gives the environment's credentials, which may be renewed, or dummies."""
    dummies = _credentials(os.environ)

    async def current() -> Credentials:
        if dummies:
            return Credentials(*dummies.values())
        given = await session.get_credentials()
        if given is None:
            raise NoCredentialsError
        frozen = await given.get_frozen_credentials()
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token)

    return current


def _credentials(environment: Mapping[str, str]) -> dict[str, str]:
    if "AWS_ACCESS_KEY_ID" in environment or "AWS_PROFILE" in environment:
        return {}
    return {"aws_access_key_id": "local", "aws_secret_access_key": "local"}
