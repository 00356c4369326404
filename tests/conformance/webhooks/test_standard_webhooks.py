"""Signatures against the vectors of Standard Webhooks; their sources are in the file."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from paywright.webhooks import signing
from paywright.webhooks.secrets import key_of, new_secret
from tests.verifying_receiver import query_for, verifying_receiver

VECTORS: dict[str, list[dict[str, Any]]] = json.loads(
    Path(__file__).with_name("standard_webhooks_vectors.json").read_text()
)

_UNMATCHED = "No matching signature found"
_REFUSALS = {
    "missing webhook-id": "Missing required headers",
    "missing webhook-timestamp": "Missing required headers",
    "missing webhook-signature": "Missing required headers",
    "timestamp not a number": "Invalid Signature Headers",
    "301 s old": "Message timestamp too old",
    "301 s in the future": "Message timestamp too new",
}
"""Of vectors to be rejected; all others have no signature that matches."""

Say = Callable[[dict[str, Any], dict[str, str], int], tuple[int, str]]


@pytest.fixture(scope="module")
def say() -> Iterator[Say]:
    """What a receiver in another process answers to a message, at a row's time and secret."""
    with verifying_receiver() as address:
        connection = HTTPConnection(address.removeprefix("http://"), timeout=30)

        def ask(row: dict[str, Any], headers: dict[str, str], now: int) -> tuple[int, str]:
            sent = {name: value.encode() for name, value in headers.items()}
            path = query_for(row["secret"], now)
            connection.request("POST", path, row["payload"].encode(), sent)
            with connection.getresponse() as response:
                return response.status, response.read().decode()

        yield ask
        connection.close()


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


def test_there_are_vectors_of_both_kinds() -> None:
    kinds = Counter(row["expect"] for row in VECTORS["verify"])
    assert kinds == {"accept": 7, "reject": 13}
    assert _REFUSALS.keys() < {row["name"] for row in VECTORS["verify"]}


@pytest.mark.parametrize("row", VECTORS["verify"], ids=lambda row: row["name"])
def test_a_receiver_takes_of_the_vectors_what_it_should(row: dict[str, Any], say: Say) -> None:
    status, said = say(row, row["headers"], row["now"])
    if row["expect"] == "accept":
        assert (status, said) == (200, "verified")
    else:
        assert (status, said) == (400, _REFUSALS.get(row["name"], _UNMATCHED))


@pytest.mark.parametrize("row", VECTORS["sign"], ids=lambda row: row.get("note", row["origin"]))
def test_a_receiver_takes_what_is_signed_here_and_nothing_that_was_changed(
    row: dict[str, Any], say: Say
) -> None:
    headers, now = _headers(row), row["timestamp"]
    unmatched = (400, _UNMATCHED)
    assert say(row, headers, now) == (200, "verified")
    assert say(row | {"payload": row["payload"] + " "}, headers, now) == unmatched
    assert say(row | {"secret": new_secret()}, headers, now) == unmatched
    assert say(row, headers | {"webhook-id": "evt_2"}, now) == unmatched
    assert say(row, headers | {"webhook-timestamp": str(now - 1)}, now) == unmatched
    assert say(row, headers, now + 301) == (400, "Message timestamp too old")
    assert say(row, headers, now - 301) == (400, "Message timestamp too new")


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
