"""A database with an outbox of its own, a bus, and a queue that gets all that is on it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import boto3
import psycopg
import pytest

from paywright.clock import SystemClock
from paywright.db import Database
from paywright.ids import UuidSource, typeid
from tests.services import Servers

IDS = UuidSource(SystemClock())


@dataclass
class Outbox:
    """The owner's view of the outbox."""

    connection: psycopg.Connection[Any]

    def add(
        self,
        event_type: str = "payment.captured",
        *,
        padding: int = 0,
        object_id: UUID | None = None,
        sequence: int = 1,
    ) -> str:
        """Insert an event and return its payload."""
        event_id, merchant_id, object_id = IDS.new(), IDS.new(), object_id or IDS.new()
        # Spaces and escapes that another JSON writer would not choose.
        payload = (
            f'{{ "id":"{typeid("evt", event_id)}",  "type":"{event_type}", "livemode":false,'
            f' "object":"{object_id}", "sequence":{sequence},'
            f' "name":"Zoë ☕ \\u0041", "padding":"{"x" * padding}"}}'
        )
        self.connection.execute(
            "INSERT INTO outbox (id, merchant_id, livemode, type, object_id, sequence, payload,"
            " trace_id, created_at) VALUES (%s, %s, false, %s, %s, %s, %s, 'trace-1', now())",
            [event_id, merchant_id, event_type, object_id, sequence, payload],
        )
        return payload

    def waiting(self) -> int:
        return self._count("outbox")

    def relayed(self) -> int:
        return self._count("events")

    def _count(self, table: str) -> int:
        row = self.connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
        assert row is not None
        return int(row[0])


@dataclass
class Queue:
    """What came through the bus."""

    client: Any
    url: str

    def receive(self, at_least: int) -> list[dict[str, Any]]:
        """The envelopes of that many messages, or all that come within two seconds."""
        found: list[dict[str, Any]] = []
        while len(found) < at_least:
            answer = self.client.receive_message(
                QueueUrl=self.url, MaxNumberOfMessages=10, WaitTimeSeconds=2
            )
            if not answer.get("Messages"):
                break
            for message in answer["Messages"]:
                found.append(json.loads(message["Body"]))
                self.client.delete_message(
                    QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"]
                )
        return found


def routed(sqs: Any, events: Any, bus_name: str) -> str:
    """A queue that gets all that is put on a bus: its URL."""
    url = str(sqs.create_queue(QueueName=bus_name)["QueueUrl"])
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    events.put_rule(
        Name=bus_name, EventBusName=bus_name, EventPattern=json.dumps({"source": ["paywright"]})
    )
    events.put_targets(
        Rule=bus_name, EventBusName=bus_name, Targets=[{"Id": "queue", "Arn": arn["QueueArn"]}]
    )
    return url


@pytest.fixture(scope="session")
def own_database_url(servers: Servers) -> str:
    """A database of these tests alone: a relay takes whatever is in an outbox."""
    return servers.create_database(f"outbox_{uuid.uuid4().hex[:12]}")


@pytest.fixture
def outbox(own_database_url: str) -> Iterator[Outbox]:
    with psycopg.connect(own_database_url, autocommit=True) as connection:
        connection.execute("TRUNCATE outbox, events")
        yield Outbox(connection)


@pytest.fixture
def relay_database(servers: Servers, own_database_url: str) -> Iterator[Database]:
    database = Database(servers.app_url(own_database_url))
    yield database
    database.close()


@pytest.fixture
def bus_name(aws_endpoint_url: str) -> Iterator[str]:
    name = f"bus-{uuid.uuid4().hex[:12]}"
    client = boto3.client("events", endpoint_url=aws_endpoint_url)
    client.create_event_bus(Name=name)
    yield name
    client.delete_event_bus(Name=name)
    client.close()


@pytest.fixture
def queue(aws_endpoint_url: str, bus_name: str) -> Iterator[Queue]:
    sqs = boto3.client("sqs", endpoint_url=aws_endpoint_url)
    events = boto3.client("events", endpoint_url=aws_endpoint_url)
    url = routed(sqs, events, bus_name)
    yield Queue(sqs, url)
    events.remove_targets(Rule=bus_name, EventBusName=bus_name, Ids=["queue"])
    events.delete_rule(Name=bus_name, EventBusName=bus_name)
    sqs.delete_queue(QueueUrl=url)
    sqs.close()
    events.close()
