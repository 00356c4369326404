"""The generator of payments against a server that answers as it is told."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.bench.payment_load import Job, send


@contextmanager
def _server(delay_s: float, statuses: list[int]) -> Iterator[tuple[str, list[bytes]]]:
    """Answers with the statuses in turn; what came is in the list."""
    came: list[bytes] = []
    started, loops = threading.Event(), []
    urls: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
                came.append(head + await reader.readexactly(length))
                status = statuses[len(came) % len(statuses)]
                await asyncio.sleep(delay_s)
                answer = f"HTTP/1.1 {status} X\r\nContent-Length: 2\r\n\r\n"
                writer.write(answer.encode())
                await asyncio.sleep(0)
                writer.write(b"{}")
        except asyncio.IncompleteReadError:
            writer.close()

    async def run() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        urls.append(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        loops.append(asyncio.get_running_loop())
        stop = asyncio.Event()
        stops.append(stop)
        started.set()
        async with server:
            await stop.wait()

    stops: list[asyncio.Event] = []
    thread = threading.Thread(target=asyncio.run, args=(run(),), daemon=True)
    thread.start()
    assert started.wait(10)
    try:
        yield urls[0], came
    finally:
        loops[0].call_soon_threadsafe(stops[0].set)
        thread.join(10)


def test_every_request_has_a_key_of_its_own_and_payers_take_turns() -> None:
    payers = [("sk_one", "pm_one"), ("sk_two", "pm_two")]
    with _server(0.0, [201]) as (url, came):
        done = send(Job(url, payers, clients=3, seconds=0.3))
    assert done.answers == {"201": len(came)}
    assert done.errors == 0
    keys = {each.partition(b"Idempotency-Key: ")[2].partition(b"\r\n")[0] for each in came}
    assert len(keys) == len(came) > 3
    for key, method in payers:
        of_payer = [each for each in came if key.encode() in each]
        assert all(method.encode() in each for each in of_payer)
        assert abs(len(of_payer) - len(came) / 2) <= 2


def test_other_answers_are_errors() -> None:
    with _server(0.0, [201, 503]) as (url, came):
        done = send(Job(url, [("sk", "pm")], clients=1, seconds=0.2))
    assert done.count == len(came)
    assert done.errors == done.answers["503"] > 0


def test_open_loop_keeps_its_rate_and_counts_the_time_that_requests_wait() -> None:
    """One client and answers that take 50 ms: 100 a second cannot be had, and that shows."""
    with _server(0.05, [201]) as (url, came):
        done = send(Job(url, [("sk", "pm")], clients=1, seconds=0.6, per_s=100))
        assert len(came) < 40
        assert done.p99_ms > 150
        came.clear()
        send(Job(url, [("sk", "pm")], clients=16, seconds=0.6, per_s=20))
        assert len(came) == 12
