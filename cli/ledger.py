"""What `paywright ledger` asks of a database: balances, entries, proofs, signed heads."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from cli.errors import Failure
from cli.place import Place
from cli.progress import Progress
from cli.reading import opened
from paywright.clock import business_clock
from paywright.ids import parse_typeid, typeid

if TYPE_CHECKING:
    from paywright.http.lists import Page
    from paywright.ledger.verify import Report

_HEADS_KEY = "LEDGER_HEADS_KEY"


@dataclass(frozen=True)
class AccountBalance:
    """The balance of an account, credits less debits, in the currency's minor unit."""

    account_type: str
    currency: str
    processor: str
    balance: int


def balances(
    place: Place, merchant_id: UUID, *, livemode: bool, as_of: datetime | None
) -> list[AccountBalance]:
    """Every account of a merchant, now or as it was; Failure for a time to come."""
    from paywright.ledger import balances as ledger  # noqa: PLC0415 - only this command needs it

    if as_of is not None and as_of > business_clock(place.clock_file).now():
        raise Failure("--as-of lies in the future.")
    with opened(place, "ledger") as database_:
        if as_of is None:
            found = ledger.balances(database_, merchant_id, livemode=livemode)
        else:
            found = ledger.balances_at(database_, merchant_id, livemode=livemode, as_of=as_of)
    return [
        AccountBalance(
            each.account.account_type,
            each.account.currency,
            each.account.processor,
            -each.amount_minor,
        )
        for each in found
    ]


def entries(place: Place, merchant_id: UUID, *, livemode: bool, page: Page) -> list[dict[str, Any]]:
    """The entries of a page, of whatever account, as the API shows them and with the processor."""
    from paywright.http.entry_list import entry_rows, shown_entry  # noqa: PLC0415 - as above

    with opened(place, "ledger") as database_:
        found = entry_rows(database_, merchant_id, livemode=livemode, page=page, visible=None)
    rows = found.rows[: page.limit]
    return [shown_entry(row) | {"processor": row["processor"] or None} for row in rows]


def merchant_of(place: Place, payment: str) -> tuple[str, str]:
    """The ids of a payment and of the merchant whose ledger has it; Failure if none does."""
    payment_id = parse_typeid("txn", payment)
    if payment_id is None:
        raise Failure(f"{payment} is no payment's id: it begins with txn_.")
    with opened(place, "ledger") as database_:
        row = database_.one(
            b"SELECT merchant_id FROM ledger_entries WHERE transaction_id = %(id)s LIMIT 1",
            {"id": payment_id},
        )
    if row is None:
        raise Failure(f"Nothing is posted for {payment}.")
    return typeid("mer", row["merchant_id"]), payment


def verify(place: Place, from_head: Path | None, progress: Progress) -> Report:
    """Prove the ledger; from signed heads on where a file has some."""
    from paywright.ledger import heads  # noqa: PLC0415 - as above
    from paywright.ledger.verify import verify as prove  # noqa: PLC0415

    def watch(report: Report) -> None:
        progress.waiting(f"{report.merchants:,} merchants, {report.rows:,} rows")

    try:
        signed = () if from_head is None else heads.read(from_head, heads_key(place))
    except heads.BadHeads as error:
        raise Failure(f"{from_head}: {error}.") from error
    except OSError as error:
        raise Failure(f"{from_head} cannot be read: {error.strerror}.") from error
    now = business_clock(place.clock_file).now()
    with opened(place, "ledger") as database_:
        return prove(database_, now=now, heads=signed, watch=watch)


def export_heads(place: Place, file: Path) -> int:
    """Write the signed heads of all chains to a new file; how many there are."""
    from paywright.ledger import heads  # noqa: PLC0415 - as above

    now = business_clock(place.clock_file).now()
    try:
        with opened(place, "ledger") as database_:
            return heads.export(database_, heads_key(place), file, now=now)
    except FileExistsError as error:
        raise Failure(f"{file} exists already: heads are not written over others.") from error
    except OSError as error:
        raise Failure(f"{file} cannot be written: {error.strerror}.") from error


def heads_key(place: Place) -> bytes:
    """LEDGER_HEADS_KEY, else the key of this installation; Failure for one that is too short."""
    from paywright.ledger.heads import MIN_KEY_BYTES  # noqa: PLC0415 - as above

    given = os.environ.get(_HEADS_KEY)
    if not given:
        place.home.make()
        given = place.home.secret("ledger_heads_key")
    key = given.encode()
    if len(key) < MIN_KEY_BYTES:
        raise Failure(f"{_HEADS_KEY} is too short: give it at least {MIN_KEY_BYTES} characters.")
    return key
