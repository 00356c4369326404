"""The two transactions of an authorization alone, under pgbench: what the database could do.

The statements and their values are those of two real authorizations, recorded; what differs between
the two (ids and the idempotency key) is new in every transaction of pgbench too.
"""

from __future__ import annotations

import json
import re
import subprocess
import uuid
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg

from cli.database import migrate
from cli.paths import MIGRATIONS
from emulator.services.postgres import find_binaries
from paywright.customers.store import Customers, NewCustomer
from paywright.db.connection import Database, Parameters, Row, Statement
from paywright.db.payments import PostgresPayments
from paywright.fees import PLATFORM_PLANS
from paywright.ids import parse_typeid
from paywright.merchants.create import create_merchant
from paywright.money import Currency, Money
from paywright.payments.authorize import Authorize, authorize
from paywright.payments.models import Caller, RequestContext
from paywright.payments.states import CaptureMethod
from paywright.processors.base import Card
from paywright.settings import Settings
from paywright.wiring import Platform, assemble

_DATABASE = "bench_sql"
_USD = Currency.of("usd")
_TYPES = {int: "bigint", bool: "boolean", uuid.UUID: "uuid", datetime: "timestamptz"}
_PLACEHOLDER = re.compile(r"%\((\w+)\)s")
_BEFORE = (
    "\\startpipeline",
    "BEGIN ISOLATION LEVEL SERIALIZABLE;",
    "SET LOCAL enable_seqscan = off;",
    "SET LOCAL enable_bitmapscan = off;",
)
_AFTER = ("COMMIT;", "\\endpipeline")


@dataclass(frozen=True)
class Said:
    """A statement that an authorization said to the database."""

    sql: str
    parameters: Parameters
    serializable: bool


class _Recorder(Database):
    """Takes down what is written through it."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.said: list[Said] = []

    def one(self, sql: bytes, parameters: Parameters) -> Row | None:
        if b"INSERT" in sql:
            self.said.append(Said(sql.decode(), parameters, False))
        return super().one(sql, parameters)

    def serializable(self, statement: Statement) -> list[Row]:
        self.said.append(Said(statement.sql.decode(), statement.parameters, True))
        return super().serializable(statement)


class SqlAlone:
    """A database of its own beside the system's, on the same server."""

    def __init__(self, folder: Path, server_url: str, valkey_url: str) -> None:
        self._url = urlsplit(server_url)._replace(path=f"/{_DATABASE}").geturl()
        migrate(self._url, MIGRATIONS)
        self._folder = folder
        self._runs = 0
        first, second = _record(self._url, valkey_url), _record(self._url, valkey_url)
        self._variables, self._script = script_of(first, second)

    def per_s(self, clients: int, seconds: float) -> float:
        """Authorizations a second."""
        script = self._folder / "authorization.sql"
        script.write_text(self._script)
        self._runs += 1
        variables = {**self._variables, "n": str(self._runs * 10_000_000)}
        binaries = find_binaries()
        done = subprocess.run(
            [
                *(binaries.tool("pgbench"), "--no-vacuum", "--protocol=prepared"),
                *(f"--client={clients}", "--jobs=1", f"--time={seconds:.0f}", "--max-tries=10"),
                *(f"--define={name}={value}" for name, value in variables.items()),
                *(f"--file={script}", self._url),
            ],
            env=dict(binaries.env),
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds + 60,
        )
        rate = re.search(r"tps = ([\d.]+)", done.stdout)
        if done.returncode or rate is None:
            raise RuntimeError(f"pgbench: {(done.stderr or done.stdout).strip()[:700]}")
        return float(rate[1])


def _record(url: str, valkey_url: str) -> list[Said]:
    """What one authorization says."""
    settings = Settings(
        environment="local", database_url=url, valkey_url=valkey_url, pii_key="bench"
    )
    platform = assemble(settings, cache_prefix=uuid.uuid4().hex)
    recorder = _Recorder(url)
    services = replace(platform.payments, store=PostgresPayments(recorder, platform.clock))
    caller, method = _payer(url, platform)
    automatic, metadata = CaptureMethod.AUTOMATIC, {"order_id": "6735"}
    wanted = Authorize(Money(1999, _USD), method, None, automatic, False, None, metadata)
    context = RequestContext(uuid.uuid4().hex, b"f" * 32, "f" * 32, "127.0.0.1", "bench")
    authorize(services, caller, wanted, context)
    for each in (recorder, platform.database, platform.cache):
        each.close()
    return recorder.said


