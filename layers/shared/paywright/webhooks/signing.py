"""Signs what is sent: Standard Webhooks, and `X-Signature` for receivers that want it simple."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime

from standardwebhooks import Webhook

from paywright.webhooks.secrets import key_of


def headers(
    secrets: Sequence[str], event_id: str, sent_at: datetime, body: bytes
) -> dict[str, str]:
    """The headers that let a receiver know sender, event and time of one attempt.

    The id stays the same over all attempts, the time is the attempt's. There is a signature with
    each of the secrets, blanks between them (Standard Webhooks, "Signature scheme"). `X-Signature`
    is the hex HMAC-SHA256 of the body alone, with the first one's key: the base64-decoded part
    after `whsec_`.
    """
    text = body.decode()
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(int(sent_at.timestamp())),
        "webhook-signature": " ".join(
            [Webhook(secret).sign(event_id, sent_at, text) for secret in secrets]
        ),
        "X-Signature": hmac.new(key_of(secrets[0]), body, hashlib.sha256).hexdigest(),
        "X-Webhook-ID": event_id,
    }
