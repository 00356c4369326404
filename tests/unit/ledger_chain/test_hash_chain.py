"""The chain of journals: canonical form, hashes, numbers and balances."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest

from paywright.ledger.chain import (
    GENESIS,
    Account,
    AccountHead,
    ChainHead,
    ChainKey,
    EntryRow,
    JournalRow,
    OutOfBalance,
    append,
    canonical,
)

AT = datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=UTC)
MERCHANT = UUID("019a2b3c-4d5e-7000-8000-000000000001")
KEY = ChainKey(MERCHANT, False)


def _id(number: int) -> UUID:
    return UUID(f"019a2b3c-4d5e-7000-8000-{number:012x}")


def _entry(number: int, entry_type: str, account_type: str, amount: int) -> EntryRow:
    processor = "simulator" if account_type == "cash" else ""
    account = Account(MERCHANT, False, account_type, "usd", processor)
    return EntryRow(_id(number), _id(77), entry_type, account, amount, AT)


def _journal(number: int, amount: int) -> JournalRow:
    entries = (
        _entry(number + 1, "debit", "cash", amount),
        _entry(number + 2, "credit", "merchant_balance", amount),
    )
    return JournalRow(KEY, _id(number), None, "test", AT, entries)


FORM = (
    b'["v1","019a2b3c-4d5e-7000-8000-000000000001",false,1,"2026-11-22T12:00:00.123456Z",'
    b'"019a2b3c-4d5e-7000-8000-000000000010",null,"test","2026-11-22T12:00:00.123456Z",'
    b'[["019a2b3c-4d5e-7000-8000-000000000011","019a2b3c-4d5e-7000-8000-00000000004d",false,'
    b'"debit","cash","simulator",100,"usd","2026-11-22T12:00:00.123456Z",1,100],'
    b'["019a2b3c-4d5e-7000-8000-000000000012","019a2b3c-4d5e-7000-8000-00000000004d",false,'
    b'"credit","merchant_balance","",100,"usd","2026-11-22T12:00:00.123456Z",1,-100]]]'
)


def test_the_canonical_form_is_fixed_for_ever() -> None:
    heads = [AccountHead(1, 100), AccountHead(1, -100)]
    assert canonical(_journal(0x10, 100), 1, AT, heads) == FORM


def test_times_of_any_zone_have_one_form() -> None:
    heads = [AccountHead(1, 100), AccountHead(1, -100)]
    elsewhere = AT.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert canonical(_journal(0x10, 100), 1, elsewhere, heads) == FORM


def test_each_hash_covers_the_one_before() -> None:
    chains: dict[ChainKey, ChainHead] = {}
    accounts: dict[Account, AccountHead] = {}
    first, second = append([_journal(0x10, 100), _journal(0x20, 50)], chains, accounts, AT)
    assert first.head.hash == hashlib.sha256(GENESIS + FORM).digest()
    form = canonical(second.journal, 2, AT, second.heads)
    assert second.head == ChainHead(2, hashlib.sha256(first.head.hash + form).digest())
    assert second.heads == (AccountHead(2, 150), AccountHead(2, -150))
    assert chains == {KEY: second.head}
    assert sorted(accounts.values(), key=lambda head: head.balance) == [
        AccountHead(2, -150),
        AccountHead(2, 150),
    ]


def test_chains_and_accounts_go_on_from_their_heads() -> None:
    before = ChainHead(41, b"h" * 32)
    cash = _journal(0x10, 1).entries[0].account
    accounts = {cash: AccountHead(7, 1_000)}
    (link,) = append([_journal(0x10, 100)], {KEY: before}, accounts, AT)
    assert link.head.position == 42
    assert link.heads == (AccountHead(8, 1_100), AccountHead(1, -100))


def test_live_and_test_mode_have_chains_of_their_own() -> None:
    test = _journal(0x10, 100)
    live = replace(
        test,
        chain=ChainKey(MERCHANT, True),
        entries=tuple(
            replace(entry, account=entry.account._replace(livemode=True)) for entry in test.entries
        ),
    )
    links = append([test, live], {}, {}, AT)
    assert [link.head.position for link in links] == [1, 1]
    assert [head.sequence for link in links for head in link.heads] == [1, 1, 1, 1]


@pytest.mark.parametrize("entries", [slice(0, 0), slice(0, 1)])
def test_nothing_is_built_on_a_journal_out_of_balance(entries: slice) -> None:
    journal = _journal(0x10, 100)
    broken = replace(journal, entries=journal.entries[entries])
    with pytest.raises(OutOfBalance):
        append([broken], {}, {}, AT)
