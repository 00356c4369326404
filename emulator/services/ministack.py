"""MiniStack: SQS, EventBridge and the other AWS services of a local run, from its wheel."""

from __future__ import annotations

import http.client
import importlib.util
import sys
from collections.abc import Collection
from pathlib import Path
from typing import ClassVar

from emulator.services import ports
from emulator.services.errors import ServiceError
from emulator.services.process import Child, spawn
from emulator.services.server import Server, environment

_SERVICES = "sqs,events,scheduler,ses,s3,secretsmanager,kms"


class MiniStack(Server):
    """AWS's queues, buses and schedules; what they hold outlives the process, however it ends."""

    title: ClassVar[str] = "MiniStack"

    def __init__(
        self,
        *,
        data_dir: Path,
        log: Path,
        preferred_port: int = 4566,
        taken_ports: Collection[int] = (),
        persist: bool = True,
    ) -> None:
        super().__init__(
            data_dir=data_dir, log=log, preferred_port=preferred_port, taken_ports=taken_ports
        )
        self._persist = persist

    @property
    def url(self) -> str:
        """The AWS endpoint, `http://127.0.0.1:port`."""
        return f"http://{ports.HOST}:{self.port}"

    def prepare(self) -> None:
        """Make its folders; raise ServiceError when the package is missing."""
        if importlib.util.find_spec("ministack") is None:
            raise ServiceError(
                "The package ministack is not installed: run `make setup`, or set AWS_ENDPOINT_URL."
            )
        for folder in ("state", "s3", "tmp"):
            (self.data_dir / folder).mkdir(parents=True, exist_ok=True, mode=0o700)

    def launch(self) -> Child:
        """Start it for the services that a SAM application of queues and buses uses."""
        persist = str(int(self._persist))
        settings = {
            "BIND_HOST": ports.HOST,
            "MINISTACK_HOST": ports.HOST,
            "GATEWAY_PORT": str(self.port),
            "SERVICES": _SERVICES,
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "PERSIST_STATE": persist,
            "STATE_DIR": str(self.data_dir / "state"),
            "S3_PERSIST": persist,
            "S3_DATA_DIR": str(self.data_dir / "s3"),
            "TMPDIR": str(self.data_dir / "tmp"),
            "LOG_LEVEL": "WARNING",
            "PYTHONUNBUFFERED": "1",
        }
        return spawn(
            self.title,
            [sys.executable, "-m", "emulator.aws_server"],
            log=self.log,
            env=environment(settings),
            cwd=self.data_dir,
        )

    def ready(self) -> bool:
        """Whether its readiness endpoint says so."""
        connection = http.client.HTTPConnection(ports.HOST, self.port, timeout=2)
        try:
            connection.request("GET", "/_ministack/ready")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
