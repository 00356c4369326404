"""One request to an endpoint: what is sent, what counts as an answer, and what it may cost."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from paywright.webhooks.kept import MOST_KEPT
from paywright.webhooks.resolving import Resolver, TooLate
from paywright.webhooks.sender import Sender
from tests.receivers import Receiver, Reply, status

TLS_FILE = Path(__file__).with_name("hooks_example.pem")  # for hooks.example, self-signed
BODY = b'{"id": "evt_1"}'
NO_STATUS = "the answer is not HTTP: it does not begin with HTTP/1.1 and a status"


@pytest.fixture
def new_receiver() -> Iterator[Callable[..., Receiver]]:
    made: list[Receiver] = []

    def make(tls: ssl.SSLContext | None = None, keeps_alive: bool = False) -> Receiver:
        made.append(Receiver(tls=tls, keeps_alive=keeps_alive))
        return made[-1]

    yield make
    for receiver in made:
        receiver.close()


@pytest.fixture
def receiver(new_receiver: Callable[..., Receiver]) -> Receiver:
    return new_receiver()


@pytest.fixture
def sender() -> Iterator[Sender]:
    made = Sender(timeout_s=0.5, allow_private=True)
    yield made
    made.close()


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


def _hang(handler: BaseHTTPRequestHandler) -> None:
    handler.connection.recv(1)  # until the sender hangs up


def _drip(*, first: bytes) -> Callable[[BaseHTTPRequestHandler], None]:
    def reply(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(first)
        pace = threading.Event()
        while not pace.wait(0.02):
            handler.wfile.write(b"x")

    return reply


@pytest.mark.parametrize(
    "reply",
    [
        _hang,
        _drip(first=b""),
        _drip(first=b"HTTP/1.1 200 "),
        _drip(first=b"HTTP/1.1 200 OK\r\nX-Slow: "),
    ],
    ids=["hangs", "drips a status line", "drips a reason", "drips a header"],
)
def test_a_slow_receiver_costs_no_more_than_the_timeout(
    receiver: Receiver, sender: Sender, reply: Callable[[BaseHTTPRequestHandler], None]
) -> None:
    receiver.replies.append(reply)
    begun = time.monotonic()
    answer = sender.post(receiver.url, {}, BODY)
    assert time.monotonic() - begun < 1.5
    assert (answer.status, answer.error) == (None, "no answer within 0.5 s")
    assert 450 <= answer.duration_ms < 1_500


@pytest.mark.parametrize(
    "head",
    [b"Content-Length: 100000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n", b"\r\n"],
    ids=["by length", "chunked", "to the end"],
)
def test_a_slow_body_does_not_undo_a_status(
    receiver: Receiver, sender: Sender, head: bytes
) -> None:
    receiver.replies.append(_drip(first=b"HTTP/1.1 200 OK\r\n" + head))
    begun = time.monotonic()
    answer = sender.post(receiver.url, {}, BODY)
    assert (answer.status, answer.error) == (200, None)
    assert time.monotonic() - begun < 1.5


def test_a_body_gets_less_time_than_a_status(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("paywright.webhooks.exchange.BODY_S", 0.3)
    receiver.replies.append(_drip(first=b"HTTP/1.1 200 OK\r\n\r\n"))
    sender = Sender(timeout_s=30, allow_private=True)
    begun = time.monotonic()
    answer = sender.post(receiver.url, {}, BODY)
    assert time.monotonic() - begun < 10
    assert answer.status == 200
    assert answer.excerpt is not None
    assert set(answer.excerpt) == {"x"}


def _raw(*pieces: bytes) -> Reply:
    """Answer with these bytes, each as a packet of its own, and keep the connection as it is."""

    def reply(handler: BaseHTTPRequestHandler) -> None:
        handler.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            handler.wfile.write(piece)
            handler.wfile.flush()
            time.sleep(0.01)

    return reply


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
    receiver.replies.append(_raw(*pieces))
    answer = sender.post(receiver.url, {}, BODY)
    assert (answer.error, answer.excerpt) == (None, excerpt)
    assert answer.status in (200, 204)


def test_the_first_4_kb_of_an_answer_are_kept_without_card_numbers(
    receiver: Receiver, sender: Sender
) -> None:
    body = b"card 4242 4242-4242 4242 refused " + b"x" * 100_000
    head = b"HTTP/1.1 400 Bad Request\r\nContent-Length: %d\r\n\r\n" % len(body)
    receiver.replies.append(_raw(head + body))
    answer = sender.post(receiver.url, {}, BODY)
    assert answer.status == 400
    assert answer.excerpt is not None
    assert answer.excerpt.startswith("card ************4242 refused xxx")
    assert 4_000 < len(answer.excerpt) <= 4_096


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
    assert done.wait(5)
    assert sent < 20_000_000  # what fits into the buffers of both ends, not what it wanted to send


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


def test_a_name_server_that_hangs_costs_no_more_than_the_timeout() -> None:
    asked, answer_now = [], threading.Event()

    def resolver(host: str, _port: int) -> list[str]:
        asked.append(host)
        answer_now.wait()
        return ["127.0.0.1"]

    sender = Sender(timeout_s=0.3, allow_private=True, resolver=resolver)
    begun = time.monotonic()
    try:
        for _ in range(3):
            answer = sender.post("http://hooks.example/", {}, BODY)
            assert answer.error == "the host cannot be resolved within 0.3 s"
        assert time.monotonic() - begun < 3
        assert asked == ["hooks.example"]  # those that come meanwhile wait for the same answer
        sender.post("http://other.example/", {}, BODY)
        assert asked == ["hooks.example", "other.example"]
    finally:
        answer_now.set()


def test_many_name_servers_that_hang_hold_a_bounded_number_of_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("paywright.webhooks.resolving.MOST_AT_ONCE", 2)
    answer_now, asked = threading.Event(), []

    def resolver(host: str, _port: int) -> list[str]:
        asked.append(host)
        answer_now.wait()
        return []

    sender = Sender(timeout_s=0.1, allow_private=True, resolver=resolver)
    try:
        for number in range(4):
            answer = sender.post(f"http://hooks{number}.example/", {}, BODY)
            assert answer.error == "the host cannot be resolved within 0.1 s"
        assert len(asked) == 2
    finally:
        answer_now.set()


def test_a_look_up_waits_for_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("paywright.webhooks.resolving.MOST_AT_ONCE", 1)
    answer_now = threading.Event()

    def resolver(host: str, _port: int) -> list[str]:
        if host == "slow.example":
            answer_now.wait()
        return ["127.0.0.1"]

    resolving = Resolver(resolver)
    with pytest.raises(TooLate):
        resolving.within(0.05, "slow.example", 80)
    threading.Timer(0.2, answer_now.set).start()
    assert resolving.within(10.0, "quick.example", 80) == ["127.0.0.1"]


def test_an_unknown_host_is_recorded() -> None:
    def resolver(_host: str, _port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    sender = Sender(timeout_s=0.5, allow_private=True, resolver=resolver)
    answer = sender.post("http://hooks.example/", {}, BODY)
    assert answer.error == "the host cannot be resolved"


@pytest.mark.parametrize("url", ["http://8.8.8.8/", "https://127.0.0.1/", "https://localhost/"])
def test_an_unsafe_url_is_not_called(url: str) -> None:
    def resolver(_host: str, _port: int) -> list[str]:
        raise AssertionError("it must not even be resolved")

    sender = Sender(timeout_s=0.5, allow_private=False, resolver=resolver)
    answer = sender.post(url, {}, BODY)
    assert answer.status is None
    assert answer.error is not None
    assert "webhook URL" in answer.error


@pytest.mark.parametrize(
    "addresses",
    [["127.0.0.1"], ["::1"], ["8.8.8.8", "127.0.0.1"], ["::ffff:127.0.0.1"], ["10.0.0.1"]],
)
def test_a_name_that_leads_into_a_private_network_is_not_called(
    new_receiver: Callable[..., Receiver], addresses: list[str]
) -> None:
    receiver = new_receiver()
    sender = Sender(timeout_s=0.5, allow_private=False, resolver=lambda *_: addresses)
    answer = sender.post(f"https://hooks.example:{receiver.port}/", {}, BODY)
    assert answer.error == "The host of the webhook URL is not on the public internet."
    assert receiver.received == []


def test_a_name_is_resolved_once_and_the_connection_goes_there(receiver: Receiver) -> None:
    asked: list[str] = []

    def resolver(host: str, _port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    sender = Sender(timeout_s=0.5, allow_private=True, resolver=resolver)
    assert sender.post(f"http://hooks.example:{receiver.port}/", {}, BODY).status == 200
    assert asked == ["hooks.example"]
    assert receiver.received[0].headers["host"] == f"hooks.example:{receiver.port}"


def test_the_next_address_is_tried_when_one_is_dead(receiver: Receiver) -> None:
    sender = Sender(timeout_s=2, allow_private=True, resolver=lambda *_: ["127.0.0.2", "127.0.0.1"])
    assert sender.post(f"http://hooks.example:{receiver.port}/", {}, BODY).status == 200


def _server_tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS_FILE)
    return context


def test_tls_is_verified_for_the_name_and_spoken_to_the_pinned_address(
    new_receiver: Callable[..., Receiver],
) -> None:
    receiver = new_receiver(_server_tls())
    trusting = ssl.create_default_context(cafile=str(TLS_FILE))
    sender = Sender(
        timeout_s=2, allow_private=True, resolver=lambda *_: ["127.0.0.1"], tls=trusting
    )
    assert sender.post(f"https://hooks.example:{receiver.port}/x", {}, BODY).status == 200
    other = sender.post(f"https://other.example:{receiver.port}/x", {}, BODY)
    assert other.status is None
    assert other.error is not None
    assert other.error.startswith("TLS: Hostname mismatch")
    assert len(receiver.received) == 1


def test_an_unknown_authority_is_refused(new_receiver: Callable[..., Receiver]) -> None:
    receiver = new_receiver(_server_tls())
    sender = Sender(timeout_s=2, allow_private=True, resolver=lambda *_: ["127.0.0.1"])
    answer = sender.post(f"https://hooks.example:{receiver.port}/", {}, BODY)
    assert answer.error == "TLS: self-signed certificate"
    assert receiver.received == []


def test_a_tls_handshake_that_never_comes_is_bounded() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        sender = Sender(timeout_s=0.5, allow_private=True)
        begun = time.monotonic()
        answer = sender.post(f"https://127.0.0.1:{port}/", {}, BODY)
    assert time.monotonic() - begun < 1.5
    assert answer.error == "no answer within 0.5 s"


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
    keeper.replies.append(_raw(b"HTTP/1.1 200 OK\r\n" + body))
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
