"""A receiver as merchants write it, to be run by itself: it believes in the library alone.

It answers 200 to what `standardwebhooks` verifies with the secret in its URL's query, else 400 with
what the library says, and prints its port.
"""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from standardwebhooks import Webhook, WebhookVerificationError


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        secret = parse_qs(urlsplit(self.path).query)["secret"][0]
        try:
            event = Webhook(secret).verify(
                body, {name: self.headers[name] for name in self.headers}
            )
            self._answer(200, str(event["id"]))
        except WebhookVerificationError as error:
            self._answer(400, str(error))

    def _answer(self, status: int, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        pass


if __name__ == "__main__":
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        print(server.server_address[1], flush=True)
        server.serve_forever()
