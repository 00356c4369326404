"""The hash chain of the ledger, and the running balances beside it: pure functions.

Each merchant has one chain for live mode and one for test mode. A link is a journal with its
entries at a position, counted from 1; its hash is

    SHA-256(hash of the link before || canonical form of this link)

and the hash before the first is 32 zero bytes. The canonical form is the UTF-8 text of this JSON
array, without white space and without escaping beyond what JSON demands:

    ["v1", merchant_id, livemode, position, sequenced_at,
     journal_id, transaction_id, kind, created_at,
     [[entry_id, transaction_id, livemode, entry_type, account_type, processor, amount, currency,
       created_at, sequence, balance_after], ...]]

Ids are lower-case UUIDs with hyphens, an absent one null; times are RFC 3339 in UTC with six
decimals and `Z`; entries stand in the order of their ids. All that the ledger's rows hold is in it,
so that no byte of them can change unnoticed.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

GENESIS = bytes(32)


class Account(NamedTuple):
    """An account of a merchant; `processor` is '' where it is not kept by processor."""

    merchant_id: UUID
    livemode: bool
    account_type: str
    currency: str
    processor: str


class ChainKey(NamedTuple):
    """Whose chain it is."""

    merchant_id: UUID
    livemode: bool


@dataclass(frozen=True, slots=True)
class EntryRow:
    """An entry as it is stored."""

    id: UUID
    transaction_id: UUID | None
    entry_type: str
    account: Account
    amount: int
    created_at: datetime

    @property
    def signed(self) -> int:
        """What it adds to its account: debits less credits."""
        return self.amount if self.entry_type == "debit" else -self.amount


@dataclass(frozen=True, slots=True)
class JournalRow:
    """A journal as it is stored, its entries in the order of their ids."""

    chain: ChainKey
    id: UUID
    transaction_id: UUID | None
    kind: str
    created_at: datetime
    entries: tuple[EntryRow, ...]


@dataclass(frozen=True, slots=True)
class AccountHead:
    """The last entry of an account: its number and the balance after it, debits less credits."""

    sequence: int = 0
    balance: int = 0


@dataclass(frozen=True, slots=True)
class ChainHead:
    """The last link of a chain."""

    position: int = 0
    hash: bytes = GENESIS


@dataclass(frozen=True, slots=True)
class Link:
    """A journal in its place; `heads` has the account of each entry after it, in their order."""

    journal: JournalRow
    head: ChainHead
    heads: tuple[AccountHead, ...]
    sequenced_at: datetime


class OutOfBalance(Exception):
    """A journal whose entries do not sum to zero in each currency, or that has none."""


def append(
    journals: Iterable[JournalRow],
    chains: dict[ChainKey, ChainHead],
    accounts: dict[Account, AccountHead],
    sequenced_at: datetime,
) -> list[Link]:
    """Put journals after the heads, in their order; the heads move on with them.

    Raise OutOfBalance: such a journal could only be read wrongly, so nothing may be built on it.
    """
    links = []
    for journal in journals:
        if not is_balanced(journal):
            raise OutOfBalance(f"journal {journal.id} does not sum to zero")
        link = next_link(
            journal, chains.get(journal.chain, ChainHead()), accounts, sequenced_at=sequenced_at
        )
        chains[journal.chain] = link.head
        links.append(link)
    return links


def next_link(
    journal: JournalRow,
    before: ChainHead,
    accounts: dict[Account, AccountHead],
    *,
    sequenced_at: datetime,
) -> Link:
    """The link of a journal after another; the heads of its accounts move on."""
    heads = []
    for entry in journal.entries:
        last = accounts.get(entry.account, AccountHead())
        accounts[entry.account] = AccountHead(last.sequence + 1, last.balance + entry.signed)
        heads.append(accounts[entry.account])
    position = before.position + 1
    digest = hashlib.sha256(before.hash)
    digest.update(canonical(journal, position, sequenced_at, heads))
    return Link(journal, ChainHead(position, digest.digest()), tuple(heads), sequenced_at)


def canonical(
    journal: JournalRow, position: int, sequenced_at: datetime, heads: Iterable[AccountHead]
) -> bytes:
    """The canonical form of a link, as the module's description fixes it."""
    merchant_id, livemode = journal.chain
    form = [
        "v1",
        str(merchant_id),
        livemode,
        position,
        _time(sequenced_at),
        str(journal.id),
        _id(journal.transaction_id),
        journal.kind,
        _time(journal.created_at),
        [
            [
                str(entry.id),
                _id(entry.transaction_id),
                entry.account.livemode,
                entry.entry_type,
                entry.account.account_type,
                entry.account.processor,
                entry.amount,
                entry.account.currency,
                _time(entry.created_at),
                head.sequence,
                head.balance,
            ]
            for entry, head in zip(journal.entries, heads, strict=True)
        ],
    ]
    return json.dumps(form, separators=(",", ":"), ensure_ascii=False).encode()


def is_balanced(journal: JournalRow) -> bool:
    """Are there entries, and do they sum to zero in each currency?"""
    totals: dict[str, int] = defaultdict(int)
    for entry in journal.entries:
        totals[entry.account.currency] += entry.signed
    return bool(journal.entries) and not any(totals.values())


def _id(value: UUID | None) -> str | None:
    return None if value is None else str(value)


def _time(moment: datetime) -> str:
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"
