"""`paywright listen` in a process of its own, in front of a real receiver."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from standardwebhooks import Webhook

from paywright.clock import SystemClock
from paywright.ids import UuidSource, parse_typeid, typeid
from paywright.merchants.create import create_merchant
from tests.integration.cli.test_ledger_command import Command
from tests.platform import PII_KEY
from tests.receivers import Receiver, status
from tests.waiting import until

CLOCK = SystemClock()
IDS = UuidSource(CLOCK)


@pytest.fixture
def url(new_database_url: Callable[[], str], servers: object) -> str:
    return new_database_url()


@pytest.fixture
def connection(url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def merchant(connection: psycopg.Connection[Any]) -> str:
    return create_merchant(
        connection,
        PII_KEY,
        name="Test",
        email=f"{uuid.uuid4().hex}@example.com",
        settlement_currency="usd",
        clock=CLOCK,
        ids=IDS,
    ).id


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@dataclass
class Listening:
    """The command while it runs."""

    process: subprocess.Popen[str]
    secret: str

    def stop(self, signum: int = signal.SIGINT) -> tuple[str, str]:
        self.process.send_signal(signum)
        return self.process.communicate(timeout=30)


def add_event(
    connection: psycopg.Connection[Any],
    merchant: str,
    event_type: str = "payment.captured",
    *,
    relayed: bool = False,
    event_id: uuid.UUID | None = None,
) -> str:
    """An event, still in the outbox or on the bus already; its public id."""
    event_id = event_id or IDS.new()
    public_id = typeid("evt", event_id)
    payload = f'{{"id":"{public_id}",  "type":"{event_type}", "name":"Zoë ☕"}}'
    row = [parse_typeid("mer", merchant), event_id, event_type, IDS.new(), payload]
    if relayed:
        connection.execute(
            "INSERT INTO events (merchant_id, id, livemode, type, object_id, sequence, payload,"
            " created_at, relayed_at) VALUES (%s, %s, false, %s, %s, 1, %s, now(), now())",
            row,
        )
    else:
        connection.execute(
            "INSERT INTO outbox (merchant_id, id, livemode, type, object_id, sequence, payload,"
            " created_at) VALUES (%s, %s, false, %s, %s, 1, %s, now())",
            row,
        )
    return public_id


def relay(connection: psycopg.Connection[Any]) -> None:
    connection.execute(
        "WITH gone AS (DELETE FROM outbox RETURNING *) INSERT INTO events (merchant_id, id,"
        " livemode, type, object_id, sequence, payload, created_at, relayed_at)"
        " SELECT merchant_id, id, livemode, type, object_id, sequence, payload, created_at, now()"
        " FROM gone"
    )


@contextmanager
def listening(command: Command, *arguments: str) -> Iterator[Listening]:
    process = subprocess.Popen(
        [sys.executable, "-m", "cli.main", "listen", *arguments],
        env=command.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    said = process.stderr if "--print-json" in arguments else process.stdout
    assert said is not None
    secret = ""
    try:
        for line in said:
            if line.startswith("Signing secret: "):
                secret = line.split()[-1]
            if line.startswith("Ready."):
                break
        assert secret, process.stderr.read() if process.stderr else ""
        yield Listening(process, secret)
    finally:
        process.kill()
        process.communicate()


def ids(receiver: Receiver) -> list[str]:
    return [request.headers["webhook-id"] for request in receiver.received]


@pytest.fixture
def command(url: str, tmp_path: Path) -> Command:
    return Command(url, tmp_path / "home")


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_what_happens_is_forwarded_once_and_signed(
    command: Command,
    connection: psycopg.Connection[Any],
    merchant: str,
    receiver: Receiver,
    signum: int,
) -> None:
    before = [add_event(connection, merchant), add_event(connection, merchant, relayed=True)]
    given = receiver.url.removeprefix("http://")
    with listening(command, f"--forward-to={given}", f"--merchant={merchant}") as running:
        first = add_event(connection, merchant)
        second = add_event(connection, merchant, "refund.created", relayed=True)
        until(lambda: len(receiver.received) == 2)
        relay(connection)  # what was in the outbox is the same event among those of the bus
        third = add_event(connection, merchant)
        until(lambda: len(receiver.received) == 3)
        out, err = running.stop(signum)
        assert running.process.returncode == 0, err
    assert sorted(ids(receiver)) == sorted([first, second, third])
    assert not set(before) & set(ids(receiver))
    for request in receiver.received:
        assert Webhook(running.secret).verify(request.body, request.headers)
        assert request.body.decode().endswith('"name":"Zoë ☕"}')
    assert "3 forwarded, 0 not taken." in out
    (line,) = [line for line in out.splitlines() if second in line]
    assert "refund.created" in line
    assert " 200 " in line
    tables = "SELECT count(*) FROM webhook_endpoints"
    assert connection.execute(tables).fetchone() == (0,)  # it makes nothing


def test_nothing_is_lost_while_events_come_fast_and_late(
    command: Command,
    connection: psycopg.Connection[Any],
    merchant: str,
    receiver: Receiver,
    url: str,
) -> None:
    wanted = []
    with listening(command, f"--forward-to={receiver.url}", f"--merchant={merchant}") as running:
        with psycopg.connect(url) as slow:  # its id is older than what is committed before it
            late = add_event(slow, merchant)
            for number in range(200):
                wanted.append(add_event(connection, merchant, relayed=number % 2 == 0))
            until(lambda: len(receiver.received) >= 100)
            slow.commit()
        wanted.append(late)
        until(lambda: len(receiver.received) >= len(wanted))
        out, _ = running.stop()
    assert sorted(ids(receiver)) == sorted(wanted)
    assert f"{len(wanted)} forwarded" in out


def test_only_what_is_wanted_of_one_merchant_comes(
    command: Command, connection: psycopg.Connection[Any], merchant: str, receiver: Receiver
) -> None:
    other = create_merchant(
        connection,
        PII_KEY,
        name="Other",
        email="other@example.com",
        settlement_currency="usd",
        clock=CLOCK,
        ids=IDS,
    ).id
    arguments = ["--events=refund.*,payment.voided", "--events=payment.failed"]
    with listening(
        command, f"--forward-to={receiver.url}", f"--merchant={merchant}", *arguments
    ) as running:
        add_event(connection, merchant, "payment.captured")
        add_event(connection, other, "refund.created")
        wanted = [
            add_event(connection, merchant, kind)
            for kind in ("refund.created", "payment.voided", "payment.failed")
        ]
        until(lambda: len(receiver.received) >= 3)
        running.stop()
    assert sorted(ids(receiver)) == sorted(wanted)


def test_what_no_webhook_carries_is_not_forwarded(
    command: Command, connection: psycopg.Connection[Any], merchant: str, receiver: Receiver
) -> None:
    with listening(
        command, f"--forward-to={receiver.url}", f"--merchant={merchant}", "--events=*"
    ) as running:
        add_event(connection, merchant, "merchant.api_key_created")
        sent = add_event(connection, merchant, "payment.captured")
        until(lambda: bool(receiver.received))
        running.stop()
    assert ids(receiver) == [sent]


def test_a_server_that_refuses_or_is_not_there_is_told_and_it_goes_on(
    command: Command, connection: psycopg.Connection[Any], merchant: str, receiver: Receiver
) -> None:
    receiver.replies.append(status(500))
    arguments = [f"--forward-to={receiver.url}", f"--merchant={merchant}", "--print-json"]
    with listening(command, *arguments) as running:
        refused = add_event(connection, merchant)
        until(lambda: len(receiver.received) == 1)
        receiver.close()
        unreached = add_event(connection, merchant)
        out = running.process.stdout
        assert out is not None
        lines = [json.loads(out.readline()) for _ in range(2)]
        running.stop()
    assert [line["event"]["id"] for line in lines] == [refused, unreached]
    assert (lines[0]["status"], lines[0]["error"]) == (500, None)
    assert lines[1]["status"] is None
    assert "Connection refused" in lines[1]["error"]
    assert len(receiver.received) == 1, "nothing is tried again"


def test_after_a_kill_the_next_one_goes_on_as_if_nothing_had_been(
    command: Command, connection: psycopg.Connection[Any], merchant: str, receiver: Receiver
) -> None:
    arguments = [f"--forward-to={receiver.url}", f"--merchant={merchant}"]
    with listening(command, *arguments) as first:
        first.process.kill()
        first.process.wait()
    with listening(command, *arguments) as second:
        event = add_event(connection, merchant)
        until(lambda: bool(receiver.received))
        second.stop()
    assert ids(receiver) == [event]
    assert first.secret == second.secret  # a developer's server need not be told another


def test_a_slow_server_delays_neither_the_others_nor_the_end_for_long(
    command: Command, connection: psycopg.Connection[Any], merchant: str, receiver: Receiver
) -> None:
    released = threading.Event()

    def hang(handler: Any) -> None:
        released.wait(30)
        status(200)(handler)

    receiver.replies.append(hang)
    with listening(command, f"--forward-to={receiver.url}", f"--merchant={merchant}") as running:
        for _ in range(3):
            add_event(connection, merchant)
        until(lambda: len(receiver.received) == 3)
        running.process.send_signal(signal.SIGINT)
        released.set()
        out, _ = running.process.communicate(timeout=30)
    assert "3 forwarded" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--forward-to=ftp://x", "--merchant=M"], "starts with https:// or http://"),
        (["--forward-to=http://a b", "--merchant=M"], "printable ASCII"),
        (["--forward-to=http://localhost:99999", "--merchant=M"], "malformed"),
        (["--forward-to=localhost:8000", "--merchant=mer_x"], "is no merchant's id"),
        (["--forward-to=localhost:8000"], "Say which merchant"),
        (["--forward-to=localhost:8000", "--merchant=M", "--events=pay ment"], "--events pay ment"),
        (
            ["--forward-to=localhost:8000", "--merchant=M", "--events=foo.*"],
            "there are *, payment.*",
        ),
        (
            ["--forward-to=localhost:8000", "--merchant=mer_01k8nkrkaye008000000000002"],
            "There is no merchant mer_01k8nkrkaye008000000000002",
        ),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(
    command: Command, merchant: str, arguments: list[str], said: str
) -> None:
    given = [text.replace("--merchant=M", f"--merchant={merchant}") for text in arguments]
    done = command.run("listen", *given)
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
