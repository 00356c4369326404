"""Live rates: one table, fetched from the operator's provider over HTTP.

What the provider answers is read strictly (`fx/tables.py`; the format is in docs/fx.md), within one
deadline and up to a size. Redirects are not followed: the URL may hold the provider's key.
"""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Callable
from functools import cached_property
from urllib.parse import urlsplit

from paywright import __version__
from paywright.clock import Clock
from paywright.errors import FxRateUnavailable
from paywright.fx.tables import InvalidTable, RateTable, parse
from paywright.processors.base import Unavailable, Unknown
from paywright.processors.breaker import CircuitBreaker
from paywright.sockets import Bounded, Deadline, connect_to_one_of

MAX_ANSWER_BYTES = 256 * 1024
_MAX_ADDRESSES = 4
_PORTS = {"https": 443, "http": 80}


class LiveRates:
    """Fetches a table through a circuit breaker, from a URL that is never shown.

    `name` is its host, which becomes the source of the rates. Raise ValueError for a URL that
    cannot be asked. `new_breaker` makes the breaker of a provider with that name.
    """

    def __init__(
        self,
        url: str,
        clock: Clock,
        *,
        timeout_s: float,
        new_breaker: Callable[[str], CircuitBreaker] = lambda _name: CircuitBreaker(),
        tls: ssl.SSLContext | None = None,
    ) -> None:
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise ValueError("FX_RATES_URL is malformed") from None
        if parts.scheme not in _PORTS or not parts.hostname or "@" in parts.netloc:
            raise ValueError("FX_RATES_URL must be https://host/… without user name and password")
        if not url.isascii() or any(char.isspace() for char in url):
            raise ValueError("FX_RATES_URL has characters that must be encoded")
        self.name = parts.netloc.lower()
        self._host, self._port = parts.hostname, port or _PORTS[parts.scheme]
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._secure = parts.scheme == "https"
        self._clock = clock
        self._timeout_s = timeout_s
        self._breaker = new_breaker(self.name)
        self._given_tls = tls

    def table(self) -> RateTable:
        """The provider's table of now; raise FxRateUnavailable, its cause saying why."""
        try:
            return self._breaker.call(self._fetch)
        except (Unknown, Unavailable) as error:
            raise FxRateUnavailable from error

    def _fetch(self) -> RateTable:
        try:
            text = self._get(Deadline(self._timeout_s))
            return parse(text, source=self.name, now=self._clock.now())
        except TimeoutError as error:
            raise Unknown(f"no answer within {self._timeout_s:g} s") from error
        except (OSError, http.client.HTTPException) as error:
            raise Unknown(
                f"the provider of rates cannot be asked: {type(error).__name__}"
            ) from error
        except InvalidTable as error:
            raise Unknown(f"the provider's answer is no table of rates: {error}") from error

    def _get(self, deadline: Deadline) -> bytes:
        with self._connect(deadline) as connected:
            connection = http.client.HTTPConnection(self._host, self._port)
            connection.sock = Bounded(connected, deadline)
            connection.putrequest("GET", self._path, skip_host=True, skip_accept_encoding=True)
            for name, value in {
                "Host": self.name,
                "User-Agent": f"Paywright-Rates/{__version__}",
                "Accept": "application/json",
                "Connection": "close",
            }.items():
                connection.putheader(name, value)
            connection.endheaders()
            response = connection.getresponse()
            if response.status != 200:
                raise InvalidTable(f"its status is {response.status}")
            text = response.read(MAX_ANSWER_BYTES + 1)
            if len(text) > MAX_ANSWER_BYTES:
                raise InvalidTable(f"it is larger than {MAX_ANSWER_BYTES} bytes")
            return text

    def _connect(self, deadline: Deadline) -> socket.socket:
        found = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(str(address[0]) for *_, address in found))
        plain = connect_to_one_of(addresses[:_MAX_ADDRESSES], self._port, deadline)
        if not self._secure:
            return plain
        try:
            plain.settimeout(deadline.left_s())
            return self._tls.wrap_socket(plain, server_hostname=self._host)
        except BaseException:
            plain.close()
            raise

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return self._given_tls or ssl.create_default_context()
