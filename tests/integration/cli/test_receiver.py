"""The local webhook receiver, run as `paywright up` runs it."""

import http.client
import json
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from cli.parts import Receiver
from cli.paths import Home, write_private
from emulator.services import ports

_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
_EVENT = {"id": "evt_1", "type": "payment.captured", "data": {"object": {"id": "txn_1"}}}


class Client:
    """Posts webhooks to the receiver and reads what it has recorded."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)

    def request(self, method: str, path: str, body: bytes = b"", headers=None) -> tuple[int, bytes]:
        self._connection.request(method, path, body, headers or {})
        answer = self._connection.getresponse()
        return answer.status, answer.read()

    def post(self, body: bytes, *, secret: str = _SECRET, when: datetime | None = None) -> int:
        when = when or datetime.now(UTC)
        signature = Webhook(secret).sign("evt_1", when, body.decode(errors="replace"))
        headers = {
            "webhook-id": "evt_1",
            "webhook-timestamp": str(int(when.timestamp())),
            "webhook-signature": signature,
        }
        return self.request("POST", "/webhooks", body, headers)[0]

    def received(self) -> list[dict[str, Any]]:
        status, body = self.request("GET", "/received")
        assert status == 200
        return list(json.loads(body))

    def raw(self, data: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(data)
            answer = b""
            while received := connection.recv(65_536):
                answer += received
            return answer

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path)
    made.make()
    write_private(made.receiver_file, {"secrets": [_SECRET]})
    return made


@pytest.fixture
def client(home, monkeypatch):
    receiver = Receiver(home)
    receiver.preferred_port = 0
    receiver.start()
    receiver.wait_ready()
    made = Client(receiver.port)
    yield made
    made.close()
    receiver.stop()


def test_a_stranger_on_the_port_is_not_taken_for_the_receiver(home, monkeypatch):
    """As when two systems start at once: both find the port free, and one is faster."""
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        taken = stranger.getsockname()[1]
        receiver = Receiver(home)
        receiver.preferred_port = taken
        monkeypatch.setattr(ports, "is_free", lambda _port: True)
        receiver.start()
        assert receiver.port == taken
        monkeypatch.undo()
        receiver.wait_ready()
        try:
            assert receiver.port > taken
        finally:
            receiver.stop()


def test_a_signed_webhook_is_verified_and_listed(client):
    before = datetime.now(UTC) - timedelta(seconds=1)
    assert client.post(json.dumps(_EVENT).encode()) == 200
    (item,) = client.received()
    came = datetime.fromisoformat(item.pop("received_at"))
    assert before < came < datetime.now(UTC) + timedelta(seconds=1)
    assert item == {
        "id": "evt_1",
        "type": "payment.captured",
        "verified": True,
        "payload": _EVENT,
    }


@pytest.mark.parametrize(
    ("secret", "age_s"),
    [("whsec_" + "A" * 32, 0), (_SECRET, 600), (_SECRET, -600)],
    ids=["another's secret", "too old", "from the future"],
)
def test_what_is_not_signed_now_by_a_known_secret_is_refused_and_recorded(client, secret, age_s):
    when = datetime.now(UTC) - timedelta(seconds=age_s)
    assert client.post(json.dumps(_EVENT).encode(), secret=secret, when=when) == 400
    assert [item["verified"] for item in client.received()] == [False]


def test_a_changed_body_is_refused(client):
    when = datetime.now(UTC)
    body = json.dumps(_EVENT).encode()
    headers = {
        "webhook-id": "evt_1",
        "webhook-timestamp": str(int(when.timestamp())),
        "webhook-signature": Webhook(_SECRET).sign("evt_1", when, body.decode()),
    }
    assert client.request("POST", "/webhooks", body + b" ", headers)[0] == 400
    assert client.request("POST", "/webhooks", body, headers)[0] == 200


def test_secrets_that_come_later_are_known(client, home):
    later = "whsec_" + "B" * 32
    assert client.post(b"{}", secret=later) == 400
    write_private(home.receiver_file, {"secrets": [_SECRET, later]})
    assert client.post(b"{}", secret=later) == 200
    assert client.post(b"{}") == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"webhook-id": "x", "webhook-timestamp": "soon", "webhook-signature": "v1,x"},
        {"webhook-id": "x", "webhook-timestamp": "9" * 400, "webhook-signature": "v1,x"},
        {"webhook-id": "x", "webhook-timestamp": "nan", "webhook-signature": ",,,,"},
        {"webhook-id": "\xff", "webhook-timestamp": "1", "webhook-signature": "v1"},
    ],
)
@pytest.mark.parametrize(
    "body", [b"", b"\xff\xfe", b"[" * 50_000, b"[1, NaN]", b'"\\ud800"', b"null"]
)
def test_garbage_is_refused_and_does_no_harm(client, headers, body):
    assert client.request("POST", "/webhooks", body, headers)[0] == 400
    assert [item["verified"] for item in client.received()] == [False]


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00garbage\r\n\r\n", b"400"),
        (b"GET /received HTTP/9.9\r\n\r\n", b"400"),
        (b"POST /webhooks HTTP/1.1\r\nContent-Length: 70000\r\n\r\n" + b"x" * 70_000, b"413"),
        (b"GET /" + b"x" * 40_000 + b" HTTP/1.1\r\n\r\n", b"413"),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 40_000 + b"\r\n\r\n", b"413"),
        (b"GET / HTTP/1.1\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n", b"404"),
    ],
)
def test_what_is_no_webhook_ends_its_own_connection_only(client, data, status):
    assert client.raw(data).split()[1] == status
    assert client.post(json.dumps(_EVENT).encode()) == 200


def test_only_its_two_places_are_there(client):
    assert client.request("GET", "/webhooks")[0] == 405
    assert client.request("POST", "/received")[0] == 405
    assert client.request("GET", "/")[0] == 404
    assert client.request("POST", "/webhooks/any/depth", b"{}")[0] == 400


def test_only_the_last_thousand_are_kept(client):
    for number in range(1003):
        client.request("POST", "/webhooks", str(number).encode())
    payloads = [item["payload"] for item in client.received()]
    assert payloads == list(range(3, 1003))
