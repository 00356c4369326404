"""Payments and refunds are held against the ledger, and against what was done to them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from paywright.db.payments import PostgresPayments
from paywright.ledger.verify import verify
from paywright.wiring import Platform
from tests.integration.ledger_sequencer.conftest import what
from tests.integration.ledger_sequencer.every_payment import BEFORE, Broken, Made, find, make
from tests.platform import platform, settings
from tests.simulation.own_platform import api, app_database_url, clock, owner, url

__all__ = ["api", "app_database_url", "clock", "make", "owner", "platform", "settings", "url"]


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
    find(make(), cases)


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
    find(
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
    find(
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
            *(
                _payment(
                    payment,
                    f"fee_share_amount = {share + 5}",
                    f"its fee_share_amount is {share + 5}, by its operations it is {share}",
                )
                for payment, share in (("sold", 29), ("captured", 17), ("captured in part", 9))
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
    find(
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


def test_a_fees_share_is_no_more_than_the_fee_where_operations_do_not_tell(
    make: Callable[[], Made],
) -> None:
    """Those of before the column was."""
    made = make()
    made.owner.execute("UPDATE payment_operations SET fee_share_amount = NULL")
    most = 36
    for share in (most, most + 1):
        change = f"UPDATE transactions SET fee_share_amount = {share} WHERE id = %(id)s"
        said = f"its fee_share_amount is {share}, in the ledger the whole fee is {most}"
        with made.changed(change, made.ids["sold"]):
            problems = [("transactions", made.ids["sold"], said)] if share > most else []
            assert made.problems() == problems
