"""Webhook endpoints on the running system: from docs/webhooks.md's command to a test event."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook

from tests.receivers import Receiver
from tests.waiting import until

pytestmark = pytest.mark.xdist_group("e2e")

_ROOT = Path(__file__).parents[3]


def _documented_command() -> str:
    (block,) = re.findall(
        r"^```sh\n(.*?)^```", (_ROOT / "docs/webhooks.md").read_text(), re.M | re.S
    )
    return str(block)


@pytest.fixture
def receiver():
    made = Receiver(keeps_alive=True)
    yield made
    made.close()


def _received(receiver: Receiver, count: int) -> None:
    until(lambda: len(receiver.received) >= count, f"the arrival of {count} webhooks")


def test_the_documented_command_makes_an_endpoint_that_gets_test_events(
    paywright, receiver: Receiver
) -> None:
    key = paywright.json(
        "merchant",
        "create",
        "--name=Hooks",
        "--email=hooks@example.com",
        "--settlement-currency=usd",
    )["api_key"]
    api = httpx.Client(
        base_url=paywright.urls.gateway_url, headers={"Authorization": f"Bearer {key}"}, timeout=30
    )
    command = _documented_command().replace("http://127.0.0.1:3000", paywright.urls.gateway_url)
    assert "https://shop.example.com/webhooks" in command
    done = subprocess.run(
        ["bash", "-c", command.replace("https://shop.example.com/webhooks", receiver.url)],
        env={**paywright.env, "KEY": key},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    profile: dict[str, Any] = json.loads(done.stdout)
    assert profile["webhook_url"] == receiver.url
    (endpoint,) = api.get("/v1/webhook_endpoints").json()["data"]
    path = f"/v1/webhook_endpoints/{endpoint['id']}"

    sent = api.post(f"{path}/test").json()
    _received(receiver, 1)
    new = api.post(f"{path}/rotate_secret").json()
    api.post(f"{path}/test")
    _received(receiver, 2)
    first, second = receiver.received
    assert Webhook(profile["webhook_secret"]).verify(first.body, first.headers)["id"] == sent["id"]
    for secret in (profile["webhook_secret"], new["secret"]):
        event = Webhook(secret).verify(second.body, second.headers)
        assert event["type"] == "webhook_endpoint.test"
        assert event["data"]["object"]["id"] == endpoint["id"]

    changed = api.patch(path, json={"event_types": ["refund.*"]}).json()
    assert changed["event_types"] == ["refund.*"]

    def both_counted() -> Any:
        day = api.get(f"{path}/stats").json()["last_24_hours"]
        return day if day["succeeded"] >= 2 else None

    assert until(both_counted, "the counting of both")["success_rate"] == 1
    assert api.delete(path).json()["deleted"] is True
    assert api.get("/v1/merchants/me").json()["webhook_url"] is None
    api.close()
