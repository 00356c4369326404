"""Which URLs and addresses webhooks go to."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from paywright.webhooks.resolving import UrlCheck
from paywright.webhooks.urls import Target, UnsafeUrl, check_address, check_url, parse
from tests.ssrf import ADDRESSES, SPELLINGS

GOOD = [
    ("https://example.com", Target("https", "example.com", 443, "/")),
    ("https://example.com/a/b?c=d&e=%2F", Target("https", "example.com", 443, "/a/b?c=d&e=%2F")),
    ("HTTPS://Example.COM:8443/x", Target("https", "example.com", 8443, "/x")),
    ("https://hooks_eu.example.co.uk./p", Target("https", "hooks_eu.example.co.uk", 443, "/p")),
    ("https://xn--bcher-kva.example/", Target("https", "xn--bcher-kva.example", 443, "/")),
    ("https://8.8.8.8/", Target("https", "8.8.8.8", 443, "/")),
    ("https://[2606:4700::1111]:8444/", Target("https", "2606:4700::1111", 8444, "/")),
    ("https://0xcafe.example/", Target("https", "0xcafe.example", 443, "/")),
]


@pytest.mark.parametrize(("url", "target"), GOOD, ids=[url for url, _ in GOOD])
def test_public_https_urls_are_fine(url: str, target: Target) -> None:
    assert parse(url, allow_loopback=False) == target


@pytest.mark.parametrize("url", SPELLINGS)
def test_everything_else_is_refused(url: str) -> None:
    with pytest.raises(UnsafeUrl):
        check_url(url, allow_loopback=False)


@pytest.mark.parametrize("character", ["\t", "\r", "\n", "\0", "\x7f", "\u2028"])
def test_control_characters_are_refused_wherever_urlsplit_would_drop_them(character: str) -> None:
    with pytest.raises(UnsafeUrl):
        check_url(f"https://exam{character}ple.com/", allow_loopback=True)


def test_a_url_is_at_most_2048_characters_long() -> None:
    longest = "https://example.com/".ljust(2048, "a")
    check_url(longest, allow_loopback=False)
    with pytest.raises(UnsafeUrl):
        check_url(longest + "a", allow_loopback=False)


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:8080/hook", "http://localhost:1/", "https://[::1]/"],
)
def test_a_laptop_may_send_to_itself(url: str) -> None:
    check_url(url, allow_loopback=True)


@pytest.mark.parametrize(
    "url", ["http://user@127.0.0.1/", "ftp://127.0.0.1/", "http://127.1/", "http://1.0x1/"]
)
def test_a_laptop_still_wants_a_clear_url(url: str) -> None:
    with pytest.raises(UnsafeUrl):
        check_url(url, allow_loopback=True)


@pytest.mark.parametrize(
    ("allow_loopback", "allowed"), [(False, "https://"), (True, "https:// or http://")]
)
@pytest.mark.parametrize("url", ["ftp://example.com/", "example.com", "//example.com/"])
def test_a_refusal_names_the_schemes_that_are_allowed(
    url: str, allow_loopback: bool, allowed: str
) -> None:
    with pytest.raises(UnsafeUrl, match=f"^A webhook URL starts with {allowed}\\.$"):
        check_url(url, allow_loopback=allow_loopback)


def test_the_host_header_names_the_port_only_where_it_is_not_the_default() -> None:
    assert parse("https://example.com:443/", allow_loopback=False).authority == "example.com"
    assert parse("https://example.com:4443/", allow_loopback=False).authority == "example.com:4443"
    assert parse("https://[2606:4700::1]/", allow_loopback=False).authority == "[2606:4700::1]"
    assert parse("http://localhost:443/", allow_loopback=True).authority == "localhost:443"


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_resolved_address_is_checked_like_a_written_one(address: str) -> None:
    with pytest.raises(UnsafeUrl):
        check_address(address)
    # Beside one that is public it is no better: the connection might go to either.
    check = UrlCheck(allow_loopback=False, resolver=lambda *_: ["1.1.1.1", address])
    with pytest.raises(UnsafeUrl, match="not on the public internet"):
        check("https://hooks.example.com/")


@pytest.mark.parametrize("address", ["1.1.1.1", "168.63.129.15", "2606:4700:4700::1111"])
def test_public_addresses_are_fine(address: str) -> None:
    check_address(address)
    UrlCheck(allow_loopback=False, resolver=lambda *_: [address])("https://hooks.example.com/")


def test_a_host_that_cannot_be_resolved_yet_is_let_pass() -> None:
    def unknown(*_: object) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    UrlCheck(allow_loopback=False, resolver=unknown)("https://hooks.example.com/")


def test_a_name_server_that_hangs_holds_up_nobody_who_gives_a_url() -> None:
    answer_now = threading.Event()

    def hangs(*_: object) -> list[str]:
        answer_now.wait()
        return ["127.0.0.1"]

    begun = time.monotonic()
    UrlCheck(allow_loopback=False, timeout_s=0.1, resolver=hangs)("https://hooks.example.com/")
    assert time.monotonic() - begun < 5
    answer_now.set()


@pytest.mark.parametrize(
    "host",
    ["169.254.169.254", "10.0.0.1", "192.168.1.1", "[::ffff:127.0.0.1]", "[fe80::1]", "224.0.0.1"],
)
def test_a_laptop_lets_webhooks_to_itself_and_to_no_network(host: str) -> None:
    for own in ("127.0.0.1", "[::1]"):
        assert parse(f"http://{own}:8080/", allow_loopback=True).port == 8080
    with pytest.raises(UnsafeUrl):
        parse(f"http://{host}/", allow_loopback=True)
