"""What is measured: the emulator, and the peers that are installed."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from tests.bench.processes import NotReady, answers, free_port, process, wait_until

HERE = Path(__file__).parent
EMULATOR = "emulator"
SERVERLESS_NODE = "serverless-offline 13, node"
SERVERLESS_PYTHON = "serverless-offline 13, Python"
MINISTACK = "MiniStack's Lambda, Python"
_PACKAGES = ("serverless@3.40.0", "serverless-offline@13.9.0")
_INSTALL_S = 600
_QUIET = {
    "SLS_TELEMETRY_DISABLED": "1",
    "SLS_TRACKING_DISABLED": "1",
    "SLS_NOTIFICATIONS_MODE": "off",
}


@dataclass(frozen=True)
class Running:
    """A system, started."""

    pid: int
    url: str
    log: Path

    def lines(self) -> Iterator[dict[str, object]]:
        """What it has logged so far."""
        with self.log.open() as log:
            for line in log:
                if line.startswith("{") and line.endswith("}\n"):
                    yield json.loads(line)


@contextmanager
def emulator(folder: Path, template: Path, *options: str) -> Iterator[Running]:
    """The emulator with its defaults, logging JSON, on ports of its own."""
    ready, log = folder / "ready.json", folder / "emulator.log"
    ready.unlink(missing_ok=True)
    argv = [sys.executable, "-m", "emulator", "--template", str(template), "--port", "0"]
    argv += ["--lambda-port", "0", "--log-format", "json", "--ready-file", str(ready), *options]
    with process(argv, log=log) as child:
        wait_until(ready.exists, "the emulator", child)
        found = json.loads(ready.read_text())
        yield Running(child.pid, found["gateway_url"] or "", log)


def install_serverless(cache: Path, say: Callable[[str], None]) -> Path | None:
    """The folder with serverless-offline, installed once; None, said why, if that cannot be."""
    folder = cache / "serverless-offline"
    program = folder / "node_modules" / "serverless" / "bin" / "serverless.js"
    if shutil.which("node") is None or shutil.which("npm") is None:
        say("serverless-offline is left out: node and npm are not installed")
        return None
    if not program.exists() or not (folder / "node_modules" / "serverless-offline").exists():
        say("Installing serverless-offline, once (a minute)")
        folder.mkdir(parents=True, exist_ok=True)
        npm = ["npm", "install", "--no-save", "--no-package-lock", "--no-audit", "--no-fund"]
        done = subprocess.run(
            [*npm, *_PACKAGES],
            check=False,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=_INSTALL_S,
        )
        if done.returncode != 0:
            say(f"serverless-offline is left out: npm said {done.stderr.strip()[-200:]}")
            return None
    for source in (*(HERE / "peers").iterdir(), HERE / "app" / "hello" / "app.py"):
        shutil.copy(source, folder)
    return folder


@contextmanager
def serverless(folder: Path) -> Iterator[dict[str, Running]]:
    """serverless-offline with the greeting in node (in its own process, as it does) and Python."""
    port, lambda_port = free_port(), free_port()
    url = f"http://127.0.0.1:{port}"
    argv = ["node", "node_modules/serverless/bin/serverless.js", "offline", "--host", "127.0.0.1"]
    argv += ["--httpPort", str(port), "--lambdaPort", str(lambda_port), "--noPrependStageInUrl"]
    log = folder / "offline.log"
    with process(argv, log=log, cwd=folder, env=_QUIET) as child:
        wait_until(lambda: answers(f"{url}/hello"), "serverless-offline", child, 120)
        found = {SERVERLESS_NODE: Running(child.pid, f"{url}/hello", log)}
        if answers(f"{url}/hello-python"):
            found[SERVERLESS_PYTHON] = Running(child.pid, f"{url}/hello-python", log)
        yield found


@contextmanager
def ministack(folder: Path) -> Iterator[dict[str, Running]]:
    """MiniStack as it comes, with the greeting behind its own HTTP API and Lambda."""
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    env = {
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",
        "MINISTACK_HOST": "127.0.0.1",
        "SERVICES": "lambda,apigateway,iam",
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "PERSIST_STATE": "0",
        "LOG_LEVEL": "WARNING",
        "TMPDIR": str(folder),
    }
    argv = [str(Path(sys.executable).parent / "ministack")]
    log = folder / "ministack.log"
    with process(argv, log=log, cwd=folder, env=env) as child:
        wait_until(lambda: answers(f"{endpoint}/_ministack/ready"), "MiniStack", child)
        url = f"{endpoint}/_aws/execute-api/{_http_api(endpoint)}/$default/hello"
        if not answers(url):
            raise NotReady(f"MiniStack does not answer {url}")
        yield {MINISTACK: Running(child.pid, url, log)}


def client(service: str, endpoint: str) -> Any:
    """A boto3 client of a local endpoint."""
    connect: Any = boto3.client
    return connect(
        service,
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"max_attempts": 0}, read_timeout=60, max_pool_connections=64),
    )


def _http_api(endpoint: str) -> str:
    """Make the greeting and a route to it; the API's id."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.write(HERE / "app" / "hello" / "app.py", "app.py")
    function = client("lambda", endpoint).create_function(
        FunctionName="hello",
        Runtime="python3.11",
        Role="arn:aws:iam::000000000000:role/bench",
        Handler="app.handler",
        Code={"ZipFile": archive.getvalue()},
        Timeout=30,
    )
    gateway = client("apigatewayv2", endpoint)
    api_id: str = gateway.create_api(Name="hello", ProtocolType="HTTP")["ApiId"]
    integration = gateway.create_integration(
        ApiId=api_id,
        IntegrationType="AWS_PROXY",
        IntegrationUri=function["FunctionArn"],
        PayloadFormatVersion="2.0",
    )
    gateway.create_route(
        ApiId=api_id,
        RouteKey="GET /hello",
        Target=f"integrations/{integration['IntegrationId']}",
    )
    gateway.create_stage(ApiId=api_id, StageName="$default", AutoDeploy=True)
    return api_id
