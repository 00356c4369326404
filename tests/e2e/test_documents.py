"""Every command that README shows is run, and what it shows is what comes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.xdist_group("e2e")

_ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
_VOLATILE = re.compile(
    r"(?:txn|pm|cus|evt|mer|key)_[0-9a-z]{26}|sk_test_(?:…|[\w-]+)|\"fraud_score\": \d+"
    r"|\d+ ms|\d{4}-\d\d-\d\dT[\d:.]+Z|[\d,]+ merchants?, [\d,]+ rows"
)


def shown() -> list[tuple[str, list[str]]]:
    """The commands of README with the output that stands below each."""
    found: list[tuple[str, list[str]]] = []
    for block in _BLOCK.findall((_ROOT / "README.md").read_text()):
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


def test_readme_shows_commands() -> None:
    assert len(shown()) >= 8


def test_every_command_of_readme_runs_and_answers_as_shown(paywright) -> None:
    environment = {
        **paywright.env,
        "COLUMNS": "80",
        "KEY": paywright.demo.api_key,
        "CARD": paywright.demo.payment_method_id,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    urls = paywright.urls
    for command, expected in shown():
        if command.startswith("make "):
            continue  # below: they would start all of this again
        real = command.replace("http://127.0.0.1:3000", urls.gateway_url)
        real = real.replace("http://127.0.0.1:3002", urls.receiver_url)
        real = real.replace(".venv/bin/paywright", "paywright")
        missing = expected
        give_up = time.monotonic() + 20
        while missing and time.monotonic() < give_up:
            done = subprocess.run(
                ["bash", "-c", real],
                cwd=_ROOT,
                env=environment,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
            lines = {normal(line) for line in done.stdout.splitlines()}
            wanted = [normal(line) for line in expected if line.strip() not in ("…", "")]
            missing = [line for line in wanted if line not in lines]
            if "curl -s http://127.0.0.1:3002" not in command:
                break  # only webhooks may take a moment
        assert not missing, f"{command}\n{done.stdout}"


@pytest.mark.parametrize("target", ["up", "test", "check", "build", "setup-dev", "lock", "docs"])
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
