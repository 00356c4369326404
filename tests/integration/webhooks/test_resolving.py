"""The host of an endpoint: looked up once, in bounded time, and called only where it may be."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from platform import libc_ver

import pytest

from emulator.template.parse import load
from paywright.webhooks.resolving import Resolver, TooLate
from paywright.webhooks.sender import Sender
from tests.conformance.template.declared import LAPTOP, TEMPLATE
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


_ASKS = """
import ctypes, socket, struct, sys

libc = ctypes.CDLL(None)
libc.__res_init()
libc.__res_state.restype = ctypes.c_void_p
state = libc.__res_state()  # retrans, retry, options (8 bytes), nscount, nsaddr_list
print(*struct.unpack("2i", ctypes.string_at(state, 8)), flush=True)
address = socket.inet_aton("127.0.0.1")
server = struct.pack("=iH", 1, socket.AF_INET) + struct.pack("!H4sq", int(sys.argv[1]), address, 0)
ctypes.memmove(state + 16, server, len(server))
try:
    socket.getaddrinfo("hooks.example.com", 443, type=socket.SOCK_STREAM)
except socket.gaierror as error:
    print(error.errno == socket.EAI_AGAIN)
"""


@pytest.mark.skipif(libc_ver()[0] != "glibc", reason="it is the C library of Lambda that is asked")
@pytest.mark.parametrize("function", ["webhook", "webhook_due", "merchant"])
def test_the_system_gives_up_a_name_server_that_hangs_before_a_request_ends(function: str) -> None:
    options = load(TEMPLATE, LAPTOP).functions[function].environment["RES_OPTIONS"]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as hanging:
        hanging.bind(("127.0.0.1", 0))
        told = subprocess.run(
            [sys.executable, "-c", _ASKS, str(hanging.getsockname()[1])],
            env={"RES_OPTIONS": options},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        ).stdout
        assert told.split() == ["1", "2", "True"], "one second, twice, and then no answer"
        hanging.setblocking(False)
        assert len([hanging.recv(512) for _ in range(4)]) == 4, "for both kinds of addresses"
        with pytest.raises(BlockingIOError):
            hanging.recv(512)


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
    [
        ["127.0.0.1"],
        ["::1"],
        ["8.8.8.8", "127.0.0.1"],
        [*["8.8.8.8"] * 4, "127.0.0.1"],
        ["::ffff:127.0.0.1"],
        ["10.0.0.1"],
    ],
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
