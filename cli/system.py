"""Starts the whole system, keeps it running, and ends it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from cli.errors import Failure
from cli.given import check_given
from cli.mending import Mending
from cli.parts import Emulator, Receiver
from cli.paths import MIGRATIONS, Home
from cli.progress import Progress
from cli.state import State, Urls, clean_leftovers, commit
from emulator.services import MiniStack, Postgres, Server, ServiceError, Valkey
from emulator.services.process import Identity, bound_log

if TYPE_CHECKING:
    from cli.database import Logins

_PREFERRED_PORTS = frozenset({3000, 3001, 3002, 4566, 54_320, 63_790})
_SENDER = "notifications@paywright.example"  # its mail stays here: `paywright mail list`


class System:
    """One run: servers that no URL is given for, the receiver, and the emulator with functions."""

    def __init__(
        self, home: Home, progress: Progress, more_parameters: Mapping[str, str] | None = None
    ) -> None:
        self._home = home
        self._more_parameters = more_parameters or {}
        self._progress = progress
        self._mending = Mending()
        me = Identity.of(os.getpid())
        assert me is not None, "this process runs"
        self.state = State(me)
        self.parts: list[Server] = []
        self._commit = commit()
        self._postgres = self._own_postgres()
        self._valkey = self._own_valkey()
        self._ministack = self._own_ministack()
        self._receiver = Receiver(home, taken_ports=_others(3002))
        self._emulator = Emulator(home, taken_ports=_others(3000))

    def start(self) -> Urls:
        """Bring everything up; raises Failure, and then nothing is left running."""
        for name in clean_leftovers(self._home):
            self._progress.note(f"an earlier run had left its {name} running; it is ended")
        self.state.save(self._home)
        try:
            return self._start()
        except ServiceError as error:
            raise Failure(str(error)) from error

    def stop(self) -> None:
        """End every process that was started, the last one first."""
        for part in reversed(self.parts):
            part.stop()
        self._home.state_file.unlink(missing_ok=True)
        (self._home.run / "parameters.json").unlink(missing_ok=True)

    def mend(self) -> list[str]:
        """Start again whatever died; what was done, in words. Raises Failure if it dies on."""
        done: list[str] = []
        for part in self.parts:
            bound_log(part.log)
            if part.running():
                continue
            done += self._restart(part, f"{part.title} had died and runs again")
            # An empty MiniStack at its old address needs no new emulator: it makes again what it
            # misses.
            if part.running() and self._configure():
                done += self._restart(
                    self._emulator, "emulator started again, since what it works with is new"
                )
            self._record()
        all_run = all(part.running() for part in self.parts)
        if done and all_run and (urls := self._urls()) != self.state.urls:
            # Someone took a port while nobody listened on it.
            self._demo_merchant(urls)
            self.state.urls = urls
            self._record()
            done.append("addresses have changed: see `paywright status`")
        return done

    def _restart(self, part: Server, done: str) -> list[str]:
        said = self._mending.restart(part, done)
        return [] if said is None else [said]

    def _start(self) -> Urls:
        check_given()
        # All processes first: they come up at the same time while the slowest is waited for.
        for server in (self._valkey, self._ministack, self._receiver, self._postgres):
            if server is not None:
                self._launch(server)
        self._migrate()
        for server in (self._valkey, self._ministack):
            if server is not None:
                self._await(server)
        self._configure()
        self._launch(self._emulator)
        self._await(self._receiver)
        self._await(self._emulator)
        urls = self._urls()
        self._demo_merchant(urls)
        self.state.urls = urls
        self.state.save(self._home)
        return urls

    def _urls(self) -> Urls:
        """Where everything is now."""
        return Urls(
            gateway_url=self._emulator.url,
            lambda_url=self._emulator.lambda_url,
            aws_endpoint_url=_url(self._ministack, "AWS_ENDPOINT_URL"),
            database_url=_url(self._postgres, "DATABASE_URL"),
            valkey_url=_url(self._valkey, "VALKEY_URL"),
            receiver_url=self._receiver.url,
            commit=self._commit,
        )

    def _configure(self) -> bool:
        """Tell the emulator, for its next start, where its servers are; whether that is news."""
        before = self._emulator.aws_endpoint_url, self._emulator.parameters
        self._emulator.aws_endpoint_url = _url(self._ministack, "AWS_ENDPOINT_URL")
        self._emulator.parameters = self._parameters()
        return before != (self._emulator.aws_endpoint_url, self._emulator.parameters)

    def _launch(self, server: Server) -> None:
        self.parts.append(server)  # first: it is to be ended even if its start is interrupted
        server.start()
        self._record()

    def _await(self, server: Server) -> None:
        self._progress.waiting(server.title)
        server.wait_ready()
        moved = server.port != server.preferred_port
        self._progress.done(f"{server.title} on port {server.port}")
        if moved:
            self._progress.note(f"port {server.preferred_port} is taken, so it is {server.port}")
        for note in server.notes:
            self._progress.note(note)
        self._record()

    def _record(self) -> None:
        self.state.parts = {
            part.title: part.child.identity for part in self.parts if part.child is not None
        }
        self.state.save(self._home)

    def _migrate(self) -> None:
        """Bring the schema up to date."""
        if self._postgres is not None:
            self._await(self._postgres)
        from cli import database  # noqa: PLC0415 - loads its driver while the servers start

        self._progress.waiting("migrations")
        owner_url = _url(self._postgres, "DATABASE_URL")
        database.migrate(owner_url, MIGRATIONS)
        database.ensure_logins(owner_url, self._logins())
        self._progress.done("database up to date")
        from cli import clock  # noqa: PLC0415 - as above

        if behind := clock.catch_up(self._home, owner_url):
            self._progress.note(
                f"the clock was {clock.words(behind)} behind what the database has seen, "
                "and was moved there"
            )

    def _parameters(self) -> dict[str, str]:
        from cli import database, merchants  # noqa: PLC0415 - as above

        owner_url, logins = _near_url(self._postgres, "DATABASE_URL"), self._logins()
        return {
            "Environment": "local",
            "DatabaseUrl": database.login_url(owner_url, logins.app),
            "HousekeepingDatabaseUrl": database.login_url(owner_url, logins.housekeeping),
            "ValkeyUrl": _near_url(self._valkey, "VALKEY_URL"),
            "PiiKey": merchants.pii_key(self._home),
            "WebhookAllowLoopback": "true",
            "NotificationsFrom": _SENDER,
            "FxRateMaxAgeH": str(10 * 365 * 24),  # the bundled rates are as old as their package
            "ClockFile": str(self._home.clock_file),
            "LogLevel": os.environ.get("LOG_LEVEL", "INFO"),
            **self._more_parameters,
        }

    def _logins(self) -> Logins:
        from cli.database import Logins  # noqa: PLC0415 - as above

        # A server that is not ours may serve other installations, each with logins of its own.
        suffix = "" if self._postgres else f"_{self._home.secret('installation')[:8]}"
        return Logins.make(self._home.secret, suffix)

    def _demo_merchant(self, urls: Urls) -> None:
        from cli.merchants import ensure_demo  # noqa: PLC0415 - as above

        self._progress.waiting("demo merchant")
        ensure_demo(self._home, urls)
        self._progress.done("demo merchant ready")

    def _own_postgres(self) -> Postgres | None:
        if os.environ.get("DATABASE_URL"):
            return None
        return Postgres(
            data_dir=self._home.data / "postgresql",
            log=self._home.logs / "postgresql.log",
            password=self._home.secret("postgresql"),
            taken_ports=_others(54_320),
        )

    def _own_valkey(self) -> Valkey | None:
        if os.environ.get("VALKEY_URL"):
            return None
        return Valkey(
            data_dir=self._home.data / "valkey",
            log=self._home.logs / "valkey.log",
            password=self._home.secret("valkey"),
            taken_ports=_others(63_790),
        )

    def _own_ministack(self) -> MiniStack | None:
        if os.environ.get("AWS_ENDPOINT_URL"):
            return None
        return MiniStack(
            data_dir=self._home.data / "ministack",
            log=self._home.logs / "ministack.log",
            taken_ports=_others(4566),
        )


def _url(own: Server | None, variable: str) -> str:
    """The URL of our server, or of the one that is given in its place."""
    return own.url if own else os.environ[variable]


def _near_url(own: Server | None, variable: str) -> str:
    """As `_url`, for functions."""
    return own.near_url if own else os.environ[variable]


def _others(preferred: int) -> frozenset[int]:
    """What one part leaves to the others, whichever starts first."""
    return _PREFERRED_PORTS - {preferred}
