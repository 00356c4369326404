"""Signed heads of the chains, kept outside the database: whoever rewrites or cuts it is found out.

A file of JSON lines: what it is, a line for each chain in the order of merchants, and last the
signature, HMAC-SHA256 over every byte before it. Who can sign can also verify, so the key belongs
where neither the database nor its administrators reach.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any
from uuid import UUID

from paywright import db
from paywright.clock import rfc3339
from paywright.ledger.census import merchants
from paywright.ledger.chain import Account, AccountHead, ChainHead, ChainKey

FORMAT = "paywright ledger heads v1"
MIN_KEY_BYTES = 32
_MAX_LINE_BYTES = 1_000_000

_QUERIES = db.load(__file__)


@dataclass(frozen=True, slots=True)
class SignedHead:
    """Where a chain stood, and each of its accounts with it."""

    key: ChainKey
    head: ChainHead
    accounts: dict[Account, AccountHead]


class BadHeads(Exception):
    """A file that holds no heads, or not those that were signed; the message says which."""


def export(database: db.Database, key: bytes, file: Path, *, now: datetime) -> int:
    """Write the heads of all chains to a new file, signed; how many there are.

    Nothing is left of a file that could not be finished. Raise OSError or `db.Lost`.
    """
    _check(key)
    with file.open("xb") as opened:
        try:
            return _write(opened, _heads(database), key, now)
        except BaseException:
            file.unlink()
            raise


def _write(file: IO[bytes], heads: Iterable[SignedHead], key: bytes, now: datetime) -> int:
    signature = hmac.new(key, digestmod=hashlib.sha256)
    count = 0

    def write(content: dict[str, Any]) -> None:
        line = json.dumps(content, separators=(",", ":")).encode() + b"\n"
        signature.update(line)
        file.write(line)

    write({"format": FORMAT, "exported_at": rfc3339(now)})
    for found in heads:
        count += 1
        write(
            {
                "merchant_id": str(found.key.merchant_id),
                "livemode": found.key.livemode,
                "position": found.head.position,
                "hash": found.head.hash.hex(),
                "accounts": [
                    [account.account_type, account.currency, account.processor, *_pair(head)]
                    for account, head in found.accounts.items()
                ],
            }
        )
    file.write(json.dumps({"signature": signature.hexdigest()}).encode() + b"\n")
    return count


def read(file: Path, key: bytes) -> Iterator[SignedHead]:
    """The heads of a file in the order of merchants, once its signature has been verified.

    Raise BadHeads or OSError at once, before the first head.
    """
    _check(key)
    with file.open("rb") as opened:
        _verify_signature(opened, key)
    return _read(file)


def _read(file: Path) -> Iterator[SignedHead]:
    with file.open("rb") as opened:
        next(opened)
        for line in opened:
            content = json.loads(line)
            if "signature" in content:
                return
            chain = ChainKey(UUID(content["merchant_id"]), content["livemode"])
            yield SignedHead(
                chain,
                ChainHead(content["position"], bytes.fromhex(content["hash"])),
                {
                    Account(*chain, account_type, currency, processor): AccountHead(*last)
                    for account_type, currency, processor, *last in content["accounts"]
                },
            )


def _verify_signature(lines: IO[bytes], key: bytes) -> None:
    signature = hmac.new(key, digestmod=hashlib.sha256)
    before = lines.readline(_MAX_LINE_BYTES)
    _check_format(before)
    for line in iter(lambda: lines.readline(_MAX_LINE_BYTES), b""):
        signature.update(before)
        before = line
    try:
        given = json.loads(before)["signature"]
    except (ValueError, KeyError, TypeError):
        raise BadHeads("the signature is missing: the file was cut") from None
    if not hmac.compare_digest(str(given).encode(), signature.hexdigest().encode()):
        raise BadHeads("the signature is wrong: another key, or the file was changed")


def _check_format(line: bytes) -> None:
    try:
        found = json.loads(line)["format"]
    except (ValueError, KeyError, TypeError):
        found = None
    if found != FORMAT:
        raise BadHeads("the file holds no ledger heads")


def _heads(database: db.Database) -> Iterable[SignedHead]:
    for merchant_id in merchants(database):
        with database.transaction("REPEATABLE READ") as connection:
            found = connection.execute(_QUERIES["heads"], {"merchant_id": merchant_id}).fetchall()
            for row in found:
                chain = ChainKey(merchant_id, row["livemode"])
                accounts = connection.execute(_QUERIES["accounts"], chain._asdict())
                yield SignedHead(
                    chain,
                    ChainHead(row["position"], bytes(row["row_hash"])),
                    {
                        Account(
                            *chain, each["account_type"], each["currency"], each["processor"]
                        ): AccountHead(each["sequence"], int(each["balance_after"]))
                        for each in accounts
                    },
                )


def _pair(head: AccountHead) -> tuple[int, int]:
    return head.sequence, head.balance


def _check(key: bytes) -> None:
    if len(key) < MIN_KEY_BYTES:
        raise ValueError(f"the key of ledger heads has at least {MIN_KEY_BYTES} bytes")
