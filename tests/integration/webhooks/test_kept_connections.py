"""Connections that are kept for the next request to the same URL, while they are in order."""

from __future__ import annotations

import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler

import pytest

from paywright.webhooks.kept import MOST_KEPT
from paywright.webhooks.sender import Sender
from tests.integration.webhooks.conftest import BODY, raw
from tests.receivers import Receiver, Reply, status


@pytest.fixture
def keeper(new_receiver: Callable[..., Receiver]) -> Receiver:
    return new_receiver(keeps_alive=True)


def _connections(receiver: Receiver) -> int:
    return len({request.peer_port for request in receiver.received})


def test_a_connection_is_used_again_for_the_same_url(keeper: Receiver, sender: Sender) -> None:
    for _ in range(3):
        assert sender.post(keeper.url, {}, BODY).status == 200
    assert (len(keeper.received), _connections(keeper)) == (3, 1)
    sender.post(keeper.url + "?other", {}, BODY)
    assert _connections(keeper) == 2


def _hang_up(handler: BaseHTTPRequestHandler) -> None:
    handler.close_connection = True


def _answer_then_hang_up(handler: BaseHTTPRequestHandler) -> None:
    status(200)(handler)
    handler.close_connection = True


@pytest.mark.parametrize("reply", [status(200, Connection="close"), _answer_then_hang_up])
def test_a_connection_that_the_receiver_is_done_with_is_not_used_again(
    keeper: Receiver, sender: Sender, reply: Reply
) -> None:
    keeper.replies.append(reply)
    assert sender.post(keeper.url, {}, BODY).status == 200
    time.sleep(0.1)  # what hangs up has done so
    assert sender.post(keeper.url, {}, BODY).status == 200
    assert (len(keeper.received), _connections(keeper)) == (2, 2)


def test_a_request_on_a_connection_that_closes_under_it_is_sent_again(
    keeper: Receiver, sender: Sender
) -> None:
    keeper.replies += [status(200), _hang_up, status(201), _hang_up, _hang_up]
    assert sender.post(keeper.url, {}, BODY).status == 200
    assert sender.post(keeper.url, {}, BODY).status == 201
    answer = sender.post(keeper.url, {}, BODY)
    assert answer.status is None
    assert answer.error is not None
    assert len(keeper.received) == 5


@pytest.mark.parametrize(
    ("body", "connections"),
    [
        (b"Content-Length: 2\r\n\r\nok", 1),
        (b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", 1),
        (b"Content-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\n", 2),
        (b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", 2),
        (b"Content-Length: 2\r\nConnection: Close\r\n\r\nok", 2),
        (b"Content-Length: 70000\r\n\r\n" + b"x" * 70_000, 2),
    ],
    ids=[
        "a length",
        "chunks",
        "one answer too many",
        "two lengths",
        "closing",
        "more than is read",
    ],
)
def test_only_a_connection_that_is_in_order_is_used_again(
    keeper: Receiver, sender: Sender, body: bytes, connections: int
) -> None:
    keeper.replies.append(raw(b"HTTP/1.1 200 OK\r\n" + body))
    for _ in range(2):
        assert sender.post(keeper.url, {}, BODY).status == 200
    assert _connections(keeper) == connections


def test_a_request_that_was_half_answered_is_not_sent_again_at_once(
    keeper: Receiver, sender: Sender
) -> None:
    def half(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX")
        handler.close_connection = True

    keeper.replies += [status(200), half]
    assert sender.post(keeper.url, {}, BODY).status == 200
    assert sender.post(keeper.url, {}, BODY).error == "connection failed: closed in mid-answer"
    assert len(keeper.received) == 2


@pytest.mark.parametrize("limit", ["IDLE_S", "OLDEST_S"])
def test_an_old_connection_is_opened_anew(
    keeper: Receiver, sender: Sender, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(f"paywright.webhooks.kept.{limit}", -1)
    for _ in range(2):
        assert sender.post(keeper.url, {}, BODY).status == 200
    assert _connections(keeper) == 2


def test_at_most_64_connections_are_kept(keeper: Receiver, sender: Sender) -> None:
    for number in range(MOST_KEPT + 1):
        sender.post(f"{keeper.url}?{number}", {}, BODY)
    sender.post(f"{keeper.url}?{MOST_KEPT}", {}, BODY)
    sender.post(f"{keeper.url}?0", {}, BODY)
    assert _connections(keeper) == MOST_KEPT + 2
