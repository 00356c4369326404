"""Real servers for a test run: one PostgreSQL, Valkey and MiniStack for all its workers.

The first worker that needs them starts this module as a process of its own, which owns the servers
and ends them, and itself, when the test run ends in whatever way.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from cli import database
from cli.signals import Stop
from emulator.services import MiniStack, Postgres, Server, Valkey
from emulator.services.process import Identity

_READY_TIMEOUT_S = 120
_TEMPLATE = "paywright_template"
_MIGRATIONS = Path(__file__).parent.parent / "migrations"
# Speed that no test of ours may trade for real: the data does not outlive the run.
_FAST = {"full_page_writes": "off", "shared_buffers": "128MB", "autovacuum_naptime": "10s"}


@dataclass(frozen=True)
class Servers:
    """Where the servers of this test run are; `failure` says why the template has no schema."""

    keeper: int
    postgres_url: str
    valkey_url: str
    aws_url: str
    logins: database.Logins
    failure: str = ""

    def create_database(self, name: str) -> str:
        """A new database with the schema; its URL as the owner."""
        if self.failure:
            raise RuntimeError(self.failure)
        with database.connect(self.postgres_url) as connection:
            connection.autocommit = True
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE {_TEMPLATE}')
        return self._database(name)

    def drop_database(self, name: str) -> None:
        """Drop it, whoever is connected."""
        with database.connect(self.postgres_url) as connection:
            connection.autocommit = True
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def app_url(self, owner_url: str) -> str:
        """The same database as the application's login."""
        return database.login_url(owner_url, self.logins.app)

    def housekeeping_url(self, owner_url: str) -> str:
        """The same database as housekeeping's login."""
        return database.login_url(owner_url, self.logins.housekeeping)

    def _database(self, name: str) -> str:
        return f"{self.postgres_url.rpartition('/')[0]}/{name}"


def obtain(run: Path, controller: int) -> Servers:
    """The servers of the test run whose folder is `run`, started if this is the first to ask."""
    run.mkdir(parents=True, exist_ok=True)
    ready = run / "servers.json"
    with (run / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not ready.exists():
            with (run / "keeper.log").open("w") as log:
                keeper = subprocess.Popen(
                    [sys.executable, "-m", "tests.services", str(run), str(controller)],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=_MIGRATIONS.parent,
                    start_new_session=True,
                )
            deadline = time.monotonic() + _READY_TIMEOUT_S
            while not ready.exists():
                if keeper.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError((run / "keeper.log").read_text())
                time.sleep(0.02)
            keeper.returncode = 0  # it is the run's, not this worker's: no warning at its exit
    return _read(ready)


def _read(file: Path) -> Servers:
    content = json.loads(file.read_text())
    logins = {role: database.Login(**login) for role, login in content.pop("logins").items()}
    return Servers(**content, logins=database.Logins(**logins))


def end(run: Path) -> None:
    """End the servers of a test run, if any were started, and drop its folder."""
    try:
        keeper = Identity.of(_read(run / "servers.json").keeper)
    except FileNotFoundError:
        keeper = None
    if keeper is not None:
        keeper.stop(grace_s=30)
    shutil.rmtree(run, ignore_errors=True)


def _keep(run: Path, controller: int) -> None:
    postgres = Postgres(
        data_dir=run / "postgres",
        log=run / "postgres.log",
        password=secrets.token_hex(16),
        preferred_port=0,
        fsync=False,
        settings=_FAST,
    )
    valkey = Valkey(
        data_dir=run / "valkey",
        log=run / "valkey.log",
        password=secrets.token_hex(16),
        preferred_port=0,
    )
    ministack = MiniStack(
        data_dir=run / "ministack", log=run / "ministack.log", preferred_port=0, persist=False
    )
    servers: list[Server] = [valkey, ministack, postgres]
    stop = Stop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda *_: stop.set())
    try:
        for server in servers:
            server.start()
        for server in servers:
            server.wait_ready()
        _publish(run, postgres, valkey, ministack)
        while _alive(controller) and not stop.wait(0.5):
            pass
    finally:
        for server in servers:
            server.stop()
        if not _alive(controller):
            shutil.rmtree(run, ignore_errors=True)


def _alive(controller: int) -> bool:
    return Identity.of(controller) is not None


def _publish(run: Path, postgres: Postgres, valkey: Valkey, ministack: MiniStack) -> None:
    logins = database.Logins.make(lambda _name: secrets.token_hex(16))
    failure = ""
    try:
        database.migrate(postgres.database_url(_TEMPLATE), _MIGRATIONS)
        database.ensure_logins(postgres.database_url("postgres"), logins)
    except Exception as error:
        failure = f"{type(error).__name__}: {error}"
    found = Servers(
        keeper=os.getpid(),
        postgres_url=postgres.database_url("postgres"),
        valkey_url=valkey.url,
        aws_url=ministack.url,
        logins=logins,
        failure=failure,
    )
    written = run / "servers.json.new"
    written.touch(mode=0o600)
    written.write_text(json.dumps(asdict(found)))
    written.rename(run / "servers.json")


if __name__ == "__main__":
    _keep(Path(sys.argv[1]), int(sys.argv[2]))
