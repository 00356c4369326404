"""`paywright webhooks` against a database, named by DATABASE_URL."""

from __future__ import annotations

import getpass
import json
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from cli import webhooks
from paywright.clock import SystemClock
from paywright.ids import UuidSource, parse_typeid, typeid
from paywright.merchants.create import create_merchant
from tests.integration.cli.test_ledger_command import Command
from tests.platform import PII_KEY

CLOCK = SystemClock()
IDS = UuidSource(CLOCK)


@dataclass
class Merchant:
    """A merchant with one endpoint, and deliveries as a test wants them."""

    connection: psycopg.Connection[Any]
    id: uuid.UUID
    endpoint: uuid.UUID

    @property
    def public_id(self) -> str:
        return typeid("mer", self.id)

    @property
    def endpoint_id(self) -> str:
        return typeid("whe", self.endpoint)

    def add_endpoint(self, event_type: str) -> None:
        self.connection.execute(
            "INSERT INTO webhook_endpoints (merchant_id, id, livemode, url, event_types,"
            " secret_encrypted, api_version, created_at, updated_at)"
            " SELECT merchant_id, gen_random_uuid(), livemode, url, ARRAY[%s], secret_encrypted,"
            " api_version, created_at, updated_at FROM webhook_endpoints WHERE id = %s",
            [event_type, self.endpoint],
        )

    def event(self) -> uuid.UUID:
        event_id = IDS.new()
        self.connection.execute(
            "INSERT INTO events (merchant_id, id, livemode, type, object_id, sequence, payload,"
            " created_at, relayed_at) VALUES (%s, %s, false, 'payment.captured', %s, 1, '{}',"
            " now(), now())",
            [self.id, event_id, IDS.new()],
        )
        return event_id

    def delivery(self, status: str, *answers: int | str, ago: timedelta = timedelta(0)) -> str:
        """A delivery with attempts: what was answered to each, or why nothing was."""
        delivery_id, at = IDS.new(), CLOCK.now() - ago
        if ago:
            delivery_id = uuid.UUID(
                int=int(at.timestamp() * 1000) << 80 | IDS.new().int & 2**80 - 1
            )
        self.connection.execute(
            "INSERT INTO webhook_deliveries (merchant_id, id, livemode, event_id, endpoint_id,"
            " status, attempts, tries, last_attempt_at, last_response_code, last_error, created_at)"
            " VALUES (%s, %s, false, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                *(self.id, delivery_id, self.event(), self.endpoint, status),
                *(len(answers), len(answers), at),
                *(_code(answers[-1]), _error(answers[-1]), at),
            ],
        )
        for number, answer in enumerate(answers, 1):
            before = timedelta(milliseconds=len(answers) - number)
            self.attempt(delivery_id, number, answer, at - before)
        return typeid("whd", delivery_id)

    def attempt(self, delivery_id: uuid.UUID, number: int, answer: int | str, at: datetime) -> None:
        self.connection.execute(
            "INSERT INTO webhook_attempts (merchant_id, delivery_id, number, endpoint_id, at,"
            " status_code, error, duration_ms) VALUES (%s, %s, %s, %s, %s, %s, %s, 17)",
            [
                *(self.id, delivery_id, number, self.endpoint, at),
                *(_code(answer), _error(answer)),
            ],
        )

    def waiting(self) -> set[str]:
        rows = self.connection.execute(
            "SELECT delivery_id FROM webhook_waiting WHERE merchant_id = %s", [self.id]
        )
        return {typeid("whd", row[0]) for row in rows}


def _code(answer: int | str) -> int | None:
    return answer if isinstance(answer, int) else None


def _error(answer: int | str) -> str | None:
    return answer if isinstance(answer, str) else None


@pytest.fixture
def url(new_database_url: Callable[[], str], servers: object) -> str:
    return new_database_url()


@pytest.fixture
def command(url: str, tmp_path: Path) -> Command:
    return Command(url, tmp_path / "home")


@pytest.fixture
def new_merchant(url: str) -> Iterator[Callable[[], Merchant]]:
    with psycopg.connect(url, autocommit=True) as connection:

        def make() -> Merchant:
            made = create_merchant(
                connection,
                PII_KEY,
                name="Test",
                email=f"{uuid.uuid4().hex}@example.com",
                settlement_currency="usd",
                webhook_url="https://shop.example:8443/hooks?token=secret",
                clock=CLOCK,
                ids=IDS,
            )
            merchant_id = parse_typeid("mer", made.id)
            assert merchant_id is not None
            row = connection.execute(
                "SELECT id FROM webhook_endpoints WHERE merchant_id = %s", [merchant_id]
            ).fetchone()
            assert row is not None
            return Merchant(connection, merchant_id, row[0])

        yield make


