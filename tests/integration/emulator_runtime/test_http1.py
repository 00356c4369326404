"""The HTTP server against clients that behave badly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from emulator.http1 import HttpServer, Limits, Request
from tests.waiting import PATIENCE_S

SMALL = Limits(head_bytes=500, body_bytes=1_000, head_s=0.2, body_s=0.2, idle_s=0.2, connections=2)


@asynccontextmanager
async def _serving(
    limits: Limits = SMALL, delay_s: float = 0.0, arrived: asyncio.Event | None = None
) -> AsyncIterator[HttpServer]:
    loop = asyncio.get_running_loop()

    def answer(request: Request) -> None:
        if request.refusal:
            request.respond(request.refusal)
        else:
            request.respond(200, (), request.target + b":" + request.body)

    def handle(request: Request) -> None:
        if request.target == b"/late":
            if arrived is not None:
                arrived.set()
            loop.call_later(delay_s, answer, request)
        elif request.target == b"/fails":
            raise RuntimeError("a handler's own fault")
        elif request.target == b"/fails-later":
            later: asyncio.Future[str] = loop.create_future()
            request.after(later, lambda: request.respond(200, (), later.result().encode()))
            loop.call_soon(later.set_result, "\ud800")
        elif request.target == b"/fails-writing":
            request.respond(200, [(b"x", "no bytes")])  # type: ignore[list-item]
        elif request.target == b"/task-fails":
            request.owed_by(loop.create_task(_fail()))
        elif request.target == b"/told" and not request.refusal:
            told = sorted(b"%s=%s" % header for header in request.headers)
            request.respond(200, (), b"&".join(told) + b"#" + request.body)
        else:
            answer(request)

    server = HttpServer(handle, limits)
    await server.listen("127.0.0.1")
    try:
        yield server
    finally:
        await server.close()


async def _fail() -> None:
    raise RuntimeError("a task's own fault")


async def _talk(server: HttpServer, *pieces: bytes, eof: bool = False) -> bytes:
    """Send pieces in packets of their own and read until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0)
    if eof:
        writer.write_eof()
    async with asyncio.timeout(5):
        try:
            received = await reader.read()
        except ConnectionResetError:
            received = b""
    writer.close()
    return received


def _statuses(received: bytes) -> list[int]:
    return [int(part[:3]) for part in received.split(b"HTTP/1.1 ")[1:]]


async def test_pipelined_requests_are_answered_in_order() -> None:
    get = b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n"
    requests = [get % target for target in (b"/late", b"/1", b"/late", b"/2")]
    async with _serving(delay_s=0.05) as server:
        received = await _talk(server, b"".join(requests), eof=True)
    assert _statuses(received) == [200] * 4
    bodies = [part.split(b":")[0] for part in received.split(b"\r\n\r\n")[1:]]
    assert [body.split(b"HTTP")[0] for body in bodies] == [b"/late", b"/1", b"/late", b"/2"]


async def test_thousands_of_pipelined_requests_in_one_packet() -> None:
    async with _serving() as server:
        received = await _talk(server, b"GET / HTTP/1.1\r\nHost:\r\n\r\n" * 3_000, eof=True)
    assert _statuses(received) == [200] * 3_000


async def test_head_too_large() -> None:
    async with _serving() as server:
        head = b"GET / HTTP/1.1\r\nhost: x\r\nx: " + b"y" * 600
        assert _statuses(await _talk(server, head + b"\r\n\r\n")) == [431]
        assert _statuses(await _talk(server, head, b"y" * 600, b"y" * 600)) == [431]


@pytest.mark.parametrize(
    "request_head",
    [
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1001\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n3ea\r\n" + b"x" * 1002,
    ],
)
async def test_body_too_large_is_answered_before_it_is_sent(request_head: bytes) -> None:
    async with _serving() as server:
        assert _statuses(await _talk(server, request_head)) == [413]


async def test_answer_is_not_lost_when_the_client_goes_on_sending() -> None:
    async with _serving() as server:
        head = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3000000\r\n\r\n"
        assert _statuses(await _talk(server, head, b"x" * 3_000_000, eof=True)) == [413]


@pytest.mark.parametrize(
    "garbage", [b"\x16\x03\x01\x02\x00", b"NO HTTP AT ALL\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"]
)
async def test_garbage_is_refused(garbage: bytes) -> None:
    async with _serving() as server:
        assert _statuses(await _talk(server, garbage)) == [400]


async def test_smuggling_is_refused() -> None:
    lengths = b"content-length: 4\r\ntransfer-encoding: chunked\r\n"
    both = b"POST / HTTP/1.1\r\nhost: x\r\n" + lengths + b"\r\n0\r\n\r\n"
    async with _serving() as server:
        assert 200 not in _statuses(
            await _talk(server, both + b"GET /evil HTTP/1.1\r\nhost: x\r\n\r\n")
        )


