"""`paywright emulator` runs SAM apps of others: a guest book with all it has, and one alone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest

from tests.waiting import until

FIXTURES = Path(__file__).parents[1] / "fixtures"
_LIMIT_S = 120


@contextmanager
def emulator(app: str, folder: Path, *arguments: str) -> Iterator[dict[str, str]]:
    """Run the command on a fixture's template; where it serves."""
    ready = folder / "ready.json"
    command = [sys.executable, "-m", "cli.main", "emulator"]
    command += ["--template", str(FIXTURES / app / "template.yaml"), "--ready-file", str(ready)]
    command += ["--port", "0", "--lambda-port", "0", *arguments]
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=_env(folder), stdout=output, stderr=output)
    try:
        until(lambda: ready.exists() or process.poll() is not None)
        assert process.poll() is None, log.read_text()
        yield json.loads(ready.read_text())
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(_LIMIT_S) == 0, log.read_text()


def _env(folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "AWS_ENDPOINT_URL"}
    return {**kept, "PAYWRIGHT_HOME": str(folder / "home"), "COLUMNS": "160"}


def command(folder: Path, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run another command of `paywright` in the emulator's home."""
    return subprocess.run(
        [sys.executable, "-m", "cli.main", *arguments],
        env=_env(folder),
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=_LIMIT_S,
    )


def test_a_guest_book(tmp_path: Path, aws_endpoint_url: str) -> None:
    sqs = boto3.client("sqs", endpoint_url=aws_endpoint_url)
    at = ("--aws-endpoint", aws_endpoint_url, "--param", f"Folder={tmp_path}")
    with emulator("guestbook", tmp_path, *at) as urls, httpx.Client(timeout=30) as client:
        api = urls["gateway_url"]
        assert client.get(api).json() == {"welcome": "Welcome to the villa"}

        entry = {"text": "Lovely stay", "stars": 5}
        assert client.post(f"{api}/entries", json=entry).status_code == 401
        stranger = {"x-guest": "stranger"}
        assert client.post(f"{api}/entries", json=entry, headers=stranger).status_code == 403
        for guest, text, stars in (("ann", "Lovely", 5), ("bob", "Cold", 2), ("eve", "rude", 5)):
            answer = client.post(
                f"{api}/entries", json={"text": text, "stars": stars}, headers={"x-guest": guest}
            )
            assert (answer.status_code, answer.json()) == (202, {"guest": guest})

        until(lambda: len(client.get(f"{api}/entries").json()) == 2)
        (page,) = client.get(f"{api}/entries/ann").json()
        assert (page["text"], page["stars"]) == ("Lovely", 5)

        # The rule's pattern lets only the content guests through, its InputPath only the detail.
        until(lambda: _of_kind(tmp_path, "thanks"))
        assert _of_kind(tmp_path, "thanks") == [{"kind": "thanks", "guest": "ann"}]

        run = httpx.post(
            f"{urls['lambda_url']}/_emulator/schedules/run",
            json={"name": "TallyHourly", "group": "default"},
            timeout=30,
        )
        assert run.status_code == 200, run.text
        tally = until(lambda: _of_kind(tmp_path, "tally"))
        assert tally == [{"kind": "tally", "count": 2, "who": "the house"}]

        names = [url.rpartition("/")[2] for url in sqs.list_queues()["QueueUrls"]]
        assert {"local-Refused", "local-Uncounted", "local-ThankAcceptedQueue"} <= set(names)
        assert "local-Cellar" in names


def test_an_app_with_queues_gets_an_endpoint(tmp_path: Path) -> None:
    data = tmp_path / "aws"
    at = ("--param", f"Folder={tmp_path}", "--aws-data-dir", str(data))
    with emulator("guestbook", tmp_path, *at) as urls:
        url = f"{urls['gateway_url']}/entries"
        entry = {"text": "Lovely", "stars": 5}
        assert httpx.post(url, json=entry, headers={"x-guest": "ann"}, timeout=30).is_success
        until(lambda: _of_kind(tmp_path, "thanks"))
        endpoint = urls["aws_endpoint_url"]
        assert httpx.get(f"{endpoint}/_emulator/queues", timeout=30).is_success
        assert processes_of(data), "the endpoint is told of its folder"
    # Not by its port, which another test's endpoint may have by now.
    assert processes_of(data) == []
    assert (data / "state").is_dir()


def processes_of(folder: Path) -> list[str]:
    """The processes that were told of a folder, by their arguments or their variables."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            told = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
            if str(folder).encode() in told:
                found.append(process.name)
    return found


def test_commands_go_to_the_app_that_runs(tmp_path: Path) -> None:
    def run(*arguments: str, stdin: str = "") -> str:
        done = command(tmp_path, *arguments, stdin=stdin)
        assert done.returncode == 0, done.stderr
        return done.stdout

    nothing = command(tmp_path, "invoke", "Tally", "--event", "-", stdin="{}")
    assert nothing.stderr.startswith("paywright: Nothing runs here: start Paywright with")
    with emulator("guestbook", tmp_path, "--param", f"Folder={tmp_path}"):
        event = {
            "rawPath": "/entries",
            "rawQueryString": "",
            "headers": {"x-guest": "ann", "content-type": "application/json"},
            "requestContext": {"http": {"method": "POST"}},
            "body": json.dumps({"text": "${UNIQUE}", "stars": 5}),
        }
        fired = run("fire", "-", stdin=json.dumps(event))
        assert "202 Accepted" in fired
        assert "gateway" in fired
        until(lambda: _of_kind(tmp_path, "thanks"))

        assert "local-Cellar" in run("queue", "list")
        assert "TallyHourly" in run("schedule", "list")
        assert "was reached" in run("schedule", "run", "TallyHourly")
        until(lambda: _of_kind(tmp_path, "tally"))
        assert "ahead            0s" in run("clock", "show")
        assert "1d 12h ahead" in run("clock", "advance", "36h")
        assert "1d 12h" in run("clock", "show")
        given = run("invoke", "Tally", "--event", "-", stdin='{"who": "we"}')
        assert json.loads(given) is None

        lines = [json.loads(line) for line in run("logs", "--json", "-n", "5000").splitlines()]
        assert any(line["kind"] == "access" for line in lines)
        refused = command(tmp_path, "reset", "--yes")
        assert refused.stderr == "paywright: `paywright emulator` is running: stop it first.\n"

        other = command(
            tmp_path, "emulator", "--template", str(FIXTURES / "nothing" / "template.yaml")
        )
        assert "Another emulator runs here, and commands go to that one" in other.stderr
    assert "stopping" in run("logs", "--json"), "the log stays"
    assert not (tmp_path / "home" / "emulator" / "emulator.json").exists()


def _of_kind(folder: Path, kind: str) -> list[dict[str, Any]]:
    book = folder / "book.jsonl"
    lines = book.read_text().splitlines() if book.exists() else []
    return [entry for entry in map(json.loads, lines) if entry["kind"] == kind]


def test_an_app_without_queues_needs_nothing_else(tmp_path: Path) -> None:
    with emulator("guarded_app", tmp_path) as urls:
        url = f"{urls['gateway_url']}/live/asked/1"
        assert httpx.get(url, timeout=30).status_code == 401
        answer = httpx.get(url, headers={"authorization": "yes"}, timeout=30)
        assert answer.json()["requestContext"]["authorizer"]["lambda"]["who"] == "ann"
        warnings = (tmp_path / "log").read_text()
    assert "GET /iam is closed, it answers 500: IAM authorization is not emulated" in warnings


@pytest.mark.parametrize(
    ("app", "arguments", "sentence"),
    [
        ("guestbook", (), "template.yaml:8: the parameter Folder has no default: pass a value"),
        ("guestbook", ("--param", "House=tent", "--param", "Folder=x"), "is not one of villa, hut"),
        ("nothing", (), "template.yaml: it cannot be read: No such file or directory"),
    ],
)
def test_what_keeps_an_app_from_starting_is_one_sentence(
    tmp_path: Path, app: str, arguments: tuple[str, ...], sentence: str
) -> None:
    template = str(FIXTURES / app / "template.yaml")
    done = command(tmp_path, "emulator", "--template", template, *arguments)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1
