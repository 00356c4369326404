"""Calls the functions as the gateway does, in this process: for tests of what they do."""

from __future__ import annotations

import asyncio
import base64
import importlib.util
import json
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from paywright.merchants.create import NewMerchant

_ROOT = Path(__file__).parents[1]


@dataclass
class LambdaContext:
    """What Powertools asks of a context."""

    aws_request_id: str = "test"
    function_name: str = "test"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:000000000000:function:test"

    def get_remaining_time_in_millis(self) -> int:
        return 10_000


@dataclass
class Reply:
    """A function's answer, as the gateway would send it."""

    status: int
    text: str
    headers: dict[str, str]

    @property
    def json(self) -> Any:
        return json.loads(self.text)


class Api:
    """Calls the functions with API Gateway events, with one merchant's key."""

    def __init__(self, merchant: NewMerchant) -> None:
        self.merchant = merchant

    def post(self, path: str, body: Any = None, *, key: str | None = None, **headers: str) -> Reply:
        """Send a body: text and bytes as they are, anything else as JSON."""
        raw = body
        if not isinstance(body, str | bytes):
            raw = "" if body is None else json.dumps(body)
        sent = {"content-type": "application/json", **headers}
        if key is not None:
            sent["idempotency-key"] = key
        return self._call("POST", path, raw, sent)

    def get(self, path: str, **headers: str) -> Reply:
        return self._call("GET", path, "", headers)

    def patch(self, path: str, body: Any) -> Reply:
        return self._call("PATCH", path, json.dumps(body), {"content-type": "application/json"})

    def delete(self, path: str) -> Reply:
        return self._call("DELETE", path, "", {})

    def pay(self, method: str, amount: int = 1000, **fields: Any) -> Reply:
        body = {"amount": amount, "currency": "usd", "payment_method_id": method, **fields}
        return self.post("/v1/payments", body, key=uuid.uuid4().hex)

    def customer(self) -> str:
        return str(self.post("/v1/customers", {"email": "ada@example.com"}).json["id"])

    def card(self, number: str = "4242424242424242") -> str:
        body = {
            "type": "card",
            "card": {"number": number, "exp_month": 12, "exp_year": 2034, "cvc": "123"},
        }
        reply = self.post(f"/v1/customers/{self.customer()}/payment_methods", body)
        assert reply.status == 201, reply.text
        return str(reply.json["id"])

    def bank_account(self, number: str = "000123456789") -> str:
        account = {"account_number": number, "routing_number": "110000000"}
        account |= {"country": "US", "currency": "usd"}
        if not number.isdigit():
            account = {"iban": number, "country": number[:2], "currency": "eur"}
        body = {"type": "bank_account", "bank_account": account | {"account_holder_name": "Ada"}}
        reply = self.post(f"/v1/customers/{self.customer()}/payment_methods", body)
        assert reply.status == 201, reply.text
        return str(reply.json["id"])

    def _call(self, method: str, path: str, body: str | bytes, headers: dict[str, str]) -> Reply:
        authorized = {"authorization": f"Bearer {self.merchant.api_key}", **headers}
        path, _, query = path.partition("?")
        event = {
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": path,
            "rawQueryString": query,
            "headers": {name: value for name, value in authorized.items() if value != ""},
            "requestContext": {
                "http": {
                    "method": method,
                    "path": path,
                    "protocol": "HTTP/1.1",
                    "sourceIp": "127.0.0.1",
                    "userAgent": "tests",
                },
                "requestId": uuid.uuid4().hex,
                "stage": "$default",
                "domainName": "localhost",
                "accountId": "000000000000",
                "apiId": "test",
                "routeKey": "$default",
                "time": "22/Nov/2026:00:00:00 +0000",
                "timeEpoch": 0,
            },
            "body": body if isinstance(body, str) else base64.b64encode(body).decode(),
            "isBase64Encoded": isinstance(body, bytes),
        }
        name = "merchant"
        if method == "POST" and path == "/v1/payments":
            name = "authorize"
        elif method == "POST" and path.endswith(("/capture", "/void")):
            name = "capture"
        elif method == "POST" and path.endswith("/refund"):
            name = "refund"
        answer = load_function(name).handler(event, LambdaContext())
        return Reply(answer["statusCode"], answer["body"], _headers(answer))


def load_function(name: str) -> ModuleType:
    """A function's module; every one is called `app`, so each gets a name of its own here."""
    module_name = f"function_{name}"
    if module_name not in sys.modules:
        path = _ROOT / "functions" / name / "app.py"
        spec = importlib.util.spec_from_file_location(module_name, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[module_name] = module
        with event_loop(), _files_beside(path):
            spec.loader.exec_module(module)
    return sys.modules[module_name]


@contextmanager
def _files_beside(path: Path) -> Iterator[None]:
    """A function's folder is where Lambda looks for modules first."""
    sys.path.insert(0, str(path.parent))
    try:
        yield
    finally:
        sys.path.remove(str(path.parent))


@contextmanager
def event_loop() -> Iterator[None]:
    """An event loop for this thread, as a function's process has one: Mangum asks for it.

    What pytest-asyncio had set is put back afterwards; asking for it would make one that nobody
    closes.
    """
    before = asyncio.get_event_loop_policy()._local._loop  # type: ignore[attr-defined]
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        yield
    finally:
        asyncio.set_event_loop(before)
        loop.close()


def _headers(answer: dict[str, Any]) -> dict[str, str]:
    found = {name.lower(): value for name, value in (answer.get("headers") or {}).items()}
    for name, values in (answer.get("multiValueHeaders") or {}).items():
        found[name.lower()] = ",".join(values)
    return found
