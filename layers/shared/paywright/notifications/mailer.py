"""SES: sends one mail, with a short timeout and without trying twice."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from paywright.notifications.letters import Letter

_CONNECT_TIMEOUT_S, _READ_TIMEOUT_S = 2, 5
LONGEST_S = _CONNECT_TIMEOUT_S + _READ_TIMEOUT_S
_ADDRESS = re.compile(r"[^\s<>,;:]+@[^\s<>,;:]+")
_LONGEST_ERROR = 300


@dataclass(frozen=True, slots=True)
class Outcome:
    """The id that SES gave a mail, or why it has taken none, without an address in it."""

    message_id: str | None
    error: str | None = None


class Mailer:
    """Sends from one address; the endpoint is AWS_ENDPOINT_URL's, which boto3 reads itself."""

    def __init__(self, sender: str, client: Any | None = None) -> None:
        self._sender = sender
        # One attempt: SES knows no idempotency key, and the queue tries again, later.
        config = Config(
            connect_timeout=_CONNECT_TIMEOUT_S,
            read_timeout=_READ_TIMEOUT_S,
            retries={"total_max_attempts": 1},
        )
        self._client = client or boto3.client("ses", config=config)

    def send(self, address: str, letter: Letter) -> Outcome:
        """Send a letter; nothing is raised. After a timeout SES may have sent it all the same."""
        try:
            answer = self._client.send_email(
                Source=f"Paywright <{self._sender}>",
                Destination={"ToAddresses": [address]},
                Message={
                    "Subject": _text(letter.subject),
                    "Body": {"Text": _text(letter.text), "Html": _text(letter.html)},
                },
            )
        except ClientError as error:
            said = error.response.get("Error", {})
            return _refused(f"{said.get('Code')}: {said.get('Message')}")
        except BotoCoreError as error:
            return _refused(f"{type(error).__name__}: {error}")
        return Outcome(str(answer["MessageId"]))


def _refused(reason: str) -> Outcome:
    return Outcome(None, _ADDRESS.sub("…", reason)[:_LONGEST_ERROR])


def _text(text: str) -> Any:
    return {"Data": text, "Charset": "UTF-8"}
