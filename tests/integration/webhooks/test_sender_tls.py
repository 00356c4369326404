"""TLS to an endpoint: verified for the name that its URL has."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from paywright.webhooks.sender import Answer, Sender
from tests.integration.webhooks.conftest import BODY
from tests.receivers import Receiver

TLS_FILE = Path(__file__).with_name("hooks_example.pem")  # for hooks.example, self-signed


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
        timeout_s=20, allow_loopback=True, resolver=lambda *_: ["127.0.0.1"], tls=trusting
    )
    assert sender.post(f"https://hooks.example:{receiver.port}/x", {}, BODY).status == 200
    assert sender.post(f"https://hooks.example.:{receiver.port}/x", {}, BODY).status == 200
    assert {each.headers["host"] for each in receiver.received} == {
        f"hooks.example:{receiver.port}"
    }
    other = sender.post(f"https://other.example:{receiver.port}/x", {}, BODY)
    assert other.status is None
    assert other.error is not None
    assert other.error.startswith("TLS: Hostname mismatch")
    assert len(receiver.received) == 2


def test_the_context_of_production_verifies_the_name_as_well(
    new_receiver: Callable[..., Receiver], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(TLS_FILE))
    receiver = new_receiver(_server_tls())
    sender = Sender(timeout_s=20, allow_loopback=True, resolver=lambda *_: ["127.0.0.1"])
    assert sender.post(f"https://hooks.example:{receiver.port}/x", {}, BODY).status == 200
    other = sender.post(f"https://other.example:{receiver.port}/x", {}, BODY)
    assert other.error is not None
    assert other.error.startswith("TLS: Hostname mismatch")
    assert len(receiver.received) == 1


@pytest.mark.skipif(not ssl.HAS_TLSv1_1, reason="this OpenSSL cannot speak TLS 1.1")
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1:DeprecationWarning")
def test_tls_before_1_2_is_refused_whatever_pythons_default_is(
    new_receiver: Callable[..., Receiver], monkeypatch: pytest.MonkeyPatch
) -> None:
    def lax() -> ssl.SSLContext:
        context = create_context(cafile=str(TLS_FILE))
        context.minimum_version = ssl.TLSVersion.TLSv1_1
        context.set_ciphers("DEFAULT@SECLEVEL=0")
        return context

    create_context = ssl.create_default_context
    monkeypatch.setattr(ssl, "create_default_context", lax)
    old = _server_tls()
    old.set_ciphers("DEFAULT@SECLEVEL=0")
    old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    receiver = new_receiver(old)
    url = f"https://hooks.example:{receiver.port}/x"

    def answer(tls: ssl.SSLContext | None) -> Answer:
        sender = Sender(
            timeout_s=20, allow_loopback=True, resolver=lambda *_: ["127.0.0.1"], tls=tls
        )
        return sender.post(url, {}, BODY)

    assert answer(lax()).status == 200, "the server can be spoken to"
    refused = answer(None)
    assert refused.error is not None
    assert refused.error.startswith("TLS: ")
    assert len(receiver.received) == 1


def test_an_unknown_authority_is_refused(new_receiver: Callable[..., Receiver]) -> None:
    receiver = new_receiver(_server_tls())
    sender = Sender(timeout_s=20, allow_loopback=True, resolver=lambda *_: ["127.0.0.1"])
    answer = sender.post(f"https://hooks.example:{receiver.port}/", {}, BODY)
    assert answer.error == "TLS: self-signed certificate"
    assert receiver.received == []


def test_a_tls_handshake_that_never_comes_is_bounded() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        sender = Sender(timeout_s=0.5, allow_loopback=True)
        begun = time.monotonic()
        answer = sender.post(f"https://127.0.0.1:{port}/", {}, BODY)
    assert time.monotonic() - begun < 10
    assert answer.error == "no answer within 0.5 s"
