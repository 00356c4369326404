"""A DNS server of one's own on loopback that changes its mind, and a resolver that asks it.

Source: RFC 1035, section 4.1.
"""

from __future__ import annotations

import ipaddress
import random
import socket
import struct
import threading
from collections import deque

_HEADER = struct.Struct("!HHHHHH")
_RESPONSE = 0x8180
_A, _AAAA, _IN = 1, 28, 1
_TTL_S = 0
_TIMEOUT_S = 5


class NameServer:
    """Answers each query with the next of `answers`, lists of addresses, and then with the last."""

    def __init__(self, *answers: list[str]) -> None:
        self.queries: list[str] = []
        self._answers = deque(answers)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        """Stop serving."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
            end.sendto(b"", self._socket.getsockname())
        self._thread.join()
        self._socket.close()

    def resolve(self, host: str, _port: int) -> list[str]:
        """The addresses of a host, asked of this server over UDP."""
        asked = random.randrange(1 << 16)
        labels = b"".join(bytes([len(part)]) + part.encode() for part in host.split("."))
        query = _HEADER.pack(asked, 0x0100, 1, 0, 0, 0) + labels + struct.pack("!BHH", 0, _A, _IN)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(_TIMEOUT_S)
            client.sendto(query, self._socket.getsockname())
            answer = client.recv(4096)
        answered, _, _, count, _, _ = _HEADER.unpack_from(answer)
        assert answered == asked
        found, offset = [], len(query)
        for _ in range(count):
            _, _, _, _, length = struct.unpack_from("!HHHIH", answer, offset)
            offset += 12
            found.append(str(ipaddress.ip_address(answer[offset : offset + length])))
            offset += length
        return found

    def _serve(self) -> None:
        while query := self._socket.recvfrom(4096):
            data, client = query
            if not data:
                return
            self.queries.append(_name(data))
            addresses = self._answers.popleft() if len(self._answers) > 1 else self._answers[0]
            asked, *_ = _HEADER.unpack_from(data)
            head = _HEADER.pack(asked, _RESPONSE, 1, len(addresses), 0, 0)
            records = b"".join(map(_record, addresses))
            self._socket.sendto(head + data[_HEADER.size :] + records, client)


def _record(address: str) -> bytes:
    packed = ipaddress.ip_address(address).packed
    kind = _A if len(packed) == 4 else _AAAA
    return struct.pack("!HHHIH", 0xC000 | _HEADER.size, kind, _IN, _TTL_S, len(packed)) + packed


def _name(query: bytes) -> str:
    labels, offset = [], _HEADER.size
    while length := query[offset]:
        labels.append(query[offset + 1 : offset + 1 + length].decode())
        offset += 1 + length
    return ".".join(labels)
