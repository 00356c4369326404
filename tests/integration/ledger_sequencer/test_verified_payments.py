"""Payments, their operations and refunds are held against the ledger, and against each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import pytest

from paywright.db.payments import PostgresPayments
from paywright.ledger.verify import verify
from paywright.wiring import Platform
from tests.integration.ledger_sequencer.conftest import what
from tests.integration.ledger_sequencer.every_payment import BEFORE, Made, make
from tests.platform import platform, settings
from tests.simulation.own_platform import api, app_database_url, clock, owner, url

__all__ = ["api", "app_database_url", "clock", "make", "owner", "platform", "settings", "url"]

Broken = tuple[str, str, str, str]
"""The payment, what is changed, the table of the row that is named, and what is said of it."""


def test_what_is_under_way_is_no_disagreement(
    make: Callable[[], Made], platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the two steps of every operation, and after each."""
    seen: list[str] = []
    complete = PostgresPayments.complete

    def looked_at(store: PostgresPayments, completion: Any) -> bool:
        assert what(verify(platform.database, now=BEFORE).problems) == []
        seen.append(completion.record.audit_action)
        done = complete(store, completion)
        assert what(verify(platform.database, now=BEFORE).problems) == []
        return done

    monkeypatch.setattr(PostgresPayments, "complete", looked_at)
    made = make()
    assert made.problems() == [], "some are undecided for good"
    assert {action.rpartition("_")[0] for action in seen} == {
        "authorize",
        "capture",
        "void",
        "refund",
        "expire",
        "return",
        "refund_return",
    }
    assert {"authorize_failed", "refund_failed"} <= set(seen)


def _find(made: Made, cases: Sequence[Broken]) -> None:
    """Make each change by itself: the row is named, first, and what is wrong with it."""
    assert made.problems() == []
    for payment, change, table, said in cases:
        row = made.row(table, payment)
        with made.changed(change, made.ids[payment]):
            found = made.problems()
        assert found[:1] == [(table, row, said)], f"{payment}: {change}"
    assert made.problems() == [], "all of it was put back"


def test_a_payments_status_that_does_not_fit_is_found(make: Callable[[], Made]) -> None:
    becomes = {
        "sold": "captured",
        "converted": "captured",
        "captured": "captured",
        "held": "authorized",
        "captured in part": "authorized",
        "voided": "voided",
        "expired": "voided",
        "refunded in part": "captured",
        "refunded": "refunded",
        "refund failed": "captured",
        "refund pending": "captured",
        "refund came back": "captured",
        "returned": "failed",
        "not confirmed": "failed",
        "declined": "failed",
        "unknown": "pending",
        "transferring": "pending",
    }
    others = ("pending", "authorized", "captured", "voided", "failed", "refunded")
    cases = [
        (
            payment,
            f"UPDATE transactions SET status = '{other}' WHERE id = %(id)s",
            "transactions",
            f"its status is {other}, by its operations it is {status}",
        )
        for payment, status in becomes.items()
        for other in others
        if other != status
    ]
    _find(make(), cases)


_AMOUNTS = [
    ("sold", "captured_amount", 999, 1_000),
    ("captured", "captured_amount", 599, 600),
    ("sold", "settlement_amount", 1_007, 1_000),
    ("sold", "settlement_amount", 0, 1_000),
    ("refunded in part", "refunded_amount", 399, 400),
    ("refund pending", "pending_refund_amount", 401, 400),
    ("sold", "pending_refund_amount", 1, 0),
    ("refunded in part", "settlement_refunded_amount", 407, 400),
    ("refund failed", "settlement_refunded_amount", 400, 0),
    ("refunded in part", "fee_returned_amount", 13, 12),
]


def test_a_payments_amounts_that_are_not_posted_are_found(make: Callable[[], Made]) -> None:
    _find(
        make(),
        [
            (
                payment,
                f"UPDATE transactions SET {name} = {stored} WHERE id = %(id)s",
                "transactions",
                f"its {name} is {stored}, in the ledger it is {posted}",
            )
            for payment, name, stored, posted in _AMOUNTS
        ],
    )


def _set(payment: str, table: str, change: str, said: str) -> Broken:
    return payment, f"UPDATE {table} SET {change} WHERE transaction_id = %(id)s", table, said


def _payment(payment: str, change: str, said: str) -> Broken:
    return (
        payment,
        f"UPDATE transactions SET {change} WHERE id = %(id)s",
        "transactions",
        said,
    )


