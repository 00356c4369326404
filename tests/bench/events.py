"""Events on their way out: how long one takes from commit to queue, how fast a backlog drains.

The relay's own code on servers of its own: PostgreSQL, Valkey, and the endpoint with one bus, a
rule and a queue. `make bench BENCH=payments` has the relay beside everything else.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import psycopg

from cli import database as setup
from cli.paths import MIGRATIONS
from emulator.services import MiniStack, Postgres, Valkey
from emulator.services.server import Server
from paywright import background
from paywright.cache import Cache
from paywright.clock import SystemClock
from paywright.db import Database
from paywright.event import EventType, event_text
from paywright.events.bus import Bus
from paywright.events.relay import BATCH, Relay
from paywright.events.wake import BREATH_S, PATIENCE_MS, WakeUps, wake_commands
from paywright.ids import UuidSource, typeid
from paywright.payments.models import to_json
from tests.bench import systems
from tests.bench.figures import percentile
from tests.bench.processes import cpu_s, descendants, free_port
from tests.bench.runs import Run
from tools.reference.examples import PAYMENT

BENCH = "events"
_BACKLOG, _STEADY = 10_000, 3_000
_STEADY_PER_S = 300
_LONE, _PAUSE_S = 40, 0.25
_NAME = "bench-events"
_INSERT = (
    "INSERT INTO outbox (id, merchant_id, livemode, type, object_id, sequence, payload, trace_id,"
    " created_at) VALUES (%s, %s, false, 'payment.captured', %s, 1, %s, %s, now())"
)
_IDS = UuidSource(SystemClock())


@dataclass(frozen=True)
class _System:
    """Servers, and what the relay takes."""

    postgres: Postgres
    ministack: MiniStack
    database_url: str
    valkey_url: str
    queue_url: str
    sqs: Any

    def bus(self) -> Bus:
        """The relay's way to the bus."""
        session = boto3.session.Session("test", "test", region_name="us-east-1")
        return Bus(_NAME, session=session, endpoint_url=self.ministack.url)

    def cpu(self) -> dict[str, float]:
        """Processor time so far, by part; the relay runs in this process."""
        servers = {"PostgreSQL": self.postgres, "AWS endpoint": self.ministack}
        used = {name: sum(map(cpu_s, descendants(_pid(each)))) for name, each in servers.items()}
        return {"relay": time.process_time(), **used}


def measure(run: Run) -> None:
    """Drain a backlog, then wait for events that come one at a time."""
    for number in range(1, run.rounds + 1):
        run.say(f"events: round {number} of {run.rounds}")
        with _system(run.folder / str(number)) as system:
            _drain(run, system, _BACKLOG, BATCH)
            _drain(run, system, _STEADY, round(_STEADY_PER_S * BREATH_S))
            _alone(run, system)
    figures = run.figures
    rate = figures.median(BENCH, "drained", f"{BATCH} at a time")
    figures.expect("events: drained a second 2,000", rate, "/s", at_least=2_000)
    delay = figures.median(BENCH, "committed to queue, p50", "idle")
    figures.expect("events: committed to queue p50 at most 60 ms", delay, "ms", at_most=60)


def _drain(run: Run, system: _System, backlog: int, batch: int) -> None:
    """Put that many events in the outbox, then relay them; `batch` as of a steady load or more."""
    with psycopg.connect(system.database_url) as connection:
        connection.cursor().executemany(_INSERT, [_row() for _ in range(backlog)])
    relay = Relay(Database(system.database_url), system.bus(), SystemClock(), batch=batch)
    before, start = system.cpu(), time.perf_counter()
    while relay.run_once():
        pass
    took_s = time.perf_counter() - start
    label = f"{batch} at a time"
    run.figures.add(BENCH, "drained", "/s", label, backlog / took_s)
    for part, used in system.cpu().items():
        cost_ms = (used - before[part]) * 1000 / backlog
        run.figures.add(BENCH, f"processor time of one event, {part}", "ms", label, cost_ms)
    came = len(list(_received(system)))
    assert came == backlog, f"{came} of {backlog} events came"


