"""Webhooks into networks that only the sender sees: by how a URL is written, or by DNS."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from paywright.settings import Settings
from paywright.webhooks.resolving import UrlCheck
from paywright.webhooks.sender import Sender
from paywright.webhooks.urls import UnsafeUrl
from paywright.wiring import Platform
from tests.api import Api
from tests.name_server import NameServer
from tests.platform import api, new_merchant, owner, platform
from tests.platform import settings as laptop
from tests.receivers import Receiver
from tests.ssrf import SPELLINGS

__all__ = ["api", "laptop", "new_merchant", "owner", "platform"]

TLS_FILE = Path(__file__).with_name("hooks_example.pem")  # for hooks.example, self-signed
NOT_PUBLIC = "The host of the webhook URL is not on the public internet."
PUBLIC = "1.1.1.1"


@pytest.fixture
def settings(laptop: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """As in production: private addresses are not allowed."""
    monkeypatch.setenv("WEBHOOK_ALLOW_LOOPBACK", "false")
    return Settings()


@pytest.fixture
def careful(platform: Platform, api: Api) -> Api:
    assert platform.settings.webhook_allow_loopback is False
    return api


def test_at_least_sixty_spellings_are_tried() -> None:
    assert len(set(SPELLINGS)) >= 60


def test_no_endpoint_is_made_with_any_of_them(careful: Api) -> None:
    for url in SPELLINGS:
        for reply in (
            careful.post("/v1/webhook_endpoints", {"url": url}),
            careful.patch("/v1/merchants/me", {"webhook_url": url}),
        ):
            assert reply.status == 400, (url, reply.text)
            assert reply.json["error"]["param"] in ("url", "webhook_url")
            assert "webhook URL" in reply.json["error"]["message"], (url, reply.text)
    assert careful.get("/v1/webhook_endpoints").json["data"] == []


def test_an_endpoint_that_is_in_the_database_already_is_not_called() -> None:
    def resolver(*_: object) -> list[str]:
        raise AssertionError("it must not even be resolved")

    sender = Sender(timeout_s=5, allow_loopback=False, resolver=resolver)
    for url in SPELLINGS:
        answer = sender.post(url, {}, b"{}")
        assert answer.status is None
        assert answer.error is not None
        assert "webhook URL" in answer.error, (url, answer)


@pytest.fixture
def trap() -> Iterator[Receiver]:
    """What listens on loopback, with a certificate that the sender trusts."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS_FILE)
    receiver = Receiver(tls=context)
    yield receiver
    receiver.close()


@pytest.fixture
def new_name_server() -> Iterator[Callable[..., NameServer]]:
    made: list[NameServer] = []

    def make(*answers: list[str]) -> NameServer:
        made.append(NameServer(*answers))
        return made[-1]

    yield make
    for server in made:
        server.close()


def _sender(server: NameServer, *, allow_loopback: bool = False) -> Sender:
    trusting = ssl.create_default_context(cafile=str(TLS_FILE))
    return Sender(timeout_s=5, allow_loopback=allow_loopback, resolver=server.resolve, tls=trusting)


def test_a_name_that_was_public_when_it_was_given_is_checked_again_at_each_attempt(
    new_name_server: Callable[..., NameServer], trap: Receiver
) -> None:
    server = new_name_server([PUBLIC], ["127.0.0.1"])
    url = f"https://hooks.example:{trap.port}/"
    UrlCheck(allow_loopback=False, resolver=server.resolve)(url)  # fine so far
    sender = _sender(server)
    for _ in range(2):
        answer = sender.post(url, {}, b"{}")
        assert (answer.status, answer.error) == (None, NOT_PUBLIC)
    assert server.queries == ["hooks.example"] * 3
    assert trap.received == []
    # The trap would have been called: where private addresses are allowed it is.
    assert _sender(server, allow_loopback=True).post(url, {}, b"{}").status == 200


def test_a_name_that_is_both_is_refused_when_it_is_given(
    new_name_server: Callable[..., NameServer],
) -> None:
    server = new_name_server([PUBLIC, "::ffff:127.0.0.1"])
    with pytest.raises(UnsafeUrl, match="public internet"):
        UrlCheck(allow_loopback=False, resolver=server.resolve)("https://hooks.example/")


def test_the_connection_goes_to_the_address_that_was_checked(
    new_name_server: Callable[..., NameServer], trap: Receiver
) -> None:
    """A second look-up, which would find another address, is never made."""
    server = new_name_server(["127.0.0.1"], ["127.0.0.2"])
    sender = _sender(server, allow_loopback=True)
    assert sender.post(f"https://hooks.example:{trap.port}/", {}, b"{}").status == 200
    assert server.queries == ["hooks.example"]
    assert len(trap.received) == 1
