"""The whole system under load: started once, with merchants, and seen by groups of processes."""

from __future__ import annotations

import hashlib
import os
import secrets
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from cli import merchants, state
from cli.paths import Home
from paywright.clock import SystemClock
from paywright.ids import UuidSource, parse_typeid
from tests.bench.processes import cpu_s, descendants, memory_mb

_START_S = 120.0
# Enough for any rate that is measured here; the limit is checked as for everyone.
_RATE_LIMIT_PER_MIN = 10_000_000

_COPY_MERCHANTS = """
WITH new AS (
    INSERT INTO merchants (id, name_encrypted, email_encrypted, email_hash, settlement_currency,
                           rate_limit_per_min, created_at, updated_at)
    SELECT key.merchant_id, name_encrypted, email_encrypted, sha256(key.hash), settlement_currency,
           %(limit)s, m.created_at, m.updated_at
      FROM merchants m,
           unnest(%(merchant_ids)s::uuid[], %(hashes)s::bytea[]) AS key (merchant_id, hash)
     WHERE m.id = %(model)s
)
INSERT INTO api_keys (merchant_id, id, livemode, key_hash, last_four, created_at)
SELECT key.merchant_id, key.merchant_id, false, key.hash, '0000', now()
  FROM unnest(%(merchant_ids)s::uuid[], %(hashes)s::bytea[]) AS key (merchant_id, hash)
"""
_COPIES = (
    ("fee_plans", "method_type, currency, basis_points, fixed_amount"),
    ("customers", "id, livemode, created_at"),
    (
        "payment_methods",
        "id, livemode, customer_id, type, processor, token_vault_ref, fingerprint, risk, brand,"
        " last_four, exp_month, exp_year, created_at",
    ),
    ("webhook_endpoints", "livemode, url, secret_encrypted, api_version, created_at, updated_at"),
)
_ID_OF_ITS_OWN = {"webhook_endpoints"}  # each is one by itself, whosever it is


@dataclass(frozen=True)
class System:
    """A system that runs."""

    home: Home
    urls: state.Urls

    def groups(self) -> dict[int, str]:
        """Every process of it, and what it belongs to."""
        running = state.running(self.home)
        assert running is not None
        parts = {identity.pid: title for title, identity in running.parts.items()}
        found = {running.supervisor.pid: "supervisor"}
        for pid, title in parts.items():
            for each in descendants(pid):
                found[each] = _function_of(each) or title
        return found

    def payers(self, count: int) -> list[tuple[str, str]]:
        """API keys of new merchants like the demo merchant, each with a payment method.

        Fee plan, card and webhook endpoint are as the demo merchant's.
        """
        demo = merchants.demo(self.home)
        keys = [f"sk_test_{secrets.token_hex(24)}" for _ in range(count)]
        source = UuidSource(SystemClock())
        ids = [source.new() for _ in range(count)]
        model = parse_typeid("mer", demo.id)
        given = {
            "merchant_ids": ids,
            "hashes": [hashlib.sha256(key.encode()).digest() for key in keys],
            "limit": _RATE_LIMIT_PER_MIN,
            "model": model,
        }
        with psycopg.connect(self.urls.database_url) as connection:
            connection.execute(_COPY_MERCHANTS, given)
            for table, columns in _COPIES:
                key, of_new = "merchant_id", "new.id"
                if table in _ID_OF_ITS_OWN:
                    key, of_new = "merchant_id, id", "new.id, new.id"
                connection.execute(
                    f"INSERT INTO {table} ({key}, {columns}) SELECT {of_new}, "
                    + ", ".join(f"model.{name.strip()}" for name in columns.split(","))
                    + f" FROM {table} AS model, unnest(%(merchant_ids)s::uuid[]) AS new (id)"
                    " WHERE model.merchant_id = %(model)s",
                    given,
                )
        return [(key, demo.payment_method_id) for key in keys]

    def cpu(self) -> dict[str, float]:
        """CPU seconds so far, by group."""
        used: dict[str, float] = defaultdict(float)
        for pid, group in self.groups().items():
            used[group] += cpu_s(pid)
        return used

    def memory_mb(self, group: str) -> list[float]:
        """Resident memory of each process of a group."""
        return [memory_mb(pid) for pid, name in self.groups().items() if name == group]

    def environment_of(self, function: str) -> dict[str, str]:
        """The variables of an environment of a function that is running."""
        found = (_variables(pid) for pid, name in self.groups().items() if name == function)
        return next(variables for variables in found if variables)

    def waiting(self) -> dict[str, int]:
        """What the background functions have yet to do."""
        with psycopg.connect(self.urls.database_url) as connection:
            row = connection.execute(
                "SELECT (SELECT count(*) FROM outbox), (SELECT count(*) FROM ledger_unsequenced),"
                " (SELECT count(*) FROM webhook_deliveries WHERE status = 'delivered'),"
                " (SELECT count(*) FROM events)"
            ).fetchone()
        assert row is not None
        outbox, unsequenced, delivered, events = row
        return {"outbox": outbox, "sequencer": unsequenced, "webhooks": events - delivered}


@contextmanager
def started(folder: Path, **parameters: object) -> Iterator[System]:
    """The whole system, as `paywright up` starts it with these parameters of the template."""
    home = Home(folder)
    env = {**os.environ, "PAYWRIGHT_HOME": str(folder)}
    command = [sys.executable, "-m", "cli.main"]
    try:
        given = [f"--param={name}={value}" for name, value in parameters.items()]
        _call([*command, "up", "--detach", *given], env)
        yield System(home, state.require_running(home))
    finally:
        _call([*command, "down"], env)
        # PostgreSQL's data is elsewhere where its user does not reach the folder.
        _call([*command, "reset", "--yes"], env)


def _call(command: list[str], env: dict[str, str]) -> None:
    subprocess.run(command, env=env, check=True, capture_output=True, timeout=_START_S)


def _function_of(pid: int) -> str | None:
    """The function whose environment a process is."""
    return _variables(pid).get("AWS_LAMBDA_FUNCTION_NAME")


def _variables(pid: int) -> dict[str, str]:
    """The environment variables of a process; none where it ended meanwhile."""
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes().decode()
    except OSError:
        return {}
    pairs = (each.partition("=") for each in environment.split("\0") if each)
    return {name: value for name, _, value in pairs}
