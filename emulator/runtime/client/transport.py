"""The Runtime API over one socket: what of a runtime client is HTTP, and nothing else.

The answer of one invocation and the request for the next leave in one write, and one read brings
what the server said to both: on one machine these calls are most of what an invocation costs.

Source of paths and headers: Lambda developer guide, "Using the Lambda runtime API".
"""

from __future__ import annotations

import socket

_NEXT = b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: %b\r\n\r\n"
_POST = (
    b"POST /2018-06-01/runtime/%b HTTP/1.1\r\nHost: %b\r\n"
    b"Content-Type: %b\r\nContent-Length: %d\r\n%b\r\n"
)
_ERROR_TYPE = "application/vnd.aws.lambda.error+json"
_READ_BYTES = 256 * 1024
# A larger answer waits for its receipt: the server may refuse it, and says why before more is sent.
_PIPELINED_BYTES = 64 * 1024


class ApiError(RuntimeError):
    """The Runtime API refused a call or went away."""


class RuntimeApi:
    """One execution environment's connection to its Runtime API."""

    def __init__(self, address: str) -> None:
        """`address` is HOST:PORT, as in AWS_LAMBDA_RUNTIME_API; connects at the first call."""
        self._address = address
        self._host = address.encode()
        self._next = _NEXT % self._host
        self._socket: socket.socket | None = None
        self._rest = b""
        self._unsent = b""

    def next(self) -> tuple[bytes, dict[str, str]]:
        """Wait for an invocation: its event, and the headers that came with it."""
        unsent, self._unsent = self._unsent, b""
        self._send(unsent + self._next)
        if unsent:
            self._receipt()
        status, headers, body = self._receive()
        if status != 200:
            raise ApiError(f"cannot get the next invocation: status {status}")
        return body, headers

    def respond(self, request_id: str, content_type: str, body: bytes) -> None:
        """Give an invocation's result; a small one leaves with the call of `next`."""
        self._post(f"invocation/{request_id}/response", content_type, body)

    def fail(self, request_id: str, error: bytes, xray_cause: str) -> None:
        """Give an invocation's error; it leaves with the call of `next`."""
        more = {
            "Lambda-Runtime-Function-Error-Type": "Unhandled",
            "Lambda-Runtime-Function-XRay-Error-Cause": xray_cause,
        }
        self._post(f"invocation/{request_id}/error", _ERROR_TYPE, error, more)

    def fail_init(self, error: bytes, error_type: str) -> None:
        """Say that the INIT phase failed."""
        more = {"Lambda-Runtime-Function-Error-Type": error_type}
        self._post("init/error", _ERROR_TYPE, error, more, wait=True)

    def _post(
        self,
        path: str,
        content_type: str,
        body: bytes,
        headers: dict[str, str] | None = None,
        *,
        wait: bool = False,
    ) -> None:
        more = "".join(f"{name}: {_field(v)}\r\n" for name, v in (headers or {}).items())
        head = _POST % (
            path.encode(),
            self._host,
            content_type.encode(),
            len(body),
            more.encode("latin-1", "replace"),
        )
        if wait or len(body) > _PIPELINED_BYTES:
            self._send(head + body)
            self._receipt()
        else:
            self._unsent = head + body

    def _receipt(self) -> None:
        status, _, body = self._receive()
        if status != 202:
            raise ApiError(f"the result was refused: status {status}: {body.decode()}")

    def _send(self, data: bytes) -> None:
        if self._socket is None:
            host, _, port = self._address.rpartition(":")
            self._socket = socket.create_connection((host, int(port)))
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(data)

    def _receive(self) -> tuple[int, dict[str, str], bytes]:
        """One answer: status, headers with names in lower case, body."""
        data = self._rest or self._read()
        while (end := data.find(b"\r\n\r\n")) < 0:
            data += self._read()
        lines = data[:end].decode("latin-1").split("\r\n")
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(": ")
            headers[name.lower()] = value
        start = end + 4
        stop = start + int(headers["content-length"])
        if len(data) < stop:
            parts = [data]
            missing = stop - len(data)
            while missing > 0:
                parts.append(self._read())
                missing -= len(parts[-1])
            data = b"".join(parts)
        self._rest = data[stop:]
        return int(lines[0].split(" ", 2)[1]), headers, data[start:stop]

    def _read(self) -> bytes:
        assert self._socket is not None
        data = self._socket.recv(_READ_BYTES)
        if not data:
            raise ApiError("the Runtime API closed the connection")
        return data


def _field(value: str) -> str:
    """What may stand in a header: one line."""
    return value.replace("\r", " ").replace("\n", " ")
