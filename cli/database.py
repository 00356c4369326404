"""The database of a local run: migrations, and the login users of the roles they make."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import psycopg
from psycopg import sql

from cli.errors import Failure

_MIGRATION_TIMEOUT_S = 300
_CONNECT_TIMEOUT_S = 10
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True)
class Login:
    """A user of the database server, in one of the roles that the migrations make."""

    name: str
    role: str
    password: str


@dataclass(frozen=True)
class Logins:
    """Whom the functions connect as."""

    app: Login
    housekeeping: Login

    @classmethod
    def make(cls, secret: Callable[[str], str], suffix: str = "") -> Logins:
        """With passwords from `secret`; the suffix keeps apart who shares a server."""

        def login(role: str) -> Login:
            return Login(f"{role}_login{suffix}", role, secret(f"{role}_login"))

        return cls(login("paywright_app"), login("paywright_housekeeping"))


class DatabaseError(Failure):
    """The database could not be reached or migrated; the message is one clear sentence."""


def migrate(owner_url: str, migrations: Path) -> None:
    """Create the database if need be and apply what is new in `migrations`, with dbmate.

    Raises DatabaseError with what dbmate says.
    """
    if _is_current(owner_url, migrations):
        return
    try:
        done = subprocess.run(  # noqa: S603 - a list of our own making, no shell
            [str(dbmate()), "--migrations-dir", str(migrations), "--no-dump-schema", "up"],
            env={"PATH": os.environ.get("PATH", ""), "DATABASE_URL": _for_dbmate(owner_url)},
            capture_output=True,
            text=True,
            check=False,
            timeout=_MIGRATION_TIMEOUT_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DatabaseError(f"The migrations could not be applied: {error}.") from error
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip() or "no word").splitlines()[-1]
        raise DatabaseError(f"The migrations could not be applied: {said.rstrip('.')}.")


def ensure_logins(owner_url: str, logins: Logins) -> None:
    """Make the login users, or give those that exist these passwords.

    Only the hashes of the passwords go over the wire, and so into no log. Raises DatabaseError.
    """
    with connect(owner_url) as connection:
        for login in (logins.app, logins.housekeeping):
            hashed = connection.pgconn.encrypt_password(
                login.password.encode(), login.name.encode(), b"scram-sha-256"
            ).decode()
            known = connection.execute(
                "SELECT 1 FROM pg_roles WHERE rolname = %s", (login.name,)
            ).fetchone()
            connection.execute(
                sql.SQL("{verb} ROLE {name} LOGIN PASSWORD {hashed}").format(
                    verb=sql.SQL("ALTER" if known else "CREATE"),
                    name=sql.Identifier(login.name),
                    hashed=sql.Literal(hashed),
                )
            )
            connection.execute(
                sql.SQL("GRANT {role} TO {name}").format(
                    role=sql.Identifier(login.role), name=sql.Identifier(login.name)
                )
            )


def latest_moment(owner_url: str) -> datetime | None:
    """The latest business time at which something was written; None in a database that is new.

    By indexes, and of tables that are small: every event passes here, every key and every endpoint.
    Raises DatabaseError.
    """
    with connect(owner_url) as connection:
        row = connection.execute(
            "SELECT greatest((SELECT max(relayed_at) FROM events),"
            " (SELECT max(created_at) FROM outbox),"
            " (SELECT max(updated_at) FROM webhook_endpoints),"
            " (SELECT max(created_at) FROM idempotency_keys))"
        ).fetchone()
    return None if row is None else row[0]


def connect(url: str) -> psycopg.Connection:
    """A connection, its failure a DatabaseError that names host and port but no password."""
    try:
        return psycopg.connect(url, connect_timeout=_CONNECT_TIMEOUT_S)
    except psycopg.Error as error:
        reason = str(error).strip().splitlines()[-1]
        raise DatabaseError(f"The database {without_password(url)} refuses: {reason}.") from error


def login_url(url: str, login: Login) -> str:
    """The same database for another user."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{login.name}:{login.password}@{host}"))


def without_password(url: str) -> str:
    """The URL as it may be shown."""
    parts = urlsplit(url)
    user, _, host = parts.netloc.rpartition("@")
    name = user.partition(":")[0]
    return urlunsplit(parts._replace(netloc=f"{name}@{host}" if name else host))


def _is_current(owner_url: str, migrations: Path) -> bool:
    """Whether all migrations are applied: a warm start is spared the time of asking dbmate."""
    wanted = {file.name.partition("_")[0] for file in migrations.glob("*.sql")}
    try:
        with psycopg.connect(owner_url, connect_timeout=_CONNECT_TIMEOUT_S) as connection:
            rows = connection.execute("SELECT version FROM schema_migrations").fetchall()
    except psycopg.Error:  # no such database or table yet, or what dbmate will say
        return False
    return wanted <= {row[0] for row in rows}


def _for_dbmate(url: str) -> str:
    """dbmate asks for TLS unless told otherwise, which a server on this machine does not have."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    if parts.hostname in _LOOPBACK:
        query.setdefault("sslmode", "disable")
    return urlunsplit(parts._replace(query=urlencode(query)))


def dbmate() -> Path:
    """The program that applies migrations; DatabaseError if it is not installed."""
    program = Path(sys.executable).with_name("dbmate")
    if not program.exists():
        raise DatabaseError("The program dbmate is missing: run `make setup`.")
    return program