@pytest.fixture
def merchant(new_merchant: Callable[[], Merchant]) -> Merchant:
    return new_merchant()


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


OPERATOR = ("admin", getpass.getuser())


def audited(merchant: Merchant, about: str) -> list[tuple[Any, ...]]:
    """What was done to objects of a kind, and by whom."""
    return merchant.connection.execute(
        "SELECT action, actor_type, actor_id FROM audit_log"
        " WHERE merchant_id = %s AND entity_type = %s ORDER BY id",
        [merchant.id, about],
    ).fetchall()


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


def test_one_delivery_is_sent_again(command: Command, merchant: Merchant) -> None:
    delivered, failed = merchant.delivery("delivered", 200), merchant.delivery("failed", 500)
    done = command.run("webhooks", "resend", delivered)
    assert done.stdout == f"{delivered} is sent again.\n", done.stderr
    content = command.json("webhooks", "resend", failed)
    assert (content["id"], content["status"]) == (failed, "pending")
    assert merchant.waiting() == {delivered, failed}
    assert audited(merchant, "webhook_delivery") == [("resent", *OPERATOR)] * 2


def test_all_that_failed_within_a_time_is_sent_again(
    command: Command, merchant: Merchant, new_merchant: Callable[[], Merchant]
) -> None:
    failed = {merchant.delivery("failed", 500) for _ in range(3)}
    merchant.delivery("delivered", 200)
    merchant.delivery("failed", 500, ago=timedelta(hours=3))
    new_merchant().delivery("failed", 500)
    arguments = ("webhooks", "resend", f"--endpoint={merchant.endpoint_id}", "--failed")
    done = command.run(*arguments, "--since=2h")
    assert done.stdout == "3 deliveries are sent again.\n", done.stderr
    assert merchant.waiting() == failed
    assert command.json(*arguments, "--since=2h") == {"resent": 0}
    assert audited(merchant, "webhook_endpoint") == [("resent", *OPERATOR)] * 2


def test_an_operator_needs_no_key_of_the_merchants_and_an_active_merchant(
    command: Command, merchant: Merchant
) -> None:
    failed = merchant.delivery("failed", 500)
    merchant.connection.execute("UPDATE api_keys SET revoked_at = now()")
    assert command.json("webhooks", "resend", failed)["id"] == failed
    merchant.connection.execute("UPDATE merchants SET status = 'suspended'")
    assert "is suspended" in command.refused("webhooks", "resend", failed)
    assert len(audited(merchant, "webhook_delivery")) == 1


def test_an_event_that_got_lost_is_put_on_the_bus_again(
    command: Command, merchant: Merchant
) -> None:
    event = merchant.event()
    merchant.connection.execute("UPDATE events SET relays = 5, lost = true WHERE id = %s", [event])
    given = typeid("evt", event)
    done = command.run("webhooks", "resend", given)
    assert done.stdout == f"{given} is sent to 1 endpoint that wanted it and has not got it.\n"
    merchant.add_endpoint("payment.*")
    merchant.add_endpoint("refund.*")
    assert command.json("webhooks", "resend", given) == {"event_id": given, "endpoints": 2}
    rows = merchant.connection.execute(
        "SELECT e.relays, e.lost, o.payload = e.payload::jsonb"
        "  FROM (SELECT id, payload::jsonb FROM outbox) AS o JOIN events AS e USING (id)"
        " WHERE id = %s",
        [event],
    ).fetchall()
    assert rows == [(0, None, True)]
    assert audited(merchant, "event") == [("resent", *OPERATOR)] * 2


@pytest.mark.parametrize(
    ("change", "endpoints"),
    [
        ("UPDATE webhook_deliveries SET status = 'delivered'", 0),
        ("UPDATE webhook_deliveries SET status = 'pending'", 0),
        ("UPDATE webhook_deliveries SET status = 'failed'", 1),
        ("UPDATE webhook_endpoints SET enabled = false", 0),
        ("UPDATE webhook_endpoints SET event_types = '{refund.*}'", 0),
        ("UPDATE webhook_endpoints SET created_at = created_at + interval '1 hour'", 0),
        ("UPDATE events SET type = 'merchant.api_key_created'", 0),
        ("UPDATE events SET type = 'webhook_endpoint.test'", 0),
    ],
)
def test_an_event_that_nobody_lacks_is_not_put_on_the_bus(
    command: Command, merchant: Merchant, change: str, endpoints: int
) -> None:
    merchant.delivery("failed", 500)
    given = command.json("webhooks", "list")[0]["event_id"]
    merchant.connection.execute(change.encode())
    if change.startswith(("UPDATE webhook_endpoints", "UPDATE events")):
        merchant.connection.execute("DELETE FROM webhook_deliveries")
    if not endpoints:
        done = command.run("webhooks", "resend", given)
        said = f"No endpoint is left that wanted {given} and has not got it: nothing is sent.\n"
        assert (done.returncode, done.stdout) == (0, said)
    assert command.json("webhooks", "resend", given) == {"event_id": given, "endpoints": endpoints}
    row = merchant.connection.execute("SELECT count(*) FROM outbox WHERE type LIKE 'payment.%'")
    assert row.fetchone() == (endpoints,)
    assert len(audited(merchant, "event")) == endpoints


