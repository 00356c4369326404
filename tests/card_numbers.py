"""Looks for card numbers and security codes where none may be: tables, caches, files, texts.

A number counts when it has 13 to 19 digits, begins as a card network's do and has the right check
digit, also with blanks or hyphens, and also inside hexadecimal or base64. Numbers that a test knows
to have sent are looked for wherever they stand, as part of whatever. Security codes are so short
that they count only by themselves: under any name, but not within another number or word. One that
begins with 0 is no number of JSON's, and hardly there by chance.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import redis
from psycopg import sql

from paywright.card_numbers import luhn_valid

# Not inside a longer word or number: of an id's digits, one in ten runs has a right check digit.
_DIGITS = re.compile(r"(?<![\w.])\d(?:[ -]?\d){12,18}(?![\w.]|-\d)")
# Issuer ranges of the networks (ISO/IEC 7812): times in milliseconds begin with 1.
_NETWORK = re.compile(r"4|5[1-5]|2[2-7]|3[47]|6(?:011|4|5)|3(?:0|6|8)|35")
_SECURITY_CODE = re.compile(r"""cv[cv2]2?["'\\]*\s*[:=]\s*["'\\]*\d{3,4}\b""", re.IGNORECASE)
_HEX = re.compile(r"(?:[0-9a-f]{2}){13,}", re.IGNORECASE)
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{18,}={0,2}")
_CHUNK_BYTES = 4_000_000


def found_in(text: str, known: Iterable[str] = (), code: str | None = None) -> set[str]:
    """Card numbers, `known` numbers and security codes in a text, masked but for how they end.

    A security code is what is named like one, and `code` under any name.
    """
    found: set[str] = set()
    decoded = list(_decoded(text))
    for readable in (text, *decoded):
        found |= {_masked(number) for number in _card_numbers(readable)}
        found |= {"a security code" for _ in _SECURITY_CODE.finditer(readable)}
        found |= {_masked(number) for number in known if number in readable}
    # A digest that was decoded has any three bytes somewhere.
    texts = (text, *(each for each in decoded if _is_text(each)))
    if code is not None and any(_by_itself(code).search(each) for each in texts):
        found.add("the security code")
    return found


def in_database(
    connection: psycopg.Connection[Any], known: Iterable[str] = (), code: str | None = None
) -> set[str]:
    """The same in every row of every table; each is named as `schema.table: what`."""
    tables = connection.execute(
        "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE c.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
    ).fetchall()
    assert tables
    found: set[str] = set()
    for schema, table in tables:
        rows = sql.SQL("SELECT to_jsonb(t)::text FROM {} t").format(sql.Identifier(schema, table))
        for (row,) in connection.execute(rows):
            found |= {f"{schema}.{table}: {what}" for what in found_in(row, known, code)}
    return found


def in_valkey(client: redis.Redis, known: Iterable[str] = (), code: str | None = None) -> set[str]:
    """The same in every key and value of a Valkey."""
    found: set[str] = set()
    for key in client.scan_iter(count=1000):
        name = key.decode(errors="replace")
        for text in (name, *_values(client, key)):
            found |= {f"Valkey {name}: {what}" for what in found_in(text, known, code)}
    return found


def in_files(folder: Path, known: Iterable[str], code: str | None = None) -> set[str]:
    """The `known` numbers in every file of a folder, whatever its format; logs are read in full."""
    wanted = re.compile("|".join(re.escape(number) for number in known).encode())
    found: set[str] = set()
    for file in folder.rglob("*"):
        if not file.is_file():
            continue
        name = str(file.relative_to(folder))
        for chunk in _chunks(file):
            found |= {f"{name}: {_masked(hit.decode())}" for hit in wanted.findall(chunk)}
        if file.suffix in {".log", ".json", ".jsonl"}:
            text = file.read_text(errors="replace")
            found |= {f"{name}: {what}" for what in found_in(text, code=code)}
    return found


def _values(client: redis.Redis, key: bytes) -> list[str]:
    kind = client.type(key)
    values: list[Any] = []
    if kind == b"string":
        values = [client.get(key)]
    elif kind == b"hash":
        values = [part for pair in client.hgetall(key).items() for part in pair]
    elif kind == b"list":
        values = client.lrange(key, 0, -1)
    elif kind == b"set":
        values = list(client.smembers(key))
    elif kind == b"zset":
        values = client.zrange(key, 0, -1)
    return [value.decode(errors="replace") for value in values if value is not None]


def _chunks(file: Path) -> Iterator[bytes]:
    with file.open("rb") as opened:
        before = b""
        while chunk := opened.read(_CHUNK_BYTES):
            yield before + chunk
            before = chunk[-40:]  # a number may lie across two chunks


def _card_numbers(text: str) -> Iterator[str]:
    for hit in _DIGITS.finditer(text):
        number = re.sub(r"[ -]", "", hit[0])
        if luhn_valid(number) and _NETWORK.match(number):
            yield number


def _decoded(text: str) -> Iterator[str]:
    for hit in _HEX.finditer(text):
        yield bytes.fromhex(hit[0]).decode("latin-1")
    for hit in _BASE64.finditer(text):
        try:
            yield base64.b64decode(hit[0] + "=" * (-len(hit[0]) % 4), b"-_").decode("latin-1")
        except (ValueError, binascii.Error):
            continue


def _by_itself(code: str) -> re.Pattern[str]:
    # A log's time may end in milliseconds, after a point or a comma.
    return re.compile(rf"(?<![\w.-])(?<!:\d\d,){code}(?!\w|[.-]\d)")


def _is_text(readable: str) -> bool:
    return all(char.isprintable() or char.isspace() for char in readable)


def _masked(number: str) -> str:
    return f"a number that ends in {number[-4:]}"
