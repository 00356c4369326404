"""`paywright demo`: four short scenes against the running system, told as they happen."""

from __future__ import annotations

import base64
import json
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import psycopg
from rich.console import Console
from rich.text import Text

from cli import clock, database, ledger_view
from cli.api import Answer, Merchant, call
from cli.errors import Failure
from cli.merchants import Demo, demo
from cli.paths import Home
from cli.state import Urls

_WEBHOOK_TIMEOUT_S = 15
_POLL_S = 0.05
_DECLINED_CARD = "4000000000000002"
_SHOWN = ("id", "status", "amount", "currency", "captured_amount", "fraud_score")
_SHOWN_OF_ERROR = ("type", "code", "decline_code", "message", "payment_id")


def play(home: Home, urls: Urls) -> None:
    """Play all scenes; Failure as soon as one does not go as it should."""
    merchant = demo(home)
    with database.connect(urls.database_url) as connection:
        console = Console(highlight=False)
        story = _Story(console, connection, merchant, urls, clock.ahead(home))
        event = story.purchase()
        story.manual_capture()
        story.decline()
        story.forged_webhook(event)
    story.console.print("\n[bold]The ledger is balanced, and the forger went home empty-handed.[/]")


class _Story:
    def __init__(
        self,
        console: Console,
        connection: psycopg.Connection,
        merchant: Demo,
        urls: Urls,
        ahead: timedelta,
    ) -> None:
        connection.autocommit = True  # each look sees what has been committed by then
        self.console = console
        self._connection = connection
        self._merchant = merchant
        self._urls = urls
        self._ahead = ahead
        self._client = Merchant(urls.gateway_url, merchant.api_key)

    def purchase(self) -> dict[str, Any]:
        """A card is charged at once; the webhook's payload."""
        self._title("1", "A purchase: 19.99 US dollars by card")
        payment = self._pay({"amount": 1999, "currency": "usd", "capture": True}, 201, "captured")
        self._postings(payment["id"])
        return self._webhook("payment.captured", payment["id"])

    def manual_capture(self) -> None:
        """Money is held first, and taken when the goods leave."""
        self._title("2", "A manual capture: held first, taken when the goods leave")
        content = {"amount": 12_000, "currency": "usd", "capture": False}
        payment = self._pay(content, 201, "authorized")
        self._postings(payment["id"])
        self.console.print("\n  The goods leave the warehouse.")
        captured = self._post(f"/v1/payments/{payment['id']}/capture", {"amount": 12_000})
        self._expect(captured, 200, 201)
        self._postings(payment["id"])
        self._webhook("payment.captured", payment["id"])

    def decline(self) -> None:
        """The bank says no."""
        self._title("3", "A decline: the bank says no")
        card = {"number": _DECLINED_CARD, "exp_month": 12, "exp_year": 2034, "cvc": "123"}
        method = self._client.created(
            f"/v1/customers/{self._merchant.customer_id}/payment_methods",
            {"type": "card", "card": card},
        )
        content = {"amount": 4200, "currency": "usd", "payment_method_id": method["id"]}
        answer = self._post("/v1/payments", content)
        self._expect(answer, 402)
        self.console.print("\n  Ledger: nothing is posted.")

    def forged_webhook(self, event: dict[str, Any]) -> None:
        """The webhook of the first scene again, from someone who does not know the secret."""
        self._title("4", "A forged webhook: the right words, the wrong signature")
        forged_id = f"{event['id']}-forged-{secrets.token_hex(4)}"
        signature = base64.b64encode(secrets.token_bytes(32)).decode()
        headers = {
            "Content-Type": "application/json",
            "webhook-id": forged_id,
            "webhook-timestamp": str(int(time.time())),
            "webhook-signature": f"v1,{signature}",
        }
        self._line("→", f"POST {self._urls.receiver_url}/webhooks", "cyan")
        self._line(" ", f"webhook-signature: v1,{signature}", "dim")
        body = json.dumps(event["payload"]).encode()
        answer = call("POST", f"{self._urls.receiver_url}/webhooks", body, headers=headers)
        self._line("←", f"{answer.status} {str(answer.body).strip()}", _colour(answer.status))
        self._expect(answer, 400)
        recorded = self._received(lambda item: item["id"] == forged_id)
        self._line("✉", f"recorded as verified: {recorded['verified']}", "yellow")
        if recorded["verified"]:
            raise Failure("The receiver took a forged webhook for a real one.")

    def _pay(self, content: dict[str, Any], expected: int, status: str) -> dict[str, Any]:
        method = {"payment_method_id": self._merchant.payment_method_id}
        answer = self._post("/v1/payments", {**content, **method})
        self._expect(answer, expected)
        payment: dict[str, Any] = answer.body
        if payment["status"] != status:
            raise Failure(f"The payment is {payment['status']}, not {status}.")
        return payment

    def _post(self, path: str, content: dict[str, Any]) -> Answer:
        self._line("→", f"POST {path}  {json.dumps(content)}", "cyan")
        answer = self._client.post(path, content)
        body = answer.body if isinstance(answer.body, dict) else {}
        shown: Any = {name: body[name] for name in _SHOWN if body.get(name) is not None}
        if "error" in body:
            error = body["error"]
            shown = {name: error[name] for name in _SHOWN_OF_ERROR if name in error}
        self._line("←", f"{answer.status}  {json.dumps(shown)}", _colour(answer.status))
        return answer

    def _expect(self, answer: Answer, *statuses: int) -> None:
        if answer.status not in statuses:
            raise Failure(
                f"The answer was {answer.status} and should have been {statuses[0]}: {answer.body}"
            )

    def _postings(self, payment_id: str) -> None:
        accounts = ledger_view.accounts(self._connection, self._merchant.id, payment_id)
        self.console.print("\n  Ledger, what is posted for this payment by now:")
        self.console.print(ledger_view.t_accounts(accounts, self.console.width))

    def _webhook(self, kind: str, payment_id: str) -> dict[str, Any]:
        with self._waiting(f"waiting for {kind}"):
            item = self._received(
                lambda item: item["type"] == kind and _object_id(item) == payment_id
            )
        created = datetime.fromisoformat(item["payload"]["created_at"])
        received = datetime.fromisoformat(item["received_at"]) + self._ahead
        waited_ms = (received - created).total_seconds() * 1000
        verified = "signature verified" if item["verified"] else "SIGNATURE WRONG"
        text = f"webhook {item['type']} {item['id']}: {verified}, {waited_ms:.0f} ms later"
        self._line("✉", text, "yellow")
        if not item["verified"]:
            raise Failure("The receiver could not verify a real webhook.")
        return item

    def _received(self, fits: Any) -> dict[str, Any]:
        deadline = time.monotonic() + _WEBHOOK_TIMEOUT_S
        while time.monotonic() < deadline:
            items = call("GET", f"{self._urls.receiver_url}/received").body
            found = [item for item in items if fits(item)]
            if found:
                return dict(found[-1])
            time.sleep(_POLL_S)
        raise Failure(f"The webhook did not come within {_WEBHOOK_TIMEOUT_S} s.")

    @contextmanager
    def _waiting(self, text: str) -> Iterator[None]:
        if self.console.is_terminal:
            with self.console.status(f"{text} …"):
                yield
        else:
            yield

    def _title(self, number: str, text: str) -> None:
        self.console.print(f"\n[bold]{number}. {text}[/bold]\n")

    def _line(self, mark: str, text: str, style: str) -> None:
        self.console.print(Text(f"  {mark} {text}", style=style), soft_wrap=True)


def _object_id(item: dict[str, Any]) -> str | None:
    try:
        return str(item["payload"]["data"]["object"]["id"])
    except (KeyError, TypeError):
        return None


def _colour(status: int) -> str:
    return "green" if status < 300 else "red"
