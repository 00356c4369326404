"""The parts of a local run that are ours: the emulator and the webhook receiver."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Collection, Mapping
from typing import ClassVar
from urllib.parse import urlsplit

from cli.paths import CHECKOUT, TEMPLATE, Home, write_private
from emulator.services import ports
from emulator.services.process import Child, spawn
from emulator.services.server import Server, environment

# The way of a first payment, so that it does not wait for interpreters to start.
_PREWARMED = ("authorize", "merchant", "webhook")

# What the template reserves for `authorize`: one environment waits for each payment that is at a
# slow processor, however idle the machine is.
_MOST_ENVIRONMENTS = 40


class Receiver(Server):
    """The webhook receiver."""

    title: ClassVar[str] = "webhook receiver"

    def __init__(self, home: Home, *, taken_ports: Collection[int] = ()) -> None:
        super().__init__(
            data_dir=home.run,
            log=home.logs / "receiver.log",
            preferred_port=3002,
            taken_ports=taken_ports,
        )
        self._secrets_file = home.receiver_file

    @property
    def url(self) -> str:
        """Its base; webhooks go to `/webhooks`, and `/received` lists them."""
        return f"http://{ports.HOST}:{self.port}"

    def prepare(self) -> None:
        """Nothing is needed."""

    def launch(self) -> Child:
        """Start it."""
        command = [sys.executable, "-m", "cli.receiver", str(self.port), str(self._secrets_file)]
        return spawn(self.title, command, log=self.log, env=environment(), cwd=CHECKOUT)

    def ready(self) -> bool:
        """Whether it accepts connections."""
        return self.running() and ports.answers(self.port)


class Emulator(Server):
    """Gateway, functions, queues' consumers and schedules, all from `template.yaml`."""

    title: ClassVar[str] = "emulator"
    lambda_port_preferred: ClassVar[int] = 3001

    def __init__(self, home: Home, *, taken_ports: Collection[int] = ()) -> None:
        super().__init__(
            data_dir=home.run,
            log=home.logs / "emulator.log",
            preferred_port=3000,
            taken_ports=taken_ports,
        )
        self._ready_file = home.run / "emulator.json"
        self._params_file = home.run / "parameters.json"
        self._clock_file = home.clock_file
        self._state_file = home.schedules_file
        self.lambda_port = 0
        self.parameters: Mapping[str, str] = {}
        self.aws_endpoint_url = ""

    @property
    def url(self) -> str:
        """The gateway."""
        return f"http://{ports.HOST}:{self.port}"

    @property
    def lambda_url(self) -> str:
        """Lambda's invoke API."""
        return f"http://{ports.HOST}:{self.lambda_port}"

    def prepare(self) -> None:
        """Write the template's parameters to a file: they hold secrets, which `ps` would show."""
        write_private(self._params_file, dict(self.parameters))

    def launch(self) -> Child:
        """Start it; the environment that functions get beside the template's comes from its own."""
        if not (self.lambda_port and ports.is_free(self.lambda_port)):
            taken = {*self.taken_ports, self.port} - {self.lambda_port_preferred}
            self.lambda_port = ports.choose(self.lambda_port_preferred, taken)
        self._ready_file.unlink(missing_ok=True)
        return spawn(
            self.title,
            [
                *(sys.executable, "-m", "emulator"),
                *("--template", str(TEMPLATE)),
                *("--port", str(self.port)),
                *("--lambda-port", str(self.lambda_port)),
                *("--params-file", str(self._params_file)),
                *("--aws-endpoint", self.aws_endpoint_url),
                *("--ready-file", str(self._ready_file)),
                *("--clock-file", str(self._clock_file)),
                *("--state-file", str(self._state_file)),
                *("--log-format", "json"),
                *("--max-environments", str(_MOST_ENVIRONMENTS)),
                *(f"--prewarm={name}=1" for name in _PREWARMED),
            ],
            log=self.log,
            env=environment(aws_environment(self.aws_endpoint_url)),
            cwd=CHECKOUT,
        )

    def ready(self) -> bool:
        """Whether it has said so, and where: it goes to another port if one is taken by then."""
        if not self.running():
            return False
        try:
            said = json.loads(self._ready_file.read_text())
            self.port = urlsplit(said["gateway_url"]).port or self.port
            self.lambda_port = urlsplit(said["lambda_url"]).port or self.lambda_port
        except (OSError, ValueError, KeyError):
            return False
        return True


def aws_environment(endpoint_url: str) -> dict[str, str]:
    """What AWS clients need. The user's own credentials go to an endpoint of the user's only."""
    defaults = {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    given = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    own = "AWS_ENDPOINT_URL" not in given
    return {**defaults, **({} if own else given), "AWS_ENDPOINT_URL": endpoint_url}