def test_what_else_a_payment_says_is_held_against_its_operations(make: Callable[[], Made]) -> None:
    _find(
        make(),
        [
            _payment("sold", "amount = 1001", "its amount is 1001, by its operations it is 1000"),
            _payment("unknown", "amount = 999", "its amount is 999, by its operations it is 1000"),
            _payment(
                "voided",
                "void_reason = 'expired'",
                "its void_reason is expired, by its operations it is requested",
            ),
            _payment(
                "expired",
                "void_reason = NULL",
                "its void_reason is none, by its operations it is expired",
            ),
            _payment(
                "held",
                "pending_reason = 'processor_unknown'",
                "its pending_reason is processor_unknown, by its operations it is none",
            ),
            _payment(
                "sold",
                "fee_share_amount = 40",
                "its fee_share_amount is 40, in the ledger the whole fee is 36",
            ),
            (
                "transferring",
                "WITH gone AS (DELETE FROM pending_operations WHERE transaction_id = %(id)s)"
                " DELETE FROM payment_operations WHERE transaction_id = %(id)s",
                "transactions",
                "no operation made it",
            ),
        ],
    )


def test_a_refund_that_does_not_agree_is_found(make: Callable[[], Made]) -> None:
    def refund(payment: str, change: str, said: str) -> Broken:
        return _set(payment, "refunds", change, said)

    statuses = {
        "refunded in part": "succeeded",
        "refund pending": "pending",
        "refund unknown": "pending",
        "refund failed": "failed",
        "refund came back": "failed",
    }
    _find(
        make(),
        [
            *(
                refund(
                    payment,
                    f"status = '{other}'",
                    f"its status is {other}, by its operations it is {status}",
                )
                for payment, status in statuses.items()
                for other in ("pending", "succeeded", "failed")
                if other != status
            ),
            *(
                refund(
                    payment,
                    f"{name} = {posted + 7}",
                    f"its {name} is {posted + 7}, in the ledger it is {posted}",
                )
                for payment in statuses
                for name, posted in (
                    ("amount", 400),
                    ("settlement_amount", 400),
                    ("fee_returned_amount", 12),
                )
            ),
            refund(
                "refunded in part",
                "pending_reason = 'processor_unknown'",
                "its pending_reason is processor_unknown, by its operations it is none",
            ),
            refund(
                "converted",
                "settlement_currency = 'eur'",
                "its currencies are not those of its payment",
            ),
            refund(
                "refunded",
                "operation_id = gen_random_uuid()",
                "its operation does not exist",
            ),
        ],
    )


def test_an_operation_that_does_not_agree_is_found(make: Callable[[], Made]) -> None:
    def operation(payment: str, change: str, said: str) -> Broken:
        newest = (
            "(SELECT max(id::text)::uuid FROM payment_operations WHERE transaction_id = %(id)s)"
        )
        return (
            payment,
            f"UPDATE payment_operations SET {change} WHERE id = {newest}",
            "payment_operations",
            said,
        )

    with_journal = {
        "captured in part": 300,
        "captured": 600,
        "refunded in part": 400,
        "refund failed": 400,
        "returned": 1_000,
        "refund came back": 400,
        "voided": 1_000,
        "expired": 1_000,
    }
    _find(
        make(),
        [
            *(
                operation(
                    payment,
                    "amount = amount + 7",
                    f"its amount is {posted + 7}, in the ledger it is {posted}",
                )
                for payment, posted in with_journal.items()
            ),
            operation(
                "refund pending",
                "amount = 407",
                "its amount is 407, that of its refund 400",
            ),
            operation("sold", "currency = 'eur'", "its currency is eur, that of its payment usd"),
            (
                "refund pending",
                "DELETE FROM pending_operations WHERE transaction_id = %(id)s",
                "payment_operations",
                "it is undecided, and nobody is to look at it",
            ),
            (
                "unknown",
                "UPDATE pending_operations SET amount = 7 WHERE transaction_id = %(id)s",
                "pending_operations",
                "it is not what its operation says",
            ),
        ],
    )


_NO_CAUSE = "neither an operation nor a refund of its payment caused it"


