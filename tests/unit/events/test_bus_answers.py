"""What the relay makes of EventBridge's answers, those that no local bus gives included."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import UUID

import boto3
import pytest

from paywright.events import put_events
from paywright.events.bus import Bus
from paywright.events.entry import Entry

TAKEN = {"FailedEntryCount": 0, "Entries": [{"EventId": "1"}]}
INVALID = {"__type": "com.amazonaws.events#ValidationException", "message": "detailType is long"}


def _entry(number: int) -> Entry:
    return Entry(UUID(int=number), "payment.captured", '{"name":"☕"}')


class Endpoint(ThreadingHTTPServer):
    """Gives the answers that it is told to, in turn, and keeps what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        self.answers: list[tuple[int, Any]] = []
        self.asked: list[tuple[dict[str, str], Any]] = []
        self.connections = 0
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def get_request(self) -> tuple[socket.socket, Any]:
        self.connections += 1
        return super().get_request()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Endpoint

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append((dict(self.headers.items()), json.loads(body)))
        status, answer = self.server.answers.pop(0)
        raw = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    server = Endpoint()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def new_bus() -> Iterator[Callable[[str], Bus]]:
    session = boto3.session.Session("AKID", "secret", "token", region_name="eu-central-1")
    made: list[Bus] = []

    def make(url: str) -> Bus:
        made.append(Bus("bus", session=session, endpoint_url=url))
        return made[-1]

    yield make
    for bus in made:
        bus.close()


@pytest.fixture
def bus(endpoint: Endpoint, new_bus: Callable[[str], Bus]) -> Bus:
    return new_bus(endpoint.url)


def test_a_request_is_what_eventbridge_takes(endpoint: Endpoint, bus: Bus) -> None:
    endpoint.answers = [(200, TAKEN)]
    bus.put([_entry(1)])
    ((headers, body),) = endpoint.asked
    assert headers["X-Amz-Target"] == "AWSEvents.PutEvents"
    assert headers["Content-Type"] == "application/x-amz-json-1.1"
    assert headers["X-Amz-Security-Token"] == "token"
    assert "/eu-central-1/events/aws4_request" in headers["Authorization"]
    (entry,) = body["Entries"]
    assert entry == {
        "Source": "paywright",
        "DetailType": "payment.captured",
        "Detail": '{"name":"☕"}',
        "EventBusName": "bus",
    }


def test_accepted_and_refused_entries_are_told_apart(endpoint: Endpoint, bus: Bus) -> None:
    results = [
        {"EventId": "1"},
        {"ErrorCode": "ThrottlingException", "ErrorMessage": "slow down"},
        {"EventId": "3"},
    ]
    endpoint.answers = [(200, {"FailedEntryCount": 1, "Entries": results})]
    outcome = bus.put([_entry(1), _entry(2), _entry(3)])
    assert outcome.accepted == [UUID(int=1), UUID(int=3)]
    assert outcome.refused == {UUID(int=2): "ThrottlingException"}
    assert outcome.failure is None


def test_one_invalid_entry_does_not_hold_up_its_request(endpoint: Endpoint, bus: Bus) -> None:
    endpoint.answers = [(400, INVALID), (200, TAKEN), (400, INVALID)]
    outcome = bus.put([_entry(1), _entry(2)])
    assert outcome.accepted == [UUID(int=1)]
    assert list(outcome.refused) == [UUID(int=2)]
    assert outcome.failure is None


@pytest.mark.parametrize(
    ("status", "answer", "reason"),
    [
        (500, {"__type": "InternalException", "message": "try later"}, "InternalException"),
        (503, b"<html>", "JSONDecodeError"),
        (200, b"[]", "TypeError"),
        (200, {"Entries": []}, "0 results for 1 entries"),
        (200, b"9" * 100_000, "HTTPException"),
    ],
    ids=["an error", "no JSON", "no object", "too few results", "too long"],
)
def test_a_failed_request_decides_nothing(
    endpoint: Endpoint, bus: Bus, status: int, answer: Any, reason: str
) -> None:
    endpoint.answers = [(status, answer), (200, TAKEN)]
    outcome = bus.put([_entry(1)])
    assert (outcome.accepted, outcome.refused) == ([], {})
    assert outcome.failure is not None
    assert reason in outcome.failure
    assert bus.put([_entry(1)]).accepted == [UUID(int=1)]


def test_connections_are_kept_and_closed_ones_are_replaced(endpoint: Endpoint, bus: Bus) -> None:
    endpoint.answers = [(200, TAKEN)] * 3
    assert bus.put([_entry(1)]).accepted
    assert bus.put([_entry(1)]).accepted
    assert endpoint.connections == 1
    (connection,) = bus._put_events._connections
    connection.sock.shutdown(socket.SHUT_RDWR)  # as if the other side had
    assert bus.put([_entry(1)]).accepted
    assert endpoint.connections == 2


def test_after_a_request_that_nobody_took_no_more_are_sent(endpoint: Endpoint, bus: Bus) -> None:
    many = {"FailedEntryCount": 0, "Entries": [{"EventId": str(n)} for n in range(10)]}
    busy = (500, {"__type": "InternalException"})
    endpoint.answers = [(200, many), (200, many), (200, many), busy]
    outcome = bus.put([_entry(number) for number in range(80)])
    assert len(endpoint.asked) == 4
    assert len(outcome.accepted) == 30
    assert outcome.failure is not None


def test_a_silent_endpoint_is_not_waited_for_any_longer_than_once(
    new_bus: Callable[[str], Bus], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(put_events, "ANSWER_TIMEOUT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        bus = new_bus(f"http://127.0.0.1:{silent.getsockname()[1]}")
        outcome = bus.put([_entry(number) for number in range(80)])
    assert outcome.accepted == []
    assert outcome.failure is not None
    assert "TimeoutError" in outcome.failure
