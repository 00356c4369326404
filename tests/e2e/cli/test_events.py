"""Events of the running system: read over the API, measured, and as their page shows."""

from __future__ import annotations

import json
import re
import subprocess
import urllib.request
from typing import Any

import pytest

from tests.conformance.events.contract import ROOT, check
from tests.e2e.conftest import Paywright
from tests.waiting import until

pytestmark = pytest.mark.xdist_group("e2e")

_COMMAND = re.compile(r"^```sh\n(curl .*?)\n```", re.MULTILINE | re.DOTALL)


def test_every_event_of_the_running_system_is_as_its_schema_says(paywright: Paywright) -> None:
    done = paywright.run("demo")
    assert done.returncode == 0, done.stderr
    seen: list[Any] = []
    cursor: str | None = ""
    while cursor is not None:
        after = f"&starting_after={cursor}" if cursor else ""
        page = _get(paywright, f"/v1/events?limit=100{after}")
        seen += page["data"]
        cursor = page["next_cursor"]
    assert {"payment.captured", "payment.authorized", "payment.failed"} <= {
        event["type"] for event in seen
    }
    for event in seen:
        check(json.dumps(event))


def test_what_the_receiver_got_is_what_the_api_shows(paywright: Paywright) -> None:
    demo = paywright.demo
    payment = paywright.api.post(
        "/v1/payments",
        {"amount": 777, "currency": "usd", "payment_method_id": demo.payment_method_id},
    ).body
    (event,) = _get(paywright, f"/v1/events?object_id={payment['id']}")["data"]

    def received() -> list[Any]:
        found = json.loads(_read(f"{paywright.urls.receiver_url}/received"))
        return [each["payload"] for each in found if each["verified"]]

    until(lambda: event in received())
    assert _get(paywright, f"/v1/events/{event['id']}") == event


def test_the_backlog_shows_in_the_metrics(paywright: Paywright) -> None:
    def shown() -> str:
        return _read(f"{paywright.urls.lambda_url}/metrics")

    until(lambda: 'paywright_outbox_events{service="relay"} 0' in shown())
    assert 'paywright_outbox_age_seconds{service="relay"} 0' in shown()


def test_the_command_of_the_page_runs(paywright: Paywright) -> None:
    (command,) = _COMMAND.findall((ROOT / "docs/events.md").read_text())
    real = command.replace("http://127.0.0.1:3000", paywright.urls.gateway_url)
    environment = {**paywright.env, "KEY": paywright.demo.api_key}
    done = subprocess.run(
        ["bash", "-c", real],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert json.loads(done.stdout)["object"] == "list"


def _get(paywright: Paywright, path: str) -> Any:
    answer = paywright.api.get(path)
    assert answer.status == 200, answer.body
    return answer.body


def _read(url: str) -> str:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return str(answer.read().decode())