def test_what_belongs_together_is_missed(make: Callable[[], Made]) -> None:
    made = make()

    def found(payment: str, *statements: str) -> list[tuple[str, UUID | None, str]]:
        whole = " ".join(statements)
        with made.changed(whole, made.ids[payment]):
            return made.problems()

    def of(table: str, payment: str) -> str:
        return f"DELETE FROM {table} WHERE id = '{made.row(table, payment)}'"

    operation = made.row("payment_operations", "refund unknown")
    refund = made.row("refunds", "refund unknown")
    assert found("refund unknown", of("refunds", "refund unknown")) == [
        ("journals", refund, _NO_CAUSE),
        ("payment_operations", operation, "its refund does not exist"),
    ]
    assert found("refund unknown", of("payment_operations", "refund unknown")) == [
        ("refunds", refund, "its operation does not exist"),
        ("pending_operations", operation, "its operation does not exist"),
    ]
    operation = made.row("payment_operations", "refunded in part")
    assert found("refunded in part", of("payment_operations", "refunded in part")) == [
        ("journals", operation, _NO_CAUSE),
        ("refunds", made.row("refunds", "refunded in part"), "its operation does not exist"),
    ]
    payment, operation = made.ids["returned"], made.row("payment_operations", "returned")
    lost = (
        f"WITH lines AS (DELETE FROM ledger_entries WHERE journal_id = '{operation}'),"
        f" listed AS (DELETE FROM ledger_unsequenced WHERE journal_id = '{operation}')"
        f" DELETE FROM journals WHERE id = '{operation}'"
    )
    assert found("returned", lost) == [
        ("transactions", payment, "its returned amount is 1000, in the ledger it is 0"),
        ("transactions", payment, "its returned settlement_amount is 1000, in the ledger it is 0"),
        ("payment_operations", operation, "nothing is posted for it"),
    ]


def test_an_operation_and_its_journal_that_tell_two_stories_are_found(
    make: Callable[[], Made],
) -> None:
    """Others do not agree then either: that it is among them is enough."""
    made = make()
    newest = {name: made.row("payment_operations", name) for name in made.ids}
    refund = made.row("refunds", "refund pending")
    cases: list[tuple[str, str, tuple[str, UUID, str]]] = []
    for payment, wrong, said in (
        ("captured", "state = 'pending'", "it is undecided, and nobody is to look at it"),
        ("captured", "state = 'failed'", "it is failed, and posted all the same"),
        ("held", "amount = 1007", "its amount is 1007, in the ledger it is 1000"),
        ("sold", "amount = 1007", "its amount is 1007, in the ledger it is 1000"),
    ):
        of = newest[payment]
        change = f"UPDATE payment_operations SET {wrong} WHERE id = '{of}'"
        cases.append((payment, change, ("payment_operations", of, said)))
    for payment, of, table, kind in (
        ("refunded in part", newest["refunded in part"], "payment_operations", "refund"),
        ("refund pending", refund, "refunds", "refund_requested"),
    ):
        change = f"UPDATE journals SET kind = 'gift' WHERE id = '{of}'"
        cases.append((payment, change, (table, of, f"its journal is of the kind gift, not {kind}")))
    change = f"DELETE FROM journals WHERE id = '{refund}'"
    cases.append(("refund pending", change, ("refunds", refund, "nothing is posted for it")))
    for payment, change, problem in cases:
        with made.changed(change, made.ids[payment]):
            assert problem in made.problems(), change


def test_a_hold_that_was_not_released_as_it_should_is_found(make: Callable[[], Made]) -> None:
    made = make()
    payment, operation = made.ids["captured"], made.row("payment_operations", "captured")
    change = (
        "UPDATE ledger_entries SET amount = 600 WHERE amount = 1000"
        f" AND journal_id = '{operation}' AND account_type IN ('merchant_hold', 'customer_hold')"
    )
    with made.changed(change, payment):
        assert made.problems() == [
            ("transactions", payment, "its held amount is 0, in the ledger it is 400")
        ]


def test_what_is_decided_and_still_on_recoverys_list_is_found(make: Callable[[], Made]) -> None:
    made = make()
    operation = made.row("payment_operations", "sold")
    change = (
        "INSERT INTO pending_operations"
        " (merchant_id, operation_id, transaction_id, kind, amount, due_at)"
        " SELECT merchant_id, id, transaction_id, kind, amount, now()"
        f" FROM payment_operations WHERE id = '{operation}'"
    )
    with made.changed(change, made.ids["sold"]):
        assert made.problems() == [
            ("pending_operations", operation, "its operation is succeeded already")
        ]
