"""A receiver as merchants write it, in a process by itself: it believes in the library alone.

It answers 200 to what `standardwebhooks` verifies with the secret in its URL's query, else 400 with
what the library says. To a message of another day it is that time which the query's `now` says, in
seconds; of such a one it does not read the body, which may be none. It prints its port.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, tzinfo
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import parse_qs, urlencode, urlsplit

from standardwebhooks import Webhook, WebhookVerificationError, webhooks

_today = threading.local()


@contextmanager
def verifying_receiver() -> Iterator[str]:
    """Its address, while it runs."""
    with subprocess.Popen([sys.executable, __file__], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def query_for(secret: str, now: int | None = None) -> str:
    """What follows its address, for messages that are signed with a secret."""
    return "/?" + urlencode({"secret": secret} | ({} if now is None else {"now": now}))


class _Datetime(datetime):
    """The library asks for the time and takes none."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        given = getattr(_today, "now", None)
        return super().now(tz) if given is None else cls.fromtimestamp(given, tz)


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        query = parse_qs(urlsplit(self.path).query)
        _today.now = int(query["now"][0]) if "now" in query else None
        # What a header has beyond ASCII comes as if it were Latin-1.
        headers = {name: self.headers[name].encode("latin-1").decode() for name in self.headers}
        try:
            Webhook(query["secret"][0]).verify(body, headers, json_parse=False)
        except WebhookVerificationError as error:
            self._answer(400, str(error))
        else:
            self._answer(200, "verified" if _today.now else str(json.loads(body)["id"]))

    def _answer(self, status: int, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        pass


if __name__ == "__main__":
    vars(webhooks)["datetime"] = _Datetime
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        print(server.server_address[1], flush=True)
        server.serve_forever()
