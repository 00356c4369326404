"""`paywright mail` in front of the emulator's endpoint, and of others."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from typer.testing import CliRunner, Result

from cli.errors import Failure
from cli.main import app
from tests.integration.cli.test_queue_command import plain_url
from tests.receivers import Receiver

__all__ = ["plain_url"]

SENDER = "platform@example.com"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ("mail", *arguments), env={"COLUMNS": "200"})


@pytest.fixture
def sent(aws_endpoint_url: str) -> Iterator[tuple[str, list[str]]]:
    """An address, and the ids of two mails to it."""
    address = f"{uuid.uuid4().hex}@example.com"
    ses: Any = boto3.client("ses", endpoint_url=aws_endpoint_url)
    ses.verify_email_identity(EmailAddress=SENDER)
    ids = []
    for subject, text in (("First", "One\nline"), ("Second ☕ \x1b[31m", "Two\x1b]0;x\x07\n")):
        answer = ses.send_email(
            Source=SENDER,
            Destination={"ToAddresses": [address]},
            Message={
                "Subject": {"Data": subject},
                "Body": {"Text": {"Data": text}, "Html": {"Data": "<b>Two</b>\n"}},
            },
        )
        ids.append(answer["MessageId"])
    yield address, ids
    ses.close()


def test_mails_are_listed_and_shown(sent: tuple[str, list[str]], aws_endpoint_url: str) -> None:
    address, ids = sent
    at = f"--endpoint-url={aws_endpoint_url}"
    listed = json.loads(run("list", f"--to={address}", "--json", at).stdout)
    assert [mail["id"] for mail in listed] == ids[::-1]
    assert listed[1]["subject"] == "First"
    assert len(json.loads(run("list", f"--to={address}", "--limit=1", "--json", at).stdout)) == 1
    table = run("list", f"--to={address}", at).stdout.splitlines()
    assert table[1].split()[0] == ids[1].partition("-")[0]
    assert "Second ☕" in table[1]
    first = run("show", ids[0][:12], at).stdout
    assert first.startswith(f"From: {SENDER}\nTo: {address}\nSent: 2")
    assert first.endswith("Subject: First\n\nOne\nline")
    assert run("show", ids[0], "--html", at).stdout == "<b>Two</b>\n"
    assert json.loads(run("show", ids[0], "--json", at).stdout) == listed[1]
    assert json.loads(run("show", f"--to={address}", "--json", at).stdout) == listed[0]


def test_no_mail_steers_a_terminal(sent: tuple[str, list[str]], aws_endpoint_url: str) -> None:
    address, ids = sent
    at = f"--endpoint-url={aws_endpoint_url}"
    for shown in (run("list", f"--to={address}", at), run("show", ids[1], at)):
        assert shown.exit_code == 0
        assert "\x1b" not in shown.stdout
        assert "\x07" not in shown.stdout


def test_what_there_is_not_is_said(aws_endpoint_url: str, plain_url: str) -> None:
    at = f"--endpoint-url={aws_endpoint_url}"
    assert run("list", "--to=nobody@example.com", at).stdout == (
        "No mail was sent to nobody@example.com yet.\n"
    )
    for given in ("0000", "x", "--to=nobody@example.com"):
        unknown = run("show", given, at).exception
        assert isinstance(unknown, Failure)
    stranger = Receiver()  # an endpoint that knows nothing of mails
    try:
        other = run("list", f"--endpoint-url=http://127.0.0.1:{stranger.port}").exception
    finally:
        stranger.close()
    assert isinstance(other, Failure)
    assert "does not show what was sent" in str(other)
    away = run("list", "--endpoint-url=http://127.0.0.1:9").exception
    assert isinstance(away, Failure)
    assert "does not answer" in str(away)
