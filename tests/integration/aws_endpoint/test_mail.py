"""SES: who may send, and what is kept of what was sent."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from emulator.aws_server.mail import MOST_KEPT, MailBox

SENDER = "platform@example.com"


def send(ses: Any, subject: str) -> str:
    answer = ses.send_email(
        Source=SENDER,
        Destination={"ToAddresses": ["ada@example.com"]},
        Message={
            "Subject": {"Data": subject},
            "Body": {"Text": {"Data": "Zoë ☕"}, "Html": {"Data": "<p>Zoë ☕</p>"}},
        },
    )
    return str(answer["MessageId"])


def sent(url: str) -> list[dict[str, Any]]:
    with urllib.request.urlopen(f"{url}/_ministack/ses/messages", timeout=10) as answer:
        found: dict[str, list[dict[str, Any]]] = json.loads(answer.read())["messages"]
    return [mail for mails in found.values() for mail in mails]


def test_a_sender_must_be_verified(start: Callable[[], Any]) -> None:
    endpoint = start()
    with pytest.raises(ClientError, match="not verified"):
        send(endpoint.client("ses"), "no")
    assert sent(endpoint.url) == []


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_senders_and_mail_outlive_the_process(start: Callable[[], Any], how: str) -> None:
    first = start()
    ses = first.client("ses")
    ses.verify_email_identity(EmailAddress=SENDER)
    ids = [send(ses, "one"), send(ses, "two")]
    v2 = first.client("sesv2")
    answer = v2.send_email(
        FromEmailAddress=SENDER,
        Destination={"ToAddresses": ["ada@example.com"]},
        Content={"Simple": {"Subject": {"Data": "three"}, "Body": {"Text": {"Data": "3"}}}},
    )
    ids.append(answer["MessageId"])
    if how == "kill":
        first.kill()
    else:
        first.server.stop()

    second = start()
    assert [mail["MessageId"] for mail in sent(second.url)] == ids
    ids.append(send(second.client("ses"), "four"))
    found = sent(second.url)
    assert [mail["MessageId"] for mail in found] == ids
    assert [mail["Subject"] for mail in found] == ["one", "two", "three", "four"]
    assert found[0]["BodyText"] == "Zoë ☕"


def test_only_the_latest_is_kept_and_a_torn_line_does_no_harm(tmp_path: Path) -> None:
    file = tmp_path / "state" / "mail.jsonl"
    box = MailBox(file)
    gone = [box.add({"n": number}) for number in range(3 * MOST_KEPT)]
    assert [mail["n"] for mail in gone if mail] == list(range(2 * MOST_KEPT))
    assert len(file.read_text().splitlines()) <= 2 * MOST_KEPT
    assert file.stat().st_mode & 0o077 == 0
    with file.open("a") as opened:
        opened.write('{"n": 17')
    latest = [{"n": number} for number in range(2 * MOST_KEPT, 3 * MOST_KEPT)]
    assert MailBox(file).mails == box.mails == latest
