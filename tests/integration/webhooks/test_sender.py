"""One request to an endpoint: what is sent, and what its answer says."""

from __future__ import annotations

import pytest

from paywright.webhooks.sender import Sender
from tests.integration.webhooks.conftest import BODY, raw
from tests.receivers import Receiver, status


def test_a_body_is_posted_as_it_is(receiver: Receiver, sender: Sender) -> None:
    answer = sender.post(receiver.url + "?a=b", {"webhook-id": "evt_1"}, BODY)
    assert (answer.status, answer.error) == (200, None)
    (request,) = receiver.received
    assert (request.path, request.body) == ("/hooks?a=b", BODY)
    assert request.headers["webhook-id"] == "evt_1"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert request.headers["user-agent"].startswith("Paywright-Webhooks/")


def test_a_large_body_arrives_whole(receiver: Receiver, sender: Sender) -> None:
    body = b"x" * 250_000
    assert sender.post(receiver.url, {}, body).status == 200
    assert receiver.received[0].body == body


@pytest.mark.parametrize("code", [201, 204, 400, 404, 410, 429, 500, 503])
def test_the_status_is_the_answer(receiver: Receiver, sender: Sender, code: int) -> None:
    receiver.replies.append(status(code))
    assert sender.post(receiver.url, {}, BODY).status == code


def test_retry_after_is_passed_on(receiver: Receiver, sender: Sender) -> None:
    receiver.replies.append(status(503, Retry_After="120"))
    assert sender.post(receiver.url, {}, BODY).retry_after == "120"


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(receiver: Receiver, sender: Sender, code: int) -> None:
    receiver.replies.append(status(code, Location=receiver.url))
    assert sender.post(receiver.url, {}, BODY).status == code
    assert len(receiver.received) == 1


_CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("pieces", "excerpt"),
    [
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"], "hello"),
        ([b"HTTP/1.1 200\r\ncontent-length:5\r\n\r\n", b"he", b"llo"], "hello"),
        ([b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello"], "hello"),
        ([b"HTTP/1.1 200 OK\r\n\r", b"\nhel", b"lo"], "hello"),
        ([b"HTTP/1.0 200 OK\r\n\r\nhello"], "hello"),
        (
            [b"HTTP/1.1 100 Continue\r\n\r\n" + _CHUNKED, b"2\r\nhe\r\n3;a=b\r\nllo\r\n0\r\n\r\n"],
            "hello",
        ),
        ([_CHUNKED + b"5\r\nhello\r\n0\r\nDigest: x\r\n\r\n"], "hello"),
        ([_CHUNKED + b"5\r\nhello\r\nnonsense\r\n"], "hello"),
        ([_CHUNKED + b"5\r\nhello and more"], "hello"),
        ([_CHUNKED + b"ffffffffff\r\nhello"], None),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello"], "hello"),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nhello"], "hello"),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 3\r\n\r\nhello"], "hello"),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"], None),
        ([b"HTTP/1.1 204 No Content\r\n\r\n"], None),
        (
            [b"HTTP/1.1 200 OK\r\nno colon\r\n: no name\r\n\r\n\x00\xff\x1b[2J"],
            "\ufffd\ufffd\ufffd[2J",
        ),
    ],
)
def test_bodies_are_read_however_they_come(
    receiver: Receiver, sender: Sender, pieces: list[bytes], excerpt: str | None
) -> None:
    receiver.replies.append(raw(*pieces))
    answer = sender.post(receiver.url, {}, BODY)
    assert (answer.error, answer.excerpt) == (None, excerpt)
    assert answer.status in (200, 204)


def test_the_first_4_kb_of_an_answer_are_kept_without_card_numbers(
    receiver: Receiver, sender: Sender
) -> None:
    body = b"card 4242 4242-4242 4242 refused " + b"x" * 100_000
    head = b"HTTP/1.1 400 Bad Request\r\nContent-Length: %d\r\n\r\n" % len(body)
    receiver.replies.append(raw(head + body))
    answer = sender.post(receiver.url, {}, BODY)
    assert answer.status == 400
    assert answer.excerpt is not None
    assert answer.excerpt.startswith("card ************4242 refused xxx")
    assert 4_000 < len(answer.excerpt) <= 4_096
