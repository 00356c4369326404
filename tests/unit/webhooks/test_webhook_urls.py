"""Which URLs and addresses webhooks go to."""

from __future__ import annotations

import pytest

from paywright.webhooks.urls import Target, UnsafeUrl, check_address, check_url, parse

GOOD = [
    ("https://example.com", Target("https", "example.com", 443, "/")),
    ("https://example.com/a/b?c=d&e=%2F", Target("https", "example.com", 443, "/a/b?c=d&e=%2F")),
    ("HTTPS://Example.COM:8443/x", Target("https", "example.com", 8443, "/x")),
    ("https://hooks_eu.example.co.uk./p", Target("https", "hooks_eu.example.co.uk.", 443, "/p")),
    ("https://xn--bcher-kva.example/", Target("https", "xn--bcher-kva.example", 443, "/")),
    ("https://8.8.8.8/", Target("https", "8.8.8.8", 443, "/")),
    ("https://[2606:4700::1111]:8444/", Target("https", "2606:4700::1111", 8444, "/")),
    ("https://0xcafe.example/", Target("https", "0xcafe.example", 443, "/")),
]

REFUSED = """
http://example.com/
ftp://example.com/
//example.com/
example.com
https://
https:///path
https://:443/
https://user@example.com/
https://user:pass@example.com/
https://example.com@127.0.0.1/
https://example.com/#fragment
https://example.com:0/
https://example.com:65536/
https://example.com:port/
https://example.com:/
https://exam\\ple.com/
https://exa mple.com/
https://example..com/
https://-example.com/
https://bücher.example/
https://１２７.0.0.1/
https://localhost/
https://LOCALHOST./
https://api.localhost/
https://printer.local/
https://metadata.google.internal/
https://intranet/
https://127.0.0.1/
https://127.0.0.1:8443/
https://127.1/
https://0177.0.0.1/
https://0x7f.0.0.1/
https://0x7f000001/
https://2130706433/
https://127.0.0.0x1/
https://1.0X7F/
https://017700000001/
https://127.0.0.1./
https://example.127/
https://1.2.3.4.5/
https://256.1.1.1/
https://0.0.0.0/
https://10.0.0.1/
https://100.64.0.1/
https://169.254.169.254/latest/meta-data/
https://172.16.0.1/
https://192.0.0.8/
https://192.0.2.1/
https://192.88.99.1/
https://192.168.1.1/
https://198.18.0.1/
https://198.51.100.1/
https://203.0.113.1/
https://224.0.0.1/
https://240.0.0.1/
https://255.255.255.255/
https://[::]/
https://[::1]/
https://[::127.0.0.1]/
https://[::ffff:127.0.0.1]/
https://[::ffff:8.8.8.8]/
https://[0:0:0:0:0:ffff:7f00:1]/
https://[64:ff9b::7f00:1]/
https://[64:ff9b:1::1]/
https://[100::1]/
https://[2001::1]/
https://[2001:db8::1]/
https://[2002:7f00:1::]/
https://[3fff::1]/
https://[fc00::1]/
https://[fd00:ec2::254]/
https://[fe80::1]/
https://[fe80::1%25eth0]/
https://[fec0::1]/
https://[ff02::1]/
https://[::1/
https://[example.com]/
""".strip().splitlines()


@pytest.mark.parametrize(("url", "target"), GOOD, ids=[url for url, _ in GOOD])
def test_public_https_urls_are_fine(url: str, target: Target) -> None:
    assert parse(url, allow_private=False) == target


@pytest.mark.parametrize("url", REFUSED)
def test_everything_else_is_refused(url: str) -> None:
    with pytest.raises(UnsafeUrl):
        check_url(url, allow_private=False)


@pytest.mark.parametrize("character", ["\t", "\r", "\n", "\0", "\x7f", "\u2028"])
def test_control_characters_are_refused_wherever_urlsplit_would_drop_them(character: str) -> None:
    with pytest.raises(UnsafeUrl):
        check_url(f"https://exam{character}ple.com/", allow_private=True)


def test_a_url_is_at_most_2048_characters_long() -> None:
    longest = "https://example.com/".ljust(2048, "a")
    check_url(longest, allow_private=False)
    with pytest.raises(UnsafeUrl):
        check_url(longest + "a", allow_private=False)


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:8080/hook", "http://localhost:1/", "https://[::1]/", "http://10.1.1.1"],
)
def test_a_laptop_may_send_to_itself(url: str) -> None:
    check_url(url, allow_private=True)


@pytest.mark.parametrize(
    "url", ["http://user@127.0.0.1/", "ftp://127.0.0.1/", "http://127.1/", "http://1.0x1/"]
)
def test_a_laptop_still_wants_a_clear_url(url: str) -> None:
    with pytest.raises(UnsafeUrl):
        check_url(url, allow_private=True)


def test_the_host_header_names_the_port_only_where_it_is_not_the_default() -> None:
    assert parse("https://example.com:443/", allow_private=False).authority == "example.com"
    assert parse("https://example.com:4443/", allow_private=False).authority == "example.com:4443"
    assert parse("https://[2606:4700::1]/", allow_private=False).authority == "[2606:4700::1]"
    assert parse("http://localhost:443/", allow_private=True).authority == "localhost:443"


def test_a_resolved_address_is_checked_like_a_written_one() -> None:
    check_address("1.1.1.1")
    check_address("2606:4700:4700::1111")
    for address in ("127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::a00:1", "fe80::1%eth0"):
        with pytest.raises(UnsafeUrl):
            check_address(address)
