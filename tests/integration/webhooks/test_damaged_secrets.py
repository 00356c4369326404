"""A secret that cannot be decrypted: its endpoint is sent nothing, and nobody else is held up."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from standardwebhooks import Webhook

from paywright.ids import typeid
from paywright.webhooks.attempts import UNSIGNED
from paywright.webhooks.message import Message
from paywright.webhooks.secrets import new_secret
from tests.integration.webhooks.conftest import PII_KEY, Merchant
from tests.receivers import Receiver, status


def encrypted(merchant: Merchant, secret: str, key: str = PII_KEY) -> bytes:
    row = merchant.owner.execute("SELECT pgp_sym_encrypt(%s, %s)", [secret, key]).fetchone()
    assert row is not None
    return bytes(row[0])


def damaged(merchant: Merchant, how: str) -> bytes:
    if how == "another key":
        return encrypted(merchant, new_secret(), "another-key")
    whole = encrypted(merchant, new_secret())
    return whole[:-1] if how == "cut off" else b"no message of PGP"


@pytest.mark.parametrize("how", ["another key", "cut off", "garbage"])
def test_a_damaged_secret_is_its_endpoints_alone(
    how: str,
    merchant: Merchant,
    receiver: Receiver,
    new_merchant: Callable[[str], Merchant],
    new_receiver: Callable[[], Receiver],
    caplog: pytest.LogCaptureFixture,
) -> None:
    others = new_receiver()
    others.replies.append(status(500))
    other = new_merchant(others.url)
    merchant.set_endpoint(secret_encrypted=damaged(merchant, how))
    messages = [merchant.message(), Message("theirs", other.message().body)]
    assert merchant.deliver(*messages) == []
    merchant.clock.advance(seconds=2)
    merchant.deliver_due()
    assert [each["status"] for each in other.deliveries()] == ["delivered"]
    assert len(others.received) == 2
    assert receiver.received == []
    assert [each["error"] for each in merchant.attempts()] == [UNSIGNED] * 2
    (line,) = [vars(each) for each in caplog.records if each.levelname == "ERROR"]
    assert line["endpoint"] == typeid("whe", merchant.endpoint()["id"])
    (pending,) = merchant.deliveries()
    assert (pending["status"], pending["last_error"]) == ("pending", UNSIGNED)

    merchant.set_endpoint(secret_encrypted=encrypted(merchant, secret := new_secret()))
    merchant.clock.advance(seconds=6)
    merchant.deliver_due()
    (received,) = receiver.received
    Webhook(secret).verify(received.body, received.headers)


def test_a_damaged_secret_of_before_is_left_out(merchant: Merchant, receiver: Receiver) -> None:
    merchant.set_endpoint(
        previous_secret_encrypted=damaged(merchant, "garbage"),
        previous_secret_expires_at=merchant.clock.now() + timedelta(hours=1),
    )
    merchant.deliver(merchant.message())
    (received,) = receiver.received
    assert len(received.headers["webhook-signature"].split()) == 1
    Webhook(merchant.secret).verify(received.body, received.headers)
