"""Addresses that are a stranger's, that were changed, and that cannot be read."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from paywright.ids import typeid
from paywright.notifications.mailer import Outcome
from paywright.notifications.notify import DELAYS_S, UNREADABLE
from paywright.notifications.store import MOST_A_DAY
from paywright.webhooks.message import Event
from tests.conformance.events.contract import check
from tests.integration.notifications.conftest import Merchant, Refusing
from tests.platform import PII_KEY

KEY_CREATED = "[test mode] A new API key was created for your account"
READDRESSED = "E-mails about your account go to another address"


def address() -> str:
    return f"{uuid.uuid4().hex}@example.org"


def at_noon(merchant: Merchant) -> None:
    """Tomorrow's, so that no day ends in the middle of a test."""
    now = merchant.clock.now()
    merchant.clock.ahead += now.replace(hour=12) + timedelta(days=1) - now


def subjects(merchant: Merchant, to: str | None = None) -> list[str]:
    return sorted(mail["Subject"] for mail in merchant.mails(to))


def test_a_stranger_gets_ten_mails_of_a_kind_a_day(
    merchant: Merchant, caplog: pytest.LogCaptureFixture
) -> None:
    assert MOST_A_DAY == 10
    at_noon(merchant)
    stranger = address()
    merchant.prefer(email=stranger)
    flood = [merchant.message("endpoint_disabled") for _ in range(13)]
    assert merchant.notify(*flood, *flood) == [None] * 26
    assert len(merchant.mails(stranger)) == 10
    withheld = [row for row in merchant.rows() if row[0] == "withheld"]
    assert withheld == [("withheld", 1, "10 of this kind came up before it on this day", None)] * 3
    (line,) = [vars(each) for each in caplog.records if each.levelname == "WARNING"]
    assert line["message"] == "Notifications are withheld until tomorrow"
    assert (line["merchant"], line["kind"]) == (typeid("mer", merchant.id), "endpoint_disabled")
    # It keeps no other kind from being told, and the next day begins anew.
    merchant.notify(merchant.message("dispute_opened"))
    assert len(merchant.mails(stranger)) == 11
    merchant.clock.ahead += timedelta(days=1)
    merchant.notify(*flood, merchant.message("endpoint_disabled"))
    assert len(merchant.mails(stranger)) == 12


def test_what_ses_did_not_take_counts_on_its_own_day(merchant: Merchant) -> None:
    at_noon(merchant)
    refusing = Refusing(lambda: Outcome(None, "Throttling: slow down"))
    messages = [merchant.message() for _ in range(12)]
    assert merchant.notify(*messages, mail=refusing) == [DELAYS_S[0]] * 10 + [None] * 2
    assert refusing.sent == 10, "SES may have sent each of them all the same"
    merchant.clock.ahead += timedelta(days=1)
    assert merchant.notify(*messages) == [None] * 12
    assert len(merchant.mails()) == 10
    assert merchant.notify(merchant.message()) == [None]
    assert len(merchant.mails()) == 11


def test_setting_addresses_in_turns_mails_nobody_without_end(merchant: Merchant) -> None:
    at_noon(merchant)
    victims = [address(), address()]
    for turn in range(30):
        merchant.prefer(email=victims[turn % 2])
    assert merchant.notify(*merchant.events()[1:]) == [None] * 30
    assert sum(len(merchant.mails(each)) for each in [*victims, merchant.email]) == 10


@pytest.mark.parametrize("how", ["handled last", "throttled once"])
def test_whose_address_is_taken_away_is_told_however_many_changes_follow(
    how: str, merchant: Merchant
) -> None:
    """Who has a stolen key can change addresses faster than mails go."""
    at_noon(merchant)
    for _ in range(12):
        merchant.prefer(email=address())
    first, *others = merchant.events()[1:]
    if how == "throttled once":
        throttling = Refusing(lambda: Outcome(None, "Throttling: slow down"))
        assert merchant.notify(first, mail=throttling) == [DELAYS_S[0]]
    assert merchant.notify(*reversed(others)) == [None] * 11
    assert merchant.mails() == []
    assert merchant.notify(first) == [None]
    assert subjects(merchant) == [READDRESSED]
    assert sorted(row[0] for row in merchant.rows()) == ["sent"] * 10 + ["withheld"] * 2


def test_a_new_key_is_told_to_the_merchants_own_address_whatever_it_prefers(
    merchant: Merchant,
) -> None:
    (made_before,) = merchant.events()
    chosen = address()
    merchant.prefer(email=chosen)
    assert merchant.notify(made_before) == [None]
    assert (subjects(merchant), subjects(merchant, chosen)) == ([KEY_CREATED], [KEY_CREATED])
    merchant.prefer(api_key_created=False)
    assert merchant.notify(merchant.message("api_key_created")) == [None]
    assert (len(merchant.mails()), len(merchant.mails(chosen))) == (2, 1)
    assert sorted(row[0] for row in merchant.rows()) == [*["sent"] * 3, "unwanted", "waiting"]