@pytest.mark.parametrize(
    "piece",
    [b"", b"GET / HT", b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\n12"],
    ids=["idle", "head", "body"],
)
async def test_slow_client_is_cut_off(piece: bytes) -> None:
    async with _serving() as server:
        assert await _talk(server, piece) == b""


async def test_slow_client_cannot_extend_its_deadline_byte_by_byte() -> None:
    async with _serving() as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        reading = asyncio.ensure_future(reader.read())
        async with asyncio.timeout(PATIENCE_S):
            while not reading.done():
                writer.write(b"G")
                await asyncio.wait({reading}, timeout=0.02)
        writer.close()
        assert isinstance(reading.exception(), ConnectionResetError | None)


async def test_connections_beyond_the_limit_are_dropped_and_come_back() -> None:
    async with _serving() as server:
        held = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(2)]
        request = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
        for _, writer in held:
            writer.write(b"GET /")
            await writer.drain()
        assert await _talk(server, request) == b""
        for reader, writer in held:
            writer.write(b" HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            await reader.read()
            writer.close()
            await writer.wait_closed()
        assert _statuses(await _talk(server, request)) == [200]


async def test_expect_continue() -> None:
    async with _serving() as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(
            b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\nexpect: 100-continue\r\n\r\n"
        )
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"ok")
        assert (await reader.readuntil(b"/:ok")).startswith(b"HTTP/1.1 200")
        writer.close()


async def test_head_has_no_body_and_http_1_0_closes() -> None:
    async with _serving() as server:
        received = await _talk(server, b"HEAD / HTTP/1.0\r\n\r\n")
    assert received.endswith(b"connection: close\r\n\r\n")
    assert b"content-length: 2" in received


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        (b"/fails", "a handler's own fault"),
        (b"/fails-later", "surrogates not allowed"),
        (b"/fails-writing", "expected a bytes-like object"),
        (b"/task-fails", "a task's own fault"),
    ],
)
async def test_whatever_fails_in_answering_is_a_500(
    target: bytes, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    requests = [b"GET %s HTTP/1.1\r\nhost: x\r\n\r\n" % which for which in (target, b"/next")]
    async with _serving() as server:
        assert _statuses(await _talk(server, *requests, eof=True)) == [500, 200]
    assert reason in caplog.text


_CHUNKED = b"POST /told HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n"


@pytest.mark.parametrize("trailers", [b"Authorization: admin\r\n", b"Host: y\r\nHost: z\r\n"])
async def test_trailers_are_no_headers(trailers: bytes) -> None:
    """RFC 9110, section 6.5.1: they must not be merged into the headers."""
    async with _serving() as server:
        received = await _talk(server, _CHUNKED + trailers + b"\r\n", eof=True)
    assert _statuses(received) == [200]
    assert received.endswith(b"\r\n\r\nhost=x&transfer-encoding=chunked#ok")


async def test_trailers_have_an_end() -> None:
    async with _serving() as server:
        received = await _talk(server, _CHUNKED, b"x: " + b"y" * 1_000_000)
    assert _statuses(received) == [431]


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET / HTTP/1.1\r\n", 400),  # RFC 9112, section 3.2: no Host
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost:\r\n", 200),
        (b"GET / HTTP/1.0\r\n", 200),
        (b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n", 400),
        # RFC 9112, section 6.1: a coding that is not understood
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n", 501),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n", 501),
    ],
)
async def test_heads(head: bytes, status: int) -> None:
    async with _serving() as server:
        assert _statuses(await _talk(server, head + b"\r\n", eof=True)) == [status]


@pytest.mark.parametrize(
    ("target", "taken"),
    [
        (b"http://h:1/told?a=1", (b"/told?a=1", b"h:1")),
        (b"HTTPS://h/told", (b"/told", b"h")),
        (b"http://h", (b"/", b"h")),
        (b"http://h?a", (b"/?a", b"h")),
        (b"/http://h/", (b"/http://h/", b"x")),
        (b"*", (b"*", b"x")),
    ],
)
async def test_target_in_absolute_form(target: bytes, taken: tuple[bytes, bytes]) -> None:
    """RFC 9112, section 3.2.2: accepted, and the Host header is ignored for it."""
    seen: list[tuple[bytes, bytes | None]] = []

    def handle(request: Request) -> None:
        seen.append((request.target, request.header(b"host")))
        request.respond(200)

    server = HttpServer(handle, SMALL)
    await server.listen("127.0.0.1")
    await _talk(server, b"OPTIONS " + target + b" HTTP/1.1\r\nHost: x\r\n\r\n", eof=True)
    await server.close()
    assert seen == [taken]


async def test_the_whole_head_counts() -> None:
    """Request line, names and separators too, so that what passes here passes on AWS."""
    rest = b"GET / HTTP/1.1\r\nhost: x\r\na: "
    async with _serving() as server:
        for length, status in ((500, 200), (501, 431)):
            head = rest + b"y" * (length - len(rest) - 2) + b"\r\n\r\n"
            assert _statuses(await _talk(server, head, eof=True)) == [status]


async def test_close_lets_running_requests_finish() -> None:
    arrived = asyncio.Event()
    async with _serving(delay_s=0.1, arrived=arrived) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET /late HTTP/1.1\r\nhost: x\r\n\r\n")
        await arrived.wait()
        closing = asyncio.ensure_future(server.close(grace_s=5))
        received = await reader.read()
        writer.close()
        await closing
    assert _statuses(received) == [200]
    assert b"connection: close" in received
