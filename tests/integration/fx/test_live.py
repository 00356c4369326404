"""Rates over HTTP: from a server that answers well, slowly, wrongly, at length or not at all."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from decimal import Decimal
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from paywright.errors import FxRateUnavailable
from paywright.fx.live import MAX_ANSWER_BYTES, LiveRates
from paywright.money import Currency
from paywright.processors.breaker import CircuitBreaker
from tests.integration.fx.conftest import START, MovableClock, answer, table
from tests.receivers import Receiver, Reply, status

KEY = "app_id=0123456789abcdef"


@pytest.fixture
def live(provider: Receiver, clock: MovableClock) -> LiveRates:
    return LiveRates(f"http://127.0.0.1:{provider.port}/latest?{KEY}", clock, timeout_s=20)


def reason(live: LiveRates) -> str:
    with pytest.raises(FxRateUnavailable) as refused:
        live.table()
    assert KEY not in repr(refused.value)
    assert KEY not in repr(refused.value.__cause__)
    return str(refused.value.__cause__)


def test_a_table_is_fetched(provider: Receiver, live: LiveRates) -> None:
    provider.replies.append(answer(table()))
    found = live.table()
    assert (found.base, found.at) == (Currency.of("eur"), START)
    assert found.units == {"usd": Decimal("1.1172"), "jpy": Decimal("175.68")}
    assert found.source == live.name == f"127.0.0.1:{provider.port}"
    (request,) = provider.received
    assert request.path == f"/latest?{KEY}"
    assert request.headers["host"] == f"127.0.0.1:{provider.port}"


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (answer(table(), 500), "its status is 500"),
        (status(302, Location="/elsewhere"), "its status is 302"),
        (answer(b"<html>maintenance</html>"), "not JSON"),
        (answer(table(usd="-1")), "usd is not between"),
        (answer({"success": False, "error": {"code": 104}}), "`base` is no ISO"),
        (answer(b"{" + b" " * MAX_ANSWER_BYTES), "larger than"),
        (lambda handler: handler.wfile.write(b"no HTTP\r\n\r\n"), "BadStatusLine"),
        (lambda handler: handler.connection.shutdown(socket.SHUT_RDWR), "RemoteDisconnected"),
    ],
    ids=["500", "redirect", "html", "negative", "error object", "huge", "no HTTP", "hangs up"],
)
def test_a_wrong_answer_is_none(
    provider: Receiver, live: LiveRates, reply: Reply, message: str
) -> None:
    provider.replies.append(reply)
    assert message in reason(live)
    assert len(provider.received) == 1


def _drip(first: bytes) -> Callable[[BaseHTTPRequestHandler], None]:
    def reply(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(first)
        pace = threading.Event()
        while not pace.wait(0.02):
            handler.wfile.write(b" ")

    return reply


@pytest.mark.parametrize(
    "reply",
    [
        lambda handler: handler.connection.recv(1),
        _drip(b""),
        _drip(b"HTTP/1.1 200 OK\r\nX-Slow: "),
        _drip(b"HTTP/1.1 200 OK\r\n\r\n{"),
    ],
    ids=["hangs", "drips a status", "drips a header", "drips a body"],
)
def test_a_slow_answer_costs_no_more_than_the_timeout(
    provider: Receiver, clock: MovableClock, reply: Reply
) -> None:
    url = f"http://127.0.0.1:{provider.port}/latest?{KEY}"
    live = LiveRates(url, clock, timeout_s=0.5)
    provider.replies.append(reply)
    begun = time.monotonic()
    assert reason(live) == "no answer within 0.5 s"
    assert time.monotonic() - begun < 20


def test_an_endless_answer_is_not_read_to_its_end(provider: Receiver, live: LiveRates) -> None:
    sent = 0
    done = threading.Event()

    def flood(handler: BaseHTTPRequestHandler) -> None:
        nonlocal sent
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            while sent < 1_000_000_000:
                handler.wfile.write(b" " * 65_536)
                sent += 65_536
        finally:
            done.set()

    provider.replies.append(flood)
    assert "larger than" in reason(live)
    assert done.wait(60)
    assert sent < 100_000_000


def test_nobody_there(clock: MovableClock) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    live = LiveRates(f"http://127.0.0.1:{port}/", clock, timeout_s=0.5)
    assert "ConnectionRefusedError" in reason(live)


def test_a_provider_that_keeps_failing_is_left_alone(
    provider: Receiver, clock: MovableClock
) -> None:
    now = [0.0]
    breaker = CircuitBreaker(monotonic=lambda: now[0])
    live = LiveRates(provider.url, clock, timeout_s=20, new_breaker=lambda _name: breaker)
    provider.replies.extend([status(500)] * 5)
    for _ in range(7):
        reason(live)
    assert len(provider.received) == 5
    now[0] = 31
    provider.replies.append(answer(table()))
    assert live.table().units["usd"] == Decimal("1.1172")


@pytest.mark.parametrize(
    "url",
    [
        "ftp://rates.example/",
        "rates.example/latest",
        "https://",
        "https://user:password@rates.example/",
        "https://rates.example:port/",
        "https://rates.example/a b",
        "https://rates.example/\r\nX: y",
        "https://rates.example/é",
    ],
)
def test_a_url_that_cannot_be_asked_is_refused_at_the_start(url: str, clock: Any) -> None:
    with pytest.raises(ValueError, match="FX_RATES_URL") as refused:
        LiveRates(url, clock, timeout_s=1)
    assert "password" not in str(refused.value).replace("user name and password", "")
