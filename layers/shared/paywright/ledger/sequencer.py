"""The sequencer: gives journals their order, chains their hashes and writes running balances.

Writers of journals only insert, and never wait for each other; the order is made here, by one
writer, in batches. Taking journals off the list and appending them to the chain is one transaction.
A batch is of all merchants, and a journal that cannot be sequenced holds up no other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby, pairwise
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
    OutOfBalance,
    append,
)
from paywright.observability import get_logger

BATCH = 500
POLL_S = 1.0
AGAIN_AFTER = timedelta(minutes=1)
"""How long a journal that failed is left aside, and until a trouble of all is told anew."""

_MOST_ASIDE = 2_000
_ALIKE = 3
"""So many journals that fail alike, and none that does not, are a trouble of the sequencer."""

_NAMED = 10
_TROUBLE = (
    "Journals of a merchant cannot be sequenced. Balances stay exact, and it is tried again in a "
    "minute. Look at the cause below, and at what `paywright ledger verify` says of that merchant"
)
_TROUBLE_OF_ALL = (
    "Journals fail alike, whosever they are, and none can be sequenced. Balances stay exact, and "
    "it is tried on. Look at the cause below: a right or a partition may be missing"
)
_PIECEWISE = "Journals could not be sequenced together, and in smaller batches they were"

_QUERIES = db.load(__file__)

_Listed = tuple[UUID, UUID]
"""A row of the list: merchant and journal."""


class Sequencer:
    """Appends to the chain, one batch at a time."""

    def __init__(self, database: db.Database, clock: Clock, *, batch: int = BATCH) -> None:
        self._database = database
        self._clock = clock
        self._batch = batch
        self._aside: dict[_Listed, datetime] = {}  # and until when
        self._quiet_until: datetime | None = None

    def run_once(self) -> bool:
        """Sequence one batch; are there more journals to be taken at once?

        When another sequencer is at work, there is nothing for this one to do. A batch that cannot
        be written is halved until what fails is a single journal: that is told as an error and left
        aside for `AGAIN_AFTER`. Raise `db.Lost` when the database is away: nothing is taken.
        """
        now = self._clock.now()
        self._aside = {each: until for each, until in self._aside.items() if until > now}
        try:
            return self._sequence() == self._batch
        except db.Lost:
            raise
        except Exception as error:
            return self._piece_by_piece(error, now)

    def _piece_by_piece(self, cause: Exception, now: datetime) -> bool:
        found = self._database.all(_QUERIES["batch"], self._first())
        batch = [(row["merchant_id"], row["journal_id"]) for row in found]
        pieces = _pieces(batch)
        sequenced, failed = 0, dict[_Listed, Exception]()
        while pieces and (sequenced or not _are_alike(failed.values())):
            piece = pieces.pop()
            try:
                sequenced += self._sequence(piece)
            except db.Lost:
                raise
            except Exception as error:
                middle = len(piece) // 2
                if middle == 0:
                    failed[piece[0]] = error
                else:
                    pieces += [piece[middle:], piece[:middle]]
        aside = list(failed)[: _MOST_ASIDE - len(self._aside)]
        self._aside |= dict.fromkeys(aside, now + AGAIN_AFTER)
        is_of_all = not sequenced and _are_alike(failed.values())
        if is_of_all:
            self._tell_of_all(cause, now)
        elif sequenced or failed:  # or another sequencer has taken over
            _tell(cause, failed)
        return len(batch) == self._batch and not is_of_all and bool(sequenced or aside)

    def _tell_of_all(self, cause: Exception, now: datetime) -> None:
        if self._quiet_until is None or now >= self._quiet_until:
            self._quiet_until = now + AGAIN_AFTER
            get_logger().error(_TROUBLE_OF_ALL, exc_info=cause)

    def _first(self) -> dict[str, Any]:
        return {
            "limit": self._batch,
            "aside_merchants": [merchant_id for merchant_id, _ in self._aside],
            "aside_journals": [journal_id for _, journal_id in self._aside],
        }

    def _sequence(self, these: Sequence[_Listed] | None = None) -> int:
        """Sequence these, or the first that are not aside; how many there were."""
        if these is None:
            take, values = "take", self._first()
        else:
            take = "take_these"
            merchant_ids, journal_ids = map(list, zip(*these, strict=True))
            values = {"merchant_ids": merchant_ids, "journal_ids": journal_ids}
        with self._database.transaction() as connection:
            alone = connection.execute(_QUERIES["lock"]).fetchone()
            if alone is None or not alone["alone"]:
                return 0
            journals = list(journals_of(connection.execute(_QUERIES[take], values).fetchall()))
            if not journals:
                return 0
            chains, accounts, last = _heads(connection, journals)
            links = append(journals, chains, accounts, moment_after(last, self._clock.now()))
            _write(connection, links)
        return len(journals)


def _pieces(batch: Sequence[_Listed]) -> list[Sequence[_Listed]]:
    """What to try of a batch that failed, the last of the list first.

    Single journals of its beginning, middle and end show at once whether any can be sequenced.
    """
    probes = sorted({0, len(batch) // 2, len(batch) - 1}) if batch else []
    between = pairwise([-1, *probes, len(batch)])
    rest = [batch[before + 1 : after] for before, after in between]
    return [piece for piece in reversed(rest) if piece] + [[batch[at]] for at in reversed(probes)]


def _are_alike(errors: Collection[Exception]) -> bool:
    """Have enough failed in the same way, and in one that is not a journal's own?"""
    kinds = Counter(type(error) for error in errors if not isinstance(error, OutOfBalance))
    return any(count >= _ALIKE for count in kinds.values())


def _tell(cause: Exception, failed: Mapping[_Listed, Exception]) -> None:
    """Tell whose journals failed, each merchant once; and of a batch where it had another cause."""
    by_merchant: dict[UUID, list[UUID]] = {}
    for merchant_id, journal_id in failed:
        by_merchant.setdefault(merchant_id, []).append(journal_id)
    for merchant_id, journal_ids in by_merchant.items():
        named = [str(journal_id) for journal_id in journal_ids[:_NAMED]]
        get_logger().error(
            _TROUBLE,
            extra={"subject": str(merchant_id), "journals": len(journal_ids), "first": named},
            exc_info=failed[merchant_id, journal_ids[0]],
        )
    if type(cause) not in map(type, failed.values()):
        get_logger().warning(_PIECEWISE, exc_info=cause)


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
