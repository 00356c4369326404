"""Receivers that hang, drip, flood or talk nonsense: what one request may cost."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler

import pytest

from paywright.webhooks.sender import Sender
from tests.integration.webhooks.conftest import BODY, drip, hang
from tests.receivers import Receiver

_ENDLESS_S = 20
"""What one that nothing bounds takes at least, however slow the machine is for the others."""


@pytest.mark.parametrize(
    "reply",
    [
        hang,
        drip(first=b""),
        drip(first=b"HTTP/1.1 200 "),
        drip(first=b"HTTP/1.1 200 OK\r\nX-Slow: "),
    ],
    ids=["hangs", "drips a status line", "drips a reason", "drips a header"],
)
def test_a_slow_receiver_costs_no_more_than_the_timeout(
    receiver: Receiver, impatient: Sender, reply: Callable[[BaseHTTPRequestHandler], None]
) -> None:
    receiver.replies.append(reply)
    begun = time.monotonic()
    answer = impatient.post(receiver.url, {}, BODY)
    assert time.monotonic() - begun < _ENDLESS_S
    assert (answer.status, answer.error) == (None, "no answer within 0.5 s")
    assert 450 <= answer.duration_ms < _ENDLESS_S * 1_000


@pytest.mark.parametrize(
    "head",
    [b"Content-Length: 100000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n", b"\r\n"],
    ids=["by length", "chunked", "to the end"],
)
def test_a_slow_body_does_not_undo_a_status(
    receiver: Receiver, impatient: Sender, head: bytes
) -> None:
    receiver.replies.append(drip(first=b"HTTP/1.1 200 OK\r\n" + head))
    begun = time.monotonic()
    answer = impatient.post(receiver.url, {}, BODY)
    assert (answer.status, answer.error) == (200, None)
    assert time.monotonic() - begun < _ENDLESS_S


def test_a_body_gets_less_time_than_a_status(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("paywright.webhooks.exchange.BODY_S", 0.3)
    receiver.replies.append(drip(first=b"HTTP/1.1 200 OK\r\n\r\n"))
    sender = Sender(timeout_s=30, allow_loopback=True)
    begun = time.monotonic()
    answer = sender.post(receiver.url, {}, BODY)
    assert time.monotonic() - begun < _ENDLESS_S
    assert answer.status == 200
    assert answer.excerpt is not None
    assert set(answer.excerpt) == {"x"}


def test_at_most_64_kb_of_an_answer_are_read(receiver: Receiver, sender: Sender) -> None:
    sent = 0
    done = threading.Event()

    def flood(handler: BaseHTTPRequestHandler) -> None:
        nonlocal sent
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            while sent < 1_000_000_000:
                handler.wfile.write(b"x" * 65_536)
                sent += 65_536
        finally:
            done.set()

    receiver.replies.append(flood)
    assert sender.post(receiver.url, {}, BODY).status == 200
    assert done.wait(60)
    assert sent < 20_000_000  # what fits into the buffers of both ends, not what it wanted to send


NO_STATUS = "the answer is not HTTP: it does not begin with HTTP/1.1 and a status"


@pytest.mark.parametrize(
    ("bytes_sent", "error"),
    [
        (b"", "connection failed: closed without an answer"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", NO_STATUS),
        (b"\x16\x03\x01", NO_STATUS),
        (b"HTTP/1.1 abc OK\r\n\r\n", NO_STATUS),
        (b"HTTP/2 200 OK\r\n\r\n", NO_STATUS),
        (b"HTTP/1.1 099 Low\r\n\r\n", NO_STATUS),
        (b"HTTP/1.1 2000 High\r\n\r\n", NO_STATUS),
        (b"HTTP/1.1 20", "connection failed: closed in mid-answer"),
        (b"HTTP/1.1 200 OK\r\nX: y", "connection failed: closed in mid-answer"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", "connection failed: closed in mid-answer"),
        (
            b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
            "the answer is not HTTP: more than 100 headers",
        ),
        (
            b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000,
            "the answer is not HTTP: more than 64 KB of headers",
        ),
        (
            b"HTTP/1.1 103 Early Hints\r\n\r\n" * 3_000,
            "the answer is not HTTP: more than 64 KB of headers",
        ),
    ],
    ids=[
        "nothing",
        "another protocol",
        "TLS",
        "no status",
        "another version",
        "a low status",
        "a long status",
        "half a status",
        "half a head",
        "only a hint",
        "200 headers",
        "a long header",
        "3,000 hints",
    ],
)
def test_garbage_is_recorded_and_not_raised(
    receiver: Receiver, sender: Sender, bytes_sent: bytes, error: str
) -> None:
    def reply(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(bytes_sent)

    receiver.replies.append(reply)
    answer = sender.post(receiver.url, {}, BODY)
    assert answer.status is None
    assert answer.excerpt is None
    # A receiver that hangs up with unread data resets the connection instead of ending it.
    assert answer.error in (error, "connection failed: Connection reset by peer")


def test_a_closed_port_is_recorded(sender: Sender) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        answer = sender.post(f"http://127.0.0.1:{port}/", {}, BODY)
    assert (answer.status, answer.error) == (None, "connection failed: Connection refused")
