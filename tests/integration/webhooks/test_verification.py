"""What a receiver in another process makes of what is sent, with the library `standardwebhooks`."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from paywright.db import Database
from paywright.ids import UuidSource
from paywright.money import Currency
from paywright.payments.models import Caller, RequestContext
from paywright.webhooks import signing
from paywright.webhooks.endpoints import Endpoints
from paywright.webhooks.secrets import new_secret
from paywright.webhooks.sender import Answer, Sender
from tests.integration.webhooks.conftest import PII_KEY, Merchant
from tests.verifying_receiver import query_for, verifying_receiver

BODY = b'{"id":"evt_1",  "name":"Zo\xc3\xab"}'

UrlFor = Callable[[str], str]


@pytest.fixture(scope="module")
def url_for() -> Iterator[UrlFor]:
    """The URL at which the receiver believes in a secret."""
    with verifying_receiver() as address:
        yield lambda secret: address + query_for(secret)


@pytest.fixture
def sender() -> Iterator[Sender]:
    made = Sender(timeout_s=5, allow_loopback=True)
    yield made
    made.close()


def _said(answer: Answer) -> tuple[int | None, str | None]:
    return answer.status, answer.excerpt


def test_what_is_sent_is_verified(url_for: UrlFor, sender: Sender) -> None:
    secret = new_secret()
    headers = signing.headers([secret], "evt_1", datetime.now(UTC), BODY)
    assert _said(sender.post(url_for(secret), headers, BODY)) == (200, "evt_1")


def test_what_was_tampered_with_is_not(url_for: UrlFor, sender: Sender) -> None:
    secret, now = new_secret(), datetime.now(UTC)
    headers = signing.headers([secret], "evt_1", now, BODY)
    url = url_for(secret)
    unmatched = (400, "No matching signature found")
    assert _said(sender.post(url, headers, BODY.replace(b"  ", b" "))) == unmatched
    assert _said(sender.post(url, headers | {"webhook-id": "evt_2"}, BODY)) == unmatched
    later = str(int(now.timestamp()) + 1)
    assert _said(sender.post(url, headers | {"webhook-timestamp": later}, BODY)) == unmatched
    assert _said(sender.post(url_for(new_secret()), headers, BODY)) == unmatched


@pytest.mark.parametrize(
    ("age", "said"),
    [
        (timedelta(minutes=4), (200, "evt_1")),
        (timedelta(minutes=6), (400, "Message timestamp too old")),
        (timedelta(minutes=-6), (400, "Message timestamp too new")),
    ],
)
def test_an_old_timestamp_is_refused(
    url_for: UrlFor, sender: Sender, age: timedelta, said: tuple[int, str]
) -> None:
    secret = new_secret()
    headers = signing.headers([secret], "evt_1", datetime.now(UTC) - age, BODY)
    assert _said(sender.post(url_for(secret), headers, BODY)) == said


def _rotate(merchant: Merchant, database: Database) -> str:
    """The new secret of the merchant's endpoint."""
    key = merchant.owner.execute(
        "SELECT id FROM api_keys WHERE merchant_id = %s", [merchant.id]
    ).fetchone()
    assert key is not None
    caller = Caller(merchant.id, key[0], False, Currency.of("usd"), None, ())
    ids = UuidSource(merchant.clock)
    endpoints = Endpoints(database, PII_KEY, merchant.clock, ids, lambda _: None)
    context = RequestContext(None, b"", uuid.uuid4().hex, None, None)
    answer = endpoints.rotate_secret(caller, merchant.endpoint()["id"], context)
    return str(json.loads(answer.body)["secret"])


def test_the_secret_before_is_good_for_24_hours_of_business_time(
    url_for: UrlFor, new_merchant: Callable[[str], Merchant], app_database: Database
) -> None:
    merchant = new_merchant("http://127.0.0.1:9/")
    old = merchant.secret

    def verified_with(secret: str) -> bool:
        merchant.set_endpoint(url=url_for(secret), failing_since=None, rest_until=None)
        merchant.deliver(merchant.message())
        last = merchant.attempts()[-1]
        if last["status_code"] == 400:
            assert last["excerpt"] == "No matching signature found"
        return bool(last["status_code"] == 200)

    assert verified_with(old)
    new = _rotate(merchant, app_database)
    assert (verified_with(old), verified_with(new)) == (True, True)
    merchant.clock.advance(seconds=24 * 3600 - 60)
    assert (verified_with(old), verified_with(new)) == (True, True)
    merchant.clock.advance(seconds=61)
    assert (verified_with(old), verified_with(new)) == (False, True)


def test_the_simple_signature_is_of_the_new_secret() -> None:
    old, new = new_secret(), new_secret()
    both = signing.headers([new, old], "evt_1", datetime.now(UTC), BODY)
    alone = signing.headers([new], "evt_1", datetime.now(UTC), BODY)
    assert both["X-Signature"] == alone["X-Signature"]
    assert len(both["webhook-signature"].split(" ")) == 2
