"""Answers that come byte by byte: read as if they came at once, and for about as little."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from paywright.sockets import Deadline
from paywright.webhooks.exchange import NotHttp, Received, exchange

_CPU_S = 3.0
"""Processor time. Reading takes a tenth of it; where all that has come is searched again for each
byte, it is more than a minute."""

_LIMIT_S = 60.0


class ByteByByte(socket.socket):
    """Takes no more than a byte at a time from what has come."""

    def recv(self, size: int, flags: int = 0) -> bytes:
        return super().recv(min(size, 1), flags)


def read(answer: bytes) -> Received:
    ours, theirs = socket.socketpair()
    with ByteByByte(fileno=ours.detach()) as connected, theirs:
        sending = threading.Thread(target=theirs.sendall, args=[answer])
        sending.start()
        try:
            return exchange(connected, b"POST / HTTP/1.1\r\n\r\n", Deadline(_LIMIT_S))
        finally:
            connected.shutdown(socket.SHUT_RD)  # what was not read is not waited for
            sending.join()


@pytest.mark.parametrize("line_end", [b"\r\n", b"\n"], ids=["CRLF", "LF"])
@pytest.mark.parametrize(
    ("headers", "body", "expected"),
    [
        ([b"Content-Length: 5"], b"thank", b"thank"),
        ([b"Transfer-Encoding: chunked"], b"3\r\ntha\r\n2\r\nnk\r\n0\r\n\r\n", b"thank"),
    ],
    ids=["by length", "chunked"],
)
def test_an_answer_is_the_same_in_pieces(
    line_end: bytes, headers: list[bytes], body: bytes, expected: bytes
) -> None:
    hint = line_end.join([b"HTTP/1.1 103 Early Hints", b"Link: </a>", b"", b""])
    lines = [b"HTTP/1.1 202 Accepted", b"Retry-After: 7", *headers, b"", b""]
    received = read(hint + line_end.join(lines) + body)
    assert (received.status, received.retry_after) == (202, "7")
    assert (received.body, received.is_reusable) == (expected, True)


@pytest.mark.parametrize(
    "head",
    [b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000, b"HTTP/1.1 200 " + b"x" * 70_000],
    ids=["a long header", "a long status line"],
)
def test_a_head_in_pieces_costs_what_it_is_long(head: bytes) -> None:
    began = time.thread_time()
    with pytest.raises(NotHttp, match="more than 64 KB"):
        read(head)
    assert time.thread_time() - began < _CPU_S