def _payer(url: str, platform: Platform) -> tuple[Caller, uuid.UUID]:
    """A merchant and a card, the same each time."""
    with psycopg.connect(url, autocommit=True) as connection:
        known = connection.execute(
            "SELECT k.merchant_id, k.id, m.id FROM api_keys k LEFT JOIN payment_methods m"
            " USING (merchant_id)"
        ).fetchone()
        if known is None:
            create_merchant(
                connection,
                "bench",
                name="Bench",
                email="bench@example.com",
                settlement_currency="usd",
                clock=platform.clock,
                ids=platform.ids,
            )
            known = connection.execute("SELECT merchant_id, id, NULL FROM api_keys").fetchone()
    assert known is not None
    caller = Caller(known[0], known[1], False, _USD, None, PLATFORM_PLANS)
    return caller, known[2] or _card(platform, caller)


def _card(platform: Platform, caller: Caller) -> uuid.UUID:
    customers = Customers(platform.database, "bench", platform.clock, platform.ids)
    context = RequestContext(None, b"", "f" * 32, None, None)
    made = customers.create(caller, NewCustomer(None, None, None, {}), context)
    customer = parse_typeid("cus", json.loads(made.body)["id"])
    assert customer is not None
    card = Card("4242424242424242", 12, 2040, None)
    processor = platform.payments.processors.for_method("card")
    added = customers.add_method(caller, customer, card, processor, context)
    method = parse_typeid("pm", json.loads(added.body)["id"])
    assert method is not None
    return method


def script_of(first: list[Said], second: list[Said]) -> tuple[dict[str, str], str]:
    """Variables and text of a script for pgbench, from two recordings of the same."""
    expressions = _Expressions()
    lines = ["\\set n :n + 1"]
    for number, (one, other) in enumerate(zip(first, second, strict=True)):
        values = {
            name: expressions.of(f"{name}_{number}", value, other.parameters[name])
            for name, value in one.parameters.items()
        }
        text = _PLACEHOLDER.sub(lambda match: values[match[1]], one.sql).replace("%%", "%")  # noqa: B023 - used at once
        around = (_BEFORE, _AFTER) if one.serializable else ((), ())
        lines += [*around[0], f"{text};", *around[1]]
    return expressions.variables, "\n".join(lines) + "\n"


class _Expressions:
    """SQL for values: a variable where it was the same twice, else something new each time."""

    def __init__(self) -> None:
        self.variables: dict[str, str] = {}
        self._fresh: dict[uuid.UUID, int] = {}

    def of(self, name: str, value: Any, other: Any) -> str:
        """The expression for a value that another recording has as `other`."""
        if value != other and isinstance(value, uuid.UUID):
            number = self._fresh.setdefault(value, len(self._fresh))
            # Its time stays, and so its partition; what follows counts up over all clients.
            count = f"(:n::bigint * 64 + {number}) * 256 + :client_id::bigint"
            return f"('{str(value)[:20]}' || lpad(to_hex({count}), 15, '0'))::uuid"
        if value != other and re.fullmatch(r"key_\d+", name):
            return "('key-' || :n || '-' || :client_id)"
        if isinstance(value, list) and value and isinstance(value[0], uuid.UUID):
            pairs = zip(value, other, strict=True)
            return f"ARRAY[{', '.join(self.of(name, *pair) for pair in pairs)}]"
        if value is None:
            return "NULL"
        self.variables[name] = _text(value)
        if isinstance(value, bytes):
            return f"decode(:{name}, 'hex')"
        kind = _TYPES.get(type(value))
        return f":{name}::{kind}" if kind else f":{name}"


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list):
        return "{" + ",".join("NULL" if each is None else f'"{each}"' for each in value) + "}"
    assert isinstance(value, str | int | bool | uuid.UUID | datetime | Decimal), type(value)
    return str(value)
