"""What `paywright ledger` asks of a database: balances, entries, proofs, signed heads."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import psycopg

from cli import database
from cli.errors import Failure
from cli.place import Place
from cli.progress import Progress
from paywright import db
from paywright.clock import business_clock
from paywright.ids import parse_typeid, typeid

if TYPE_CHECKING:
    from paywright.http.lists import Page
    from paywright.ledger.verify import Report

_STATEMENT_TIMEOUT_MS = 60_000
_HEADS_KEY = "LEDGER_HEADS_KEY"


@dataclass(frozen=True)
class AccountBalance:
    """The balance of an account, credits less debits, in the currency's minor unit."""

    account_type: str
    currency: str
    processor: str
    balance: int


@contextmanager
def opened(place: Place) -> Iterator[db.Database]:
    """The place's database; whatever it refuses is a Failure of one sentence."""
    found = db.Database(
        place.database_url,
        statement_timeout_ms=_STATEMENT_TIMEOUT_MS,
        application_name="paywright ledger",
    )
    shown = database.without_password(place.database_url)
    try:
        yield found
    except psycopg.errors.UndefinedTable as error:
        raise Failure(f"The database {shown} has no ledger: apply the migrations.") from error
    except (db.Lost, psycopg.Error) as error:
        cause = error.__cause__ or error
        reason = (str(cause).strip() or type(cause).__name__).splitlines()[0]
        raise Failure(f"The database {shown} refuses: {reason.rstrip('.')}.") from error
    finally:
        found.close()


def balances(
    place: Place, merchant_id: UUID, *, livemode: bool, as_of: datetime | None
) -> list[AccountBalance]:
    """Every account of a merchant, now or as it was; Failure for a time to come."""
    from paywright.ledger import balances as ledger  # noqa: PLC0415 - only this command needs it

    if as_of is not None and as_of > business_clock(place.clock_file).now():
        raise Failure("--as-of lies in the future.")
    with opened(place) as database_:
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

    with opened(place) as database_:
        found = entry_rows(database_, merchant_id, livemode=livemode, page=page, visible=None)
    rows = found.rows[: page.limit]
    return [shown_entry(row) | {"processor": row["processor"] or None} for row in rows]


def merchant_of(place: Place, payment: str) -> tuple[str, str]:
    """The ids of a payment and of the merchant whose ledger has it; Failure if none does."""
    payment_id = parse_typeid("txn", payment)
    if payment_id is None:
        raise Failure(f"{payment} is no payment's id: it begins with txn_.")
    with opened(place) as database_:
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
    with opened(place) as database_:
        return prove(database_, now=now, heads=signed, watch=watch)


def export_heads(place: Place, file: Path) -> int:
    """Write the signed heads of all chains to a new file; how many there are."""
    from paywright.ledger import heads  # noqa: PLC0415 - as above

    now = business_clock(place.clock_file).now()
    try:
        with opened(place) as database_:
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
