"""`paywright webhooks list` and `tail`: what became of deliveries, and what becomes of them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import psycopg

from paywright.ids import parse_typeid
from tests.integration.cli.test_ledger_command import Command
from tests.integration.cli.webhooks.conftest import CLOCK, Merchant


def test_deliveries_are_listed_and_narrowed(
    command: Command, merchant: Merchant, new_merchant: Callable[[], Merchant]
) -> None:
    assert command.run("webhooks", "list").stdout == "There are no such deliveries.\n"
    delivered = merchant.delivery("delivered", 500, 200)
    failed = merchant.delivery("failed", "no answer within 10 s")
    old = merchant.delivery("failed", 410, ago=timedelta(hours=30))
    other = new_merchant()
    others = other.delivery("delivered", 204)

    def ids(*arguments: str) -> list[str]:
        return [line["delivery_id"] for line in command.json("webhooks", "list", *arguments)]

    assert ids() == [others, failed, delivered]
    assert ids("--since=2d") == [others, failed, delivered, old]
    assert ids(f"--merchant={merchant.public_id}") == [failed, delivered]
    assert ids(f"--endpoint={other.endpoint_id}") == [others]
    assert ids("--failed", "--since=2d", "--limit=1") == [failed]
    line = command.json("webhooks", "list", f"--merchant={merchant.public_id}")[1]
    assert line["host"] == "shop.example:8443"
    assert (line["status"], line["attempt"], line["status_code"]) == ("delivered", 2, 200)
    assert (line["event_type"], line["duration_ms"]) == ("payment.captured", 17)
    shown = command.run("webhooks", "list").stdout
    assert "no answer within 10 s" in shown
    assert "token=secret" not in shown


def test_endpoints_at_one_host_are_told_apart(command: Command, merchant: Merchant) -> None:
    long = f"https://shop.example/{'a' * 30}/{'b' * 30}/last/"
    for url in ("https://shop.example/one", "https://shop.example/two?token=secret", long):
        merchant.connection.execute("UPDATE webhook_endpoints SET url = %s", [url])
        merchant.delivery("failed", 500)
        (line,) = command.json("webhooks", "list", "--limit=1")
        shown = command.run("webhooks", "list", "--limit=1").stdout.split()
        assert line["host"] == "shop.example"
        assert "secret" not in json.dumps([line, shown])
        assert {
            "https://shop.example/one": "shop.example/one",
            "https://shop.example/two?token=secret": "shop.example/two?…",
            long: "shop.example/aaaaaaaaaaa…bbbbbbbbbbbbbbbbbb/last",
        }[url] in shown


@contextmanager
def tailing(command: Command, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "cli.main", "webhooks", "tail", *arguments],
        env=command.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        assert process.stderr.readline() == "Ready.\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def read(process: subprocess.Popen[str], count: int) -> list[str]:
    """That many lines; a command that says less fails the test and not its run."""
    assert process.stdout is not None
    stuck = threading.Timer(30, process.kill)
    stuck.start()
    lines = [process.stdout.readline() for _ in range(count)]
    stuck.cancel()
    return lines


def test_attempts_are_followed_as_they_come(command: Command, merchant: Merchant, url: str) -> None:
    merchant.delivery("delivered", 200)  # from before
    with tailing(command, "--json") as process:
        first = merchant.delivery("pending", 500)
        found = [json.loads(line) for line in read(process, 1)]
        delivery_id = parse_typeid("whd", first)
        assert delivery_id is not None
        with psycopg.connect(url) as slow:  # a time of before what is committed before it
            late = Merchant(slow, merchant.id, merchant.endpoint)
            late.attempt(delivery_id, 2, 200, CLOCK.now() - timedelta(seconds=5))
            second = merchant.delivery("failed", "the host cannot be resolved")
            found += [json.loads(line) for line in read(process, 1)]
            slow.commit()
        found += [json.loads(line) for line in read(process, 1)]
        process.send_signal(signal.SIGTERM)
        rest, _ = process.communicate(timeout=30)
    assert (rest, process.returncode) == ("", 0)
    assert [(line["delivery_id"], line["attempt"], line["status"]) for line in found] == [
        (first, 1, "failed"),
        (second, 1, "failed"),
        (first, 2, "delivered"),
    ]
    assert found[1]["error"] == "the host cannot be resolved"


def test_people_see_a_line_for_each(
    command: Command, merchant: Merchant, new_merchant: Callable[[], Merchant]
) -> None:
    with tailing(command, f"--endpoint={merchant.endpoint_id}", "--failed") as process:
        new_merchant().delivery("failed", 500)
        merchant.delivery("delivered", 200)
        merchant.delivery("failed", 503)
        (line,) = read(process, 1)
    words = line.split()
    assert words[1:] == [
        *(merchant.public_id, "payment.captured", "shop.example:8443/hooks?…"),
        *("#1", "503", "17", "ms"),
    ]
    assert "\x1b" not in line
