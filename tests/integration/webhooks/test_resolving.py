"""The host of an endpoint: looked up once, in bounded time, and called only where it may be."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable

import pytest

from paywright.webhooks.resolving import Resolver, TooLate
from paywright.webhooks.sender import Sender
from tests.integration.webhooks.conftest import BODY
from tests.receivers import Receiver


def test_a_name_server_that_hangs_costs_no_more_than_the_timeout() -> None:
    asked, answer_now = [], threading.Event()

    def resolver(host: str, _port: int) -> list[str]:
        asked.append(host)
        answer_now.wait()
        return ["127.0.0.1"]

    sender = Sender(timeout_s=0.3, allow_loopback=True, resolver=resolver)
    begun = time.monotonic()
    try:
        for _ in range(3):
            answer = sender.post("http://hooks.example/", {}, BODY)
            assert answer.error == "the host cannot be resolved within 0.3 s"
        assert time.monotonic() - begun < 20
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

    sender = Sender(timeout_s=0.1, allow_loopback=True, resolver=resolver)
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

    sender = Sender(timeout_s=20, allow_loopback=True, resolver=resolver)
    answer = sender.post("http://hooks.example/", {}, BODY)
    assert answer.error == "the host cannot be resolved"


@pytest.mark.parametrize("url", ["http://8.8.8.8/", "https://127.0.0.1/", "https://localhost/"])
def test_an_unsafe_url_is_not_called(url: str) -> None:
    def resolver(_host: str, _port: int) -> list[str]:
        raise AssertionError("it must not even be resolved")

    sender = Sender(timeout_s=20, allow_loopback=False, resolver=resolver)
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
    sender = Sender(timeout_s=20, allow_loopback=False, resolver=lambda *_: addresses)
    answer = sender.post(f"https://hooks.example:{receiver.port}/", {}, BODY)
    assert answer.error == "The host of the webhook URL is not on the public internet."
    assert receiver.received == []


def test_a_name_is_resolved_once_and_the_connection_goes_there(receiver: Receiver) -> None:
    asked: list[str] = []

    def resolver(host: str, _port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    sender = Sender(timeout_s=20, allow_loopback=True, resolver=resolver)
    assert sender.post(f"http://hooks.example:{receiver.port}/", {}, BODY).status == 200
    assert asked == ["hooks.example"]
    assert receiver.received[0].headers["host"] == f"hooks.example:{receiver.port}"


def test_the_next_address_is_tried_when_one_is_dead(receiver: Receiver) -> None:
    sender = Sender(
        timeout_s=20, allow_loopback=True, resolver=lambda *_: ["127.0.0.2", "127.0.0.1"]
    )
    assert sender.post(f"http://hooks.example:{receiver.port}/", {}, BODY).status == 200
