"""An endpoint of a test's own, which it may kill and start again."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from emulator.services import MiniStack


class Endpoint:
    """A server and clients of it."""

    def __init__(self, server: MiniStack) -> None:
        self.server = server

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def journal(self) -> Path:
        return self.server.data_dir / "state" / "sqs.journal"

    def client(self, name: str) -> Any:
        make: Any = boto3.client  # its stubs know services by their literal names
        return make(name, endpoint_url=self.url)

    def kill(self) -> None:
        """kill -9, and wait until it is gone."""
        assert self.server.child is not None
        self.server.child.stop((signal.SIGKILL,))


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[], Endpoint]]:
    """Starts the endpoint on one folder, as often as a test wants."""
    servers: list[MiniStack] = []

    def start_one() -> Endpoint:
        server = MiniStack(data_dir=tmp_path / "aws", log=tmp_path / "log", preferred_port=0)
        servers.append(server)
        server.start()
        server.wait_ready()
        return Endpoint(server)

    yield start_one
    for server in servers:
        server.stop()
