"""LocalStack, without Docker, in the place of the emulator's own AWS endpoint.

`make compat` sets it up in a venv of its own: it wants Python 3.13. Tests here are those of the
emulator's own endpoint, run once more.
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.emulator_events import conftest as events

PYTHON = Path(__file__).parents[2] / ".venv-localstack" / "bin" / "python"
_START_TIMEOUT_S = 90

aws = events.aws
load_app = events.load_app
own_account = events.own_account
started = events.started


@pytest.fixture(scope="session")
def aws_endpoint_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A LocalStack of this run, which listens on this machine only."""
    if not PYTHON.exists():
        pytest.skip("LocalStack is not set up: run `make compat`, which needs Python 3.13")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = tmp_path_factory.mktemp("localstack")
    settings = {
        "GATEWAY_LISTEN": f"127.0.0.1:{port}",
        "GATEWAY_SERVER": "hypercorn",  # its default one listens on every address
        "LOCALSTACK_HOST": f"127.0.0.1:{port}",
        "SERVICES": "sqs,events,scheduler",
        "STRICT_SERVICE_LOADING": "1",
        "EAGER_SERVICE_LOADING": "1",
        "SQS_ENDPOINT_STRATEGY": "path",
        "DISABLE_EVENTS": "1",
        "SKIP_SSL_CERT_DOWNLOAD": "1",
        "DNS_ADDRESS": "0",
        "FILESYSTEM_ROOT": str(folder),
        "HOME": str(folder),
    }
    url = f"http://127.0.0.1:{port}"
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [PYTHON, "-m", "localstack.runtime.main"],
            env={**os.environ, **settings},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not _is_ready(url):
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"LocalStack did not start:\n{log.read_text()[-2_000:]}")
            time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/_localstack/health", timeout=5):
            return True
    except OSError:
        return False
