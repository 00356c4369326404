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
from paywright.webhooks.sender import Sender
from tests.receivers import Receiver, Reply, status

TLS_FILE = Path(__file__).with_name("hooks_example.pem")  # for hooks.example, self-signed
BODY = b'{"id": "evt_1"}'


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
    assert sender.post(receiver.url, {}, BODY).status == 200
    assert time.monotonic() - begun < 1.5


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
        (b"", "connection failed: RemoteDisconnected"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "the answer is not HTTP: BadStatusLine"),
        (b"HTTP/1.1 abc OK\r\n\r\n", "the answer is not HTTP: BadStatusLine"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200, "the answer is not HTTP: HTTPException"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000, "the answer is not HTTP: LineTooLong"),
    ],
    ids=["nothing", "another protocol", "no status", "200 headers", "a long header"],
)
def test_garbage_is_recorded_and_not_raised(
    receiver: Receiver, sender: Sender, bytes_sent: bytes, error: str
) -> None:
    def reply(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(bytes_sent)

    receiver.replies.append(reply)
    answer = sender.post(receiver.url, {}, BODY)
    assert answer.status is None
    # A receiver that hangs up with unread data resets the connection instead of ending it.
    assert answer.error in (error, "connection failed: Connection reset by peer")


def test_a_closed_port_is_recorded(sender: Sender) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        answer = sender.post(f"http://127.0.0.1:{port}/", {}, BODY)
    assert (answer.status, answer.error) == (None, "connection failed: Connection refused")


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
