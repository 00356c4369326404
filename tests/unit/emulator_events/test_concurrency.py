"""How a mapping's invocations grow fewer and more."""

from __future__ import annotations

import asyncio

from emulator.mappings.concurrency import Concurrency


async def taken_at_once(places: Concurrency) -> int:
    count = await places.acquire(100)
    assert not places.is_free
    places.release(count)
    return count


async def test_failures_halve_and_successes_add_one_up_to_the_ceiling() -> None:
    places = Concurrency(10)
    seen = [await taken_at_once(places)]
    for _ in range(5):
        places.failed()
        seen.append(await taken_at_once(places))
    for _ in range(12):
        places.succeeded()
        seen.append(await taken_at_once(places))
    assert seen == [10, 5, 2, 1, 1, 1, *range(2, 11), 10, 10, 10]


async def test_whoever_waits_gets_the_next_place() -> None:
    places = Concurrency(1)
    await places.acquire()
    waiting = [asyncio.create_task(places.acquire()) for _ in range(2)]
    await asyncio.sleep(0)
    waiting.pop(0).cancel()  # a receiver that is stopped takes no place with it
    places.release()
    async with asyncio.timeout(5):
        await waiting[0]
    assert not places.is_free