def test_the_own_address_as_the_chosen_one_gets_no_mail_twice(merchant: Merchant) -> None:
    merchant.prefer(email=merchant.email)
    (stored,) = merchant.owner.execute(
        "SELECT notification_email_encrypted FROM merchants WHERE id = %s", [merchant.id]
    ).fetchall()
    assert stored == (None,)
    assert merchant.notify(merchant.message("api_key_created")) == [None]
    assert subjects(merchant) == [KEY_CREATED]


def test_a_key_that_was_told_before_mails_had_recipients_is_told_to_the_own_address_once_more(
    merchant: Merchant,
) -> None:
    """As docs/deploy.md has it of the migration: its rows are of mails to the chosen address."""
    (message,) = merchant.events()
    assert isinstance(message.event, Event)
    merchant.owner.execute(
        "INSERT INTO notifications (merchant_id, event_id, kind, status, attempts, claimed_until,"
        " created_at) VALUES (%s, %s, 'api_key_created', 'sent', 1, now(), now())",
        [merchant.id, message.event.id],
    )
    assert merchant.notify(message, message) == [None, None]
    assert subjects(merchant) == [KEY_CREATED]


def test_an_address_that_ses_refuses_keeps_no_new_key_from_the_own_one(merchant: Merchant) -> None:
    class Particular(Refusing):
        def send(self, address: str, letter: Any) -> Outcome:
            return Outcome("sent") if address == merchant.email else super().send(address, letter)

    merchant.prefer(email=address())
    particular = Particular(lambda: Outcome(None, "MessageRejected: no"))
    message = merchant.message("api_key_created")
    assert merchant.notify(message, mail=particular) == [DELAYS_S[0]]
    assert merchant.notify(replace(message, attempt=2), mail=particular) == [DELAYS_S[1]]
    sent = [row[:2] for row in merchant.rows() if row[0] != "waiting"]
    assert sorted(sent) == [("failed", 2), ("sent", 1)]


def test_whoever_was_mailed_before_is_told_of_another_address(merchant: Merchant) -> None:
    first, second = address(), address()
    for email in (None, first, first, second, None, merchant.email, None):
        merchant.prefer(email=email)
    merchant.prefer(dispute_opened=False)
    events = merchant.events()[1:]
    rows = merchant.owner.execute(
        "SELECT payload::text, sequence FROM outbox WHERE merchant_id = %s AND type ="
        " 'merchant.notification_email_changed' ORDER BY id",
        [merchant.id],
    ).fetchall()
    assert [(check(text).sequence, sequence) for text, sequence in rows] == [(1, 1), (2, 2), (3, 3)]
    assert merchant.notify(*events, *events) == [None] * 6
    for told in (merchant.email, first, second):
        (mail,) = merchant.mails(told)
        assert mail["Subject"] == READDRESSED
        assert f"Merchant: {typeid('mer', merchant.id)}" in mail["BodyText"]
        assert "Changed with key: key_" in mail["BodyText"]
        assert "@" not in mail["BodyText"]


@pytest.mark.parametrize("how", ["another key", "garbage"])
def test_an_address_that_cannot_be_read_holds_up_no_other(
    how: str,
    merchant: Merchant,
    new_merchant: Callable[[], Merchant],
    caplog: pytest.LogCaptureFixture,
) -> None:
    def damage(column: str) -> None:
        damaged = b"no message of PGP"
        if how == "another key":
            ((damaged,),) = merchant.owner.execute(
                "SELECT pgp_sym_encrypt('a@b.example', 'another-key')"
            ).fetchall()
        statement = f"UPDATE merchants SET {column} = %s WHERE id = %s"
        merchant.owner.execute(statement.encode(), [damaged, merchant.id])

    other, chosen = new_merchant(), address()
    merchant.prefer(email=chosen)
    damage("email_encrypted")
    message = merchant.message("api_key_created")
    assert merchant.notify(message, other.message()) == [DELAYS_S[0], None]
    assert (len(other.mails()), subjects(merchant, chosen)) == (1, [KEY_CREATED])
    assert ("failed", 1, UNREADABLE, None) in merchant.rows()
    (line,) = [vars(each) for each in caplog.records if each.levelname == "ERROR"]
    assert line["merchant"] == typeid("mer", merchant.id)
    # Set again, it is told; and who has chosen one that is damaged can choose another.
    merchant.owner.execute(
        "UPDATE merchants SET email_encrypted = pgp_sym_encrypt(%s, %s) WHERE id = %s",
        [merchant.email, PII_KEY, merchant.id],
    )
    assert merchant.notify(message) == [None]
    assert (subjects(merchant), subjects(merchant, chosen)) == ([KEY_CREATED], [KEY_CREATED])
    damage("notification_email_encrypted")
    merchant.prefer(email=chosen)
    merchant.notify(merchant.message("endpoint_disabled"))
    assert len(merchant.mails(chosen)) == 2
    assert len(merchant.events()) == 2, "nobody can tell an address that cannot be read"
