"""Notices that schedules of the AWS endpoint may have changed, within a second and a half.

`emulator.aws_server` answers when something has; other endpoints are looked at again and again.
"""

from __future__ import annotations

import asyncio
from typing import Any, Self

import aiohttp

from emulator.backoff import Backoff

_PATH = "/_emulator/schedules/version"
_WAIT_S = 20
_POLL_S = 1.5
_MOST_CHANGES = 100_000
_TIMEOUT = aiohttp.ClientTimeout(total=_WAIT_S + 10, sock_connect=2)


class Watch:
    """Waits for changes, from being entered on; an async context manager."""

    def __init__(self, endpoint_url: str) -> None:
        self._url = endpoint_url.rstrip("/") + _PATH
        self._version = 0
        self._polls = False
        self._backoff = Backoff(0.1, _POLL_S)
        self._session = aiohttp.ClientSession(timeout=_TIMEOUT)
        self.was_away = False

    async def __aenter__(self) -> Self:
        try:
            self._version = await self._ask(wait_s=0)
        except (OSError, aiohttp.ClientError, TimeoutError):
            self.was_away = True
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def changed(self) -> None:
        """Return when it is time to look: after a change, or when nobody tells of changes.

        `was_away` then says whether the endpoint was gone, and so may have lost what it held.
        """
        while True:
            if self._polls:
                await asyncio.sleep(_POLL_S)
                return
            try:
                version = await self._ask(wait_s=_WAIT_S)
            except (OSError, aiohttp.ClientError, TimeoutError):
                self.was_away = True
                await asyncio.sleep(self._backoff.next_s())
                continue
            self._backoff.reset()
            # It counts from the time of its start in microseconds: a leap is a new process, which
            # aiohttp asked again without a word.
            self.was_away |= abs(version - self._version) > _MOST_CHANGES
            if version != self._version or self.was_away or self._polls:
                self._version = version
                return

    async def _ask(self, wait_s: int) -> int:
        query = {"after": str(self._version), "wait_s": str(wait_s)}
        async with self._session.get(self._url, params=query) as response:
            self._polls = response.status != 200 or "json" not in response.content_type
            if self._polls:
                return self._version
            answer: Any = await response.json()
            return int(answer["version"])
