"""The sequencer: gives journals their order, chains their hashes and writes running balances.

Writers of journals only insert, and never wait for each other; the order is made here, by one
writer, in batches. Taking journals off the list and appending them to the chain is one transaction.
A batch is of all merchants, and one of them whose journals cannot be sequenced holds up no other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any
from uuid import UUID

import psycopg

from paywright import db
from paywright.clock import Clock
from paywright.ledger.chain import (
    Account,
    AccountHead,
    ChainHead,
    ChainKey,
    EntryRow,
    JournalRow,
    Link,
    append,
)
from paywright.observability import tell_trouble

BATCH = 500
POLL_S = 1.0
AGAIN_AFTER = timedelta(minutes=1)
"""How long a merchant is left aside whose journals could not be sequenced."""

_TROUBLE = (
    "A merchant's journals cannot be sequenced. Balances stay exact, and it is tried again in a "
    "minute. Look at the cause below, and at what `paywright ledger verify` says of that merchant"
)

_QUERIES = db.load(__file__)


class Sequencer:
    """Appends to the chain, one batch at a time."""

    def __init__(self, database: db.Database, clock: Clock, *, batch: int = BATCH) -> None:
        self._database = database
        self._clock = clock
        self._batch = batch
        self._aside: dict[UUID, datetime] = {}  # merchants, and until when

    def run_once(self) -> bool:
        """Sequence one batch; are there more journals to be taken at once?

        When another sequencer is at work, there is nothing for this one to do. Where the batch
        cannot be written it is tried merchant by merchant; who fails then is told as an error and
        left aside for `AGAIN_AFTER`. Raise `db.Lost` when the database is away: nothing is taken.
        """
        now = self._clock.now()
        self._aside = {each: until for each, until in self._aside.items() if until > now}
        try:
            return self._sequence(self._batch) == self._batch
        except db.Lost:
            raise
        except Exception:  # noqa: S110 - whatever it is, it is told with whose journals it is
            pass
        return self._merchant_by_merchant()

    def _merchant_by_merchant(self) -> bool:
        values = {"limit": self._batch, "aside": list(self._aside)}
        found = self._database.all(_QUERIES["batch"], values)
        for row in found:
            merchant_id = row["merchant_id"]
            try:
                self._sequence(row["journals"], merchant_id)
            except db.Lost:
                raise
            except Exception as error:
                self._aside[merchant_id] = self._clock.now() + AGAIN_AFTER
                tell_trouble(_TROUBLE, merchant_id, error)
        taken: int = sum(row["journals"] for row in found)
        return taken == self._batch

    def _sequence(self, limit: int, merchant_id: UUID | None = None) -> int:
        """Sequence so many of one merchant or of all that are not aside; how many there were."""
        with self._database.transaction() as connection:
            alone = connection.execute(_QUERIES["lock"]).fetchone()
            if alone is None or not alone["alone"]:
                return 0
            values = {"limit": limit, "merchant_id": merchant_id, "aside": list(self._aside)}
            rows = connection.execute(_QUERIES["take"], values).fetchall()
            journals = list(journals_of(rows))
            if not journals:
                return 0
            chains, accounts, last = _heads(connection, journals)
            links = append(journals, chains, accounts, moment_after(last, self._clock.now()))
            _write(connection, links)
        return len(journals)


def moment_after(last: datetime | None, now: datetime) -> datetime:
    """When a batch is sequenced: a whole millisecond, since that is what the API shows of it.

    Rounded up, so that whoever asked for a moment that has passed never sees it grow; and never
    before the last one, whatever a clock says.
    """
    rounded = now + timedelta(microseconds=-now.microsecond % 1000)
    return rounded if last is None else max(last, rounded)


def journals_of(rows: Iterable[Mapping[str, Any]]) -> Iterator[JournalRow]:
    """The journals of rows that are ordered by journal; one row for each entry."""
    for _, group in groupby(rows, key=lambda row: (row["journal_id"], row["merchant_id"])):
        of_journal = list(group)
        first = of_journal[0]
        assert first["kind"] is not None, "a journal is listed in the transaction that writes it"
        yield JournalRow(
            chain=ChainKey(first["merchant_id"], first["journal_livemode"]),
            id=first["journal_id"],
            transaction_id=first["journal_transaction_id"],
            kind=first["kind"],
            created_at=first["journal_created_at"],
            entries=tuple(entry_of(row) for row in of_journal if row["id"] is not None),
        )


def entry_of(row: Mapping[str, Any]) -> EntryRow:
    """The entry of a row."""
    return EntryRow(
        id=row["id"],
        transaction_id=row["transaction_id"],
        entry_type=row["entry_type"],
        account=Account(
            row["merchant_id"],
            row["livemode"],
            row["account_type"],
            row["currency"],
            row["processor"],
        ),
        amount=row["amount"],
        created_at=row["created_at"],
    )


def _heads(
    connection: psycopg.Connection[Any], journals: Sequence[JournalRow]
) -> tuple[dict[ChainKey, ChainHead], dict[Account, AccountHead], datetime | None]:
    """The heads that a batch goes on from, and the moment of the latest of them."""
    keys = list({journal.chain for journal in journals})
    accounts = list({entry.account for journal in journals for entry in journal.entries})
    with connection.pipeline():
        of_chains = connection.execute(
            _QUERIES["chain_heads"],
            {
                "merchant_ids": [key.merchant_id for key in keys],
                "livemodes": [key.livemode for key in keys],
            },
        )
        of_accounts = connection.execute(
            _QUERIES["account_heads"],
            {
                "merchant_ids": [account.merchant_id for account in accounts],
                "livemodes": [account.livemode for account in accounts],
                "account_types": [account.account_type for account in accounts],
                "currencies": [account.currency for account in accounts],
                "processors": [account.processor for account in accounts],
            },
        )
    last_links = of_chains.fetchall()
    return (
        {
            ChainKey(row["merchant_id"], row["livemode"]): ChainHead(
                row["position"], row["row_hash"]
            )
            for row in last_links
        },
        {
            Account(
                row["merchant_id"],
                row["livemode"],
                row["account_type"],
                row["currency"],
                row["processor"],
            ): AccountHead(row["sequence"], int(row["balance_after"]))
            for row in of_accounts
        },
        max((row["sequenced_at"] for row in last_links), default=None),
    )


def _write(connection: psycopg.Connection[Any], links: Iterable[Link]) -> None:
    with connection.cursor().copy(_QUERIES["append"]) as copy:
        for link in links:
            for entry, head in zip(link.journal.entries, link.heads, strict=True):
                account = entry.account
                copy.write_row(
                    (
                        account.merchant_id,
                        entry.id,
                        account.livemode,
                        link.journal.id,
                        link.head.position,
                        account.account_type,
                        account.currency,
                        account.processor,
                        head.sequence,
                        head.balance,
                        link.head.hash,
                        link.sequenced_at,
                    )
                )
