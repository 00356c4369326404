"""Which URLs a webhook may go to: never into a network that the sender can see and others cannot.

A URL is checked when it is given (`check_url`, no network), and its addresses at each attempt
(`check_address`), on which the connection is pinned: DNS may change its mind in between.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

MAX_LENGTH = 2048
FIRST_FREE_PORT = 1024
"""Below it are the ports of system services (RFC 6335, section 6); of them only HTTPS's is fine."""

_FORBIDDEN = re.compile(r"[^\x21-\x7e]|[\\\"<>^`{|}]")
_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_NUMBER = re.compile(r"\d+|0[xX][0-9A-Fa-f]*")
_DEFAULT_PORTS = {"https": 443, "http": 80}

_LOCAL_DOMAINS = (
    "localhost",
    "local",
    "localdomain",
    "internal",
    "intranet",
    "private",
    "lan",
    "home",
    "corp",
    "arpa",
    "svc",
    "onion",
)

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# What `is_global` of some Python versions lets pass (IANA special-purpose registries): protocol
# assignments, 6to4 relays, documentation, and addresses that carry an IPv4 address within. And
# 168.63.129.16, which is public but for machines of Azure, whose metadata it serves.
_NOT_PUBLIC = tuple(
    ipaddress.ip_network(network)
    for network in (
        "192.0.0.0/24",
        "192.88.99.0/24",
        "168.63.129.16/32",
        "2001::/23",
        "2001:db8::/32",
        "2002::/16",
        "3fff::/20",
    )
)
_ISATAP = (0x0000_5EFE, 0x0200_5EFE)
"""Third quarter of an IPv6 address that carries an IPv4 address in its last (RFC 5214, 6.1)."""

_IPV6_UNICAST = ipaddress.ip_network("2000::/3")
"""All public IPv6 addresses; mapped IPv4, NAT64, link-local and site-local ones are outside."""


class UnsafeUrl(ValueError):
    """A URL that webhooks are not sent to; the message says why, for whoever gave it."""


@dataclass(frozen=True, slots=True)
class Target:
    """The parts of a URL that a request needs."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """The Host header: the port only where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


def check_url(url: str, *, allow_loopback: bool) -> None:
    """Raise UnsafeUrl when webhooks cannot go to this URL, whatever its host resolves to."""
    parse(url, allow_loopback=allow_loopback)


@lru_cache(maxsize=1024)
def parse(url: str, *, allow_loopback: bool) -> Target:
    """The target of a URL; raise UnsafeUrl.

    `allow_loopback` is for a laptop: plain http and the laptop itself are fine then, by any port.
    """
    if len(url) > MAX_LENGTH:
        raise UnsafeUrl(f"A webhook URL has at most {MAX_LENGTH} characters.")
    if _FORBIDDEN.search(url):
        raise UnsafeUrl("A webhook URL has only printable ASCII characters; encode the others.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise UnsafeUrl("The webhook URL is malformed.") from None
    if parts.scheme != "https" and not (allow_loopback and parts.scheme == "http"):
        allowed = "https:// or http://" if allow_loopback else "https://"
        raise UnsafeUrl(f"A webhook URL starts with {allowed}.")
    if "@" in parts.netloc:
        raise UnsafeUrl("A webhook URL holds no user name or password.")
    if "#" in url:
        raise UnsafeUrl("A webhook URL has no fragment.")
    if port == 0 or parts.netloc.endswith(":"):
        raise UnsafeUrl("The port of the webhook URL is not valid.")
    if not allow_loopback and port is not None and port != 443 and port < FIRST_FREE_PORT:
        # Mail, file shares and the like: whatever answers there takes no webhooks.
        raise UnsafeUrl(f"The port of a webhook URL is 443, or {FIRST_FREE_PORT} to 65535.")
    host = _host(parts.hostname or "", bracketed="[" in parts.netloc)
    if not isinstance(host, str):
        check_address(str(host), allow_loopback=allow_loopback)
    elif not allow_loopback:  # there a name may be the laptop's: its addresses tell
        _check_name(host)
    path = parts.path or "/"
    return Target(
        parts.scheme,
        str(host),
        port or _DEFAULT_PORTS[parts.scheme],
        f"{path}?{parts.query}" if parts.query else path,
    )


def check_address(address: str, *, allow_loopback: bool = False) -> None:
    """Raise UnsafeUrl unless this is a public unicast address, or one of this machine's own."""
    parsed = ipaddress.ip_address(address)
    if allow_loopback and parsed.is_loopback and getattr(parsed, "ipv4_mapped", None) is None:
        return
    if (
        not parsed.is_global
        or parsed.is_multicast
        or parsed.is_reserved
        or any(parsed in network for network in _NOT_PUBLIC if network.version == parsed.version)
        or (parsed.version == 6 and parsed not in _IPV6_UNICAST)
        or (parsed.version == 6 and int(parsed) >> 32 & 0xFFFF_FFFF in _ISATAP)
    ):
        raise UnsafeUrl("The host of the webhook URL is not on the public internet.")


def _check_name(host: str) -> None:
    # Names that no public DNS answers: said at once, not at the first delivery.
    last = host.lower().removesuffix(".").rpartition(".")
    if not last[1] or last[2] in _LOCAL_DOMAINS:
        raise UnsafeUrl("The host of the webhook URL is not on the public internet.")


def _host(host: str, *, bracketed: bool) -> str | _Address:
    if bracketed:
        try:
            return ipaddress.IPv6Address(host if "%" not in host else "")
        except ValueError:
            raise UnsafeUrl("The IPv6 address of the webhook URL is not valid.") from None
    labels = host.removesuffix(".").split(".")
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise UnsafeUrl("The host of the webhook URL is not valid.")
    if _NUMBER.fullmatch(labels[-1]):
        # A resolver reads 0177.1, 0x7f000001 and 2130706433 as addresses; so must we, or refuse.
        try:
            return ipaddress.IPv4Address(host)
        except ValueError:
            raise UnsafeUrl("Write the IPv4 address of the webhook URL as four numbers.") from None
    return host.removesuffix(".")  # as certificates and virtual hosts have it (RFC 6066, section 3)
