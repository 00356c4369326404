"""Signatures against the vectors of Standard Webhooks; their sources are in the file."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from paywright.webhooks import signing
from paywright.webhooks.secrets import key_of, new_secret

VECTORS: dict[str, list[dict[str, Any]]] = json.loads(
    Path(__file__).with_name("standard_webhooks_vectors.json").read_text()
)


def _headers(row: dict[str, Any]) -> dict[str, str]:
    sent_at = datetime.fromtimestamp(row["timestamp"], UTC)
    return signing.headers([row["secret"]], row["id"], sent_at, row["payload"].encode())


@pytest.mark.parametrize("row", VECTORS["sign"], ids=lambda row: row.get("note", row["origin"]))
def test_signatures_are_those_of_the_vectors(row: dict[str, Any]) -> None:
    headers = _headers(row)
    assert headers["webhook-signature"] == row["signature"]
    assert headers["webhook-id"] == headers["X-Webhook-ID"] == row["id"]
    assert headers["webhook-timestamp"] == str(row["timestamp"])


@pytest.mark.parametrize("row", VECTORS["sign"], ids=lambda row: row.get("note", row["origin"]))
def test_x_signature_is_the_hex_hmac_of_the_body_with_the_decoded_secret(
    row: dict[str, Any],
) -> None:
    expected = hmac.digest(key_of(row["secret"]), row["payload"].encode(), hashlib.sha256)
    assert _headers(row)["X-Signature"] == expected.hex()


@pytest.mark.parametrize(
    "row", [row for row in VECTORS["verify"] if row["expect"] == "accept"], ids=lambda r: r["name"]
)
def test_what_a_receiver_accepts_holds_our_signature(row: dict[str, Any]) -> None:
    given = {name.lower(): value for name, value in row["headers"].items()}
    sent_at = datetime.fromtimestamp(int(given["webhook-timestamp"]), UTC)
    ours = signing.headers([row["secret"]], given["webhook-id"], sent_at, row["payload"].encode())
    assert ours["webhook-signature"] in given["webhook-signature"].split()


def test_the_library_verifies_what_is_sent_now_and_nothing_else() -> None:
    secret, body = new_secret(), '{"id": "evt_1", "name": "Zoë ☕"}'.encode()
    headers = signing.headers([secret], "evt_1", datetime.now(UTC), body)
    assert Webhook(secret).verify(body, headers) == json.loads(body)
    for other, changed, sent in (
        (new_secret(), body, headers),
        (secret, body + b" ", headers),
        (secret, body, headers | {"webhook-id": "evt_2"}),
        (secret, body, headers | {"webhook-timestamp": "1614265330"}),
    ):
        with pytest.raises(WebhookVerificationError):
            Webhook(other).verify(changed, sent)
