"""Every command that README and other documents show is run, and what it shows is what comes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.receivers import Receiver
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.xdist_group("e2e")

_ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
_DOCUMENTS = ("README.md", "docs/notifications.md", "docs/developing-receivers.md")
_VOLATILE = re.compile(
    r"(?:txn|pm|cus|evt|mer|key|whd|whe)_[0-9a-z]{26}|sk_test_(?:…|[\w-]+)|\"fraud_score\": \d+"
    r"|\d+ ms|\d{4}-\d\d-\d\dT[\d:.]+Z|[\d,]+ merchants?, [\d,]+ rows|whsec_(?:…|[\w+/=]+)"
    r"|^\d\d:\d\d:\d\d(?:\.\d+)?|(?:127\.0\.0\.1|localhost):\d+|^[0-9a-f]{8}(?= )"
)
# What ends with Ctrl-C, and what shows a thing that may take a moment.
_ENDLESS = (".venv/bin/paywright listen", ".venv/bin/paywright webhooks tail")
_LATER = (
    "curl -s http://127.0.0.1:3002",
    ".venv/bin/paywright mail",
    ".venv/bin/paywright queue peek",
    ".venv/bin/paywright webhooks list",
)


def shown(document: str) -> list[tuple[str, list[str]]]:
    """The commands of a document with the output that stands below each."""
    found: list[tuple[str, list[str]]] = []
    for block in _BLOCK.findall((_ROOT / document).read_text()):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            elif line.startswith("make "):
                found.append((line, []))
            else:
                found[-1][1].append(line)
    return found


def normal(line: str) -> str:
    return " ".join(_VOLATILE.sub("*", line).split())


def missing(expected: list[str], output: str) -> list[str]:
    """What is shown and did not come."""
    lines = {normal(line) for line in output.splitlines()}
    wanted = [normal(line) for line in expected if line.strip() not in ("…", "")]
    return [line for line in wanted if line not in lines]


@pytest.mark.parametrize("document", _DOCUMENTS)
def test_documents_show_commands(document: str) -> None:
    assert len(shown(document)) >= 4


@pytest.mark.parametrize("document", _DOCUMENTS)
def test_every_command_of_a_document_runs_and_answers_as_shown(paywright, document: str) -> None:
    environment = {
        **paywright.env,
        "COLUMNS": "80",
        "KEY": paywright.demo.api_key,
        "CARD": paywright.demo.payment_method_id,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    for command, expected in shown(document):
        if command.startswith("make "):
            continue  # below: they would start all of this again
        if command.startswith(_ENDLESS):
            follow(paywright, command, expected, environment)
            continue
        give_up = time.monotonic() + PATIENCE_S
        while True:
            done = subprocess.run(
                ["bash", "-c", real(paywright, command)],
                cwd=_ROOT,
                env=environment,
                capture_output=True,
                text=True,
                timeout=PATIENCE_S,
                check=False,
            )
            assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
            lacking = missing(expected, done.stdout)
            if not lacking or not command.startswith(_LATER) or time.monotonic() > give_up:
                break
        assert not lacking, f"{command}\n{done.stdout}"


def real(paywright, command: str) -> str:
    """A command for the system that runs here."""
    urls = paywright.urls
    command = command.replace("http://127.0.0.1:3000", urls.gateway_url)
    command = command.replace("http://127.0.0.1:3002", urls.receiver_url)
    return command.replace(".venv/bin/paywright", "paywright")


def follow(paywright, command: str, expected: list[str], environment: dict[str, str]) -> None:
    """Run a command that ends with Ctrl-C, while a payment is taken."""
    server = Receiver()
    command = real(paywright, command).replace("localhost:8000", f"127.0.0.1:{server.port}")
    process = subprocess.Popen(
        ["bash", "-c", f"exec {command}"],
        cwd=_ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    stuck = threading.Timer(PATIENCE_S, process.kill)
    stuck.start()
    output, is_told = "", False
    try:
        assert process.stdout is not None
        for line in process.stdout:
            output += line
            if line == "Ready.\n":
                content = {"amount": 1999, "currency": "usd"}
                method = {"payment_method_id": paywright.demo.payment_method_id}
                paywright.api.created("/v1/payments", content | method)
            if not missing(expected, output) and not is_told:
                process.send_signal(signal.SIGINT)
                is_told = True
        assert process.wait(30) == 0, f"{command}\n{output}"
    finally:
        stuck.cancel()
        process.kill()
        process.communicate()
        server.close()
    assert not missing(expected, output), f"{command}\n{output}"


@pytest.mark.parametrize(
    "target", ["up", "test", "faults", "check", "build", "setup-dev", "lock", "docs"]
)
def test_every_make_target_of_the_documents_exists(target: str) -> None:
    documents = (_ROOT / "README.md").read_text() + (_ROOT / "CONTRIBUTING.md").read_text()
    assert f"make {target}" in documents
    done = subprocess.run(
        ["make", "--dry-run", target], cwd=_ROOT, capture_output=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_links_of_the_documents_lead_somewhere() -> None:
    for document in (_ROOT / "README.md", *(_ROOT / "docs").rglob("*.md")):
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", document.read_text()):
            if not target.startswith("http"):
                assert (document.parent / target).exists(), f"{document.name}: {target}"
