"""The operations of payments are held against the ledger; whose row is missing is found."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from tests.integration.ledger_sequencer.every_payment import Broken, Made, find, make
from tests.platform import platform, settings
from tests.simulation.own_platform import api, app_database_url, clock, owner, url

__all__ = ["api", "app_database_url", "clock", "make", "owner", "platform", "settings", "url"]


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
    find(
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


_NO_CAUSE = "no operation, refund or dispute of its payment caused it"


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
    for name, problems in (
        (
            "returned",
            (
                "its returned amount is 1000, in the ledger it is 0",
                "its returned settlement_amount is 1000, in the ledger it is 0",
            ),
        ),
        ("expired", ("its held amount is 0, in the ledger it is 1000",)),
        ("voided", ("its held amount is 0, in the ledger it is 1000",)),
    ):
        payment, operation = made.ids[name], made.row("payment_operations", name)
        lost = (
            f"WITH lines AS (DELETE FROM ledger_entries WHERE journal_id = '{operation}'),"
            f" listed AS (DELETE FROM ledger_unsequenced WHERE journal_id = '{operation}')"
            f" DELETE FROM journals WHERE id = '{operation}'"
        )
        assert found(name, lost) == [
            *(("transactions", payment, problem) for problem in problems),
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