def _alone(run: Run, system: _System) -> None:
    """From commit to the time that the queue gives the message, one event at a time."""
    wake_ups = WakeUps(Cache(system.valkey_url, timeout_ms=PATIENCE_MS))
    relay = Relay(Database(system.database_url), system.bus(), SystemClock())
    writer = Cache(system.valkey_url)
    seconds = _LONE * _PAUSE_S + 1
    loop = threading.Thread(
        target=background.run, args=(relay.run_once, wake_ups.wait), kwargs={"seconds": seconds}
    )
    loop.start()
    committed_ms: dict[str, float] = {}
    with psycopg.connect(system.database_url, autocommit=True) as connection:
        for _ in range(_LONE):
            time.sleep(_PAUSE_S)
            row = _row()
            connection.execute(_INSERT, row)
            committed_ms[typeid("evt", row[0])] = time.time() * 1000
            writer.send(*wake_commands(writer))
    loop.join()
    delays = [sent_ms - committed_ms[event_id] for event_id, sent_ms in _received(system)]
    assert len(delays) == _LONE, f"{len(delays)} of {_LONE} events came"
    for percent in (50, 99):
        quantity = f"committed to queue, p{percent}"
        run.figures.add(BENCH, quantity, "ms", "idle", percentile(delays, percent))


def _received(system: _System) -> Iterator[tuple[str, float]]:
    """Each message in the queue: the event's id and when it was sent; they are gone then."""
    url, sqs = system.queue_url, system.sqs
    while True:
        answer = sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["SentTimestamp"]
        )
        messages = answer.get("Messages", [])
        if not messages:
            return
        for message in messages:
            detail = json.loads(message["Body"])["detail"]
            yield detail["event_id"], float(message["Attributes"]["SentTimestamp"])
        handles = [
            {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]}
            for number, message in enumerate(messages)
        ]
        sqs.delete_message_batch(QueueUrl=url, Entries=handles)


def _row() -> tuple[Any, ...]:
    event_id, payment_id = _IDS.new(), _IDS.new()
    payload = event_text(
        event_id,
        EventType.PAYMENT_CAPTURED,
        created_at=SystemClock().now(),
        livemode=False,
        sequence=1,
        about=to_json({**PAYMENT, "id": typeid("txn", payment_id)}),
    )
    return event_id, _IDS.new(), payment_id, payload, secrets.token_hex(16)


def _pid(server: Server) -> int:
    assert server.child is not None
    return server.child.identity.pid


@contextmanager
def _system(folder: Path) -> Iterator[_System]:
    password = secrets.token_hex(16)
    postgres = Postgres(
        data_dir=folder / "postgres", log=folder / "pg.log", password=password, preferred_port=0
    )
    valkey = Valkey(
        data_dir=folder / "valkey",
        log=folder / "valkey.log",
        password=password,
        preferred_port=free_port(),
    )
    ministack = MiniStack(
        data_dir=folder / "aws", log=folder / "aws.log", preferred_port=free_port()
    )
    folder.mkdir()
    with ExitStack() as stack:
        for server in (postgres, valkey, ministack):
            server.start()
            stack.callback(server.stop)
        for server in (postgres, valkey, ministack):
            server.wait_ready()
        url = postgres.database_url("bench")
        setup.migrate(url, MIGRATIONS)
        sqs, events = (systems.client(name, ministack.url) for name in ("sqs", "events"))
        stack.callback(sqs.close)
        queue_url = _routed(sqs, events)
        events.close()
        yield _System(postgres, ministack, url, valkey.url, queue_url, sqs)


def _routed(sqs: Any, events: Any) -> str:
    """A bus whose events come to a queue, and the queue's URL."""
    url = str(sqs.create_queue(QueueName=_NAME)["QueueUrl"])
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    events.create_event_bus(Name=_NAME)
    pattern = json.dumps({"source": ["paywright"], "detail-type": [{"prefix": "payment."}]})
    events.put_rule(Name=_NAME, EventBusName=_NAME, EventPattern=pattern)
    target = {"Id": "queue", "Arn": arn["QueueArn"]}
    events.put_targets(Rule=_NAME, EventBusName=_NAME, Targets=[target])
    return url