def test_a_test_event_is_put_on_the_bus_for_its_endpoint_alone(
    command: Command, merchant: Merchant
) -> None:
    merchant.add_endpoint("*")
    event = merchant.event()
    merchant.connection.execute(
        "UPDATE events SET type = 'webhook_endpoint.test', payload = %s WHERE id = %s",
        [json.dumps({"data": {"object": {"id": merchant.endpoint_id}}}), event],
    )
    given = typeid("evt", event)
    assert command.json("webhooks", "resend", given) == {"event_id": given, "endpoints": 1}


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


def test_an_event_is_found_among_those_of_its_merchant(
    command: Command, merchant: Merchant, new_merchant: Callable[[], Merchant]
) -> None:
    event, other = merchant.event(), new_merchant()
    arguments = ("webhooks", "resend", typeid("evt", event), "--merchant")
    assert "There is no event" in command.refused(*arguments, other.public_id)
    assert audited(merchant, "event") == []
    done = command.json(*arguments, merchant.public_id)
    assert done == {"event_id": typeid("evt", event), "endpoints": 1}
    assert audited(merchant, "event") == [("resent", *OPERATOR)]


@pytest.mark.parametrize("name", ["merchant_of_event", "relay_again"])
def test_an_event_is_found_by_an_index_however_many_there_are(
    name: str, merchant: Merchant
) -> None:
    merchant.connection.execute(
        "INSERT INTO events (merchant_id, id, livemode, type, object_id, sequence, payload,"
        " created_at, relayed_at) SELECT %s, gen_random_uuid(), false, 'payment.captured',"
        " gen_random_uuid(), 1, '{}', now(), now() FROM generate_series(1, 5000)",
        [merchant.id],
    )
    merchant.connection.execute("ANALYZE events, merchants")
    parameters = {
        "id": merchant.event(),
        "merchant_id": merchant.id,
        "audit_id": IDS.new(),
        "operator": "tests",
        "now": CLOCK.now(),
    }
    explain = b"EXPLAIN (ANALYZE, FORMAT JSON) " + webhooks._QUERIES[name]
    row = merchant.connection.execute(explain, parameters).fetchone()
    assert row is not None
    scans = [each for each in _nodes(row[0][0]["Plan"]) if each.get("Relation Name") == "events"]
    of_keys = [each for each in scans if each["Node Type"] != "ModifyTable"]
    assert [each["Index Name"] for each in of_keys] == ["events_pkey"]
    assert of_keys[0]["Actual Rows"] == 1


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", []):
        yield from _nodes(part)


NOWHERE = "01k8nkrkaye008000000000003"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["list", "--endpoint=whd_1"], "is no webhook endpoint's id"),
        (["list", "--since=soon"], "is no length of time"),
        (["list", "--merchant=mer_x"], "is no merchant's id: that is mer_ and 26 letters"),
        (["resend"], "`paywright webhooks resend evt_…`"),
        (["resend", "--endpoint=whe_1"], "Give a delivery, an event, or --endpoint with --failed"),
        (["resend", "whd_1", "--failed"], "Give a delivery, an event, or --endpoint with --fail"),
        (["resend", "whd_1"], "is no delivery's id"),
        (["resend", f"whd_{NOWHERE}"], "There is no delivery"),
        (["resend", "evt_1"], "is no event's id: that is evt_ and 26 letters"),
        (["resend", f"evt_{NOWHERE}"], "There is no event"),
        (["resend", f"evt_{NOWHERE}", "--merchant=mer_1"], "is no merchant's id"),
        (["resend", f"whd_{NOWHERE}", f"--merchant=mer_{NOWHERE}"], "goes with an event"),
        (["resend", f"--endpoint=whe_{NOWHERE}", "--failed"], "There is no webhook endpoint"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(
    command: Command, arguments: list[str], said: str
) -> None:
    assert said in command.refused("webhooks", *arguments)


def test_what_the_service_refuses_is_said(command: Command, merchant: Merchant) -> None:
    failed = merchant.delivery("failed", 500)
    merchant.connection.execute("UPDATE webhook_endpoints SET enabled = false")
    assert "disabled" in command.refused("webhooks", "resend", failed)
    since = "--since=40d"
    arguments = ("resend", f"--endpoint={merchant.endpoint_id}", "--failed", since)
    assert "30 days" in command.refused("webhooks", *arguments)
