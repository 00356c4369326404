"""Processors are tested by themselves, on a clock that the test sets."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from paywright.db import Database
from paywright.money import Currency, Money
from paywright.processors.bank_transfer import BankTransfers
from paywright.processors.base import Approved, BankAccount, Card, Declined, Processor
from paywright.processors.conduct import Conduct
from paywright.processors.simulator import Simulator

USD = Currency.of("usd")
EUR = Currency.of("eur")


def usd(amount: int) -> Money:
    return Money(amount, USD)


@dataclass
class Moved:
    """A clock that moves only when it is told to. 25 November 2026 is a Wednesday."""

    at: datetime = field(default_factory=lambda: datetime(2026, 11, 25, 12, tzinfo=UTC))

    def now(self) -> datetime:
        return self.at

    def advance(self, **by: float) -> None:
        self.at += timedelta(**by)


@pytest.fixture
def clock() -> Moved:
    return Moved()


@pytest.fixture
def slept() -> list[float]:
    """How long the processors waited, instead of waiting."""
    return []


@pytest.fixture
def new_database(app_database_url: str) -> Iterator[Callable[[], Database]]:
    made: list[Database] = []

    def make() -> Database:
        made.append(Database(app_database_url))
        return made[-1]

    yield make
    for database in made:
        database.close()


@pytest.fixture
def new_simulator(
    new_database: Callable[[], Database], clock: Moved, slept: list[float]
) -> Callable[..., Simulator]:
    def make(**conduct: Any) -> Simulator:
        return Simulator(
            new_database(),
            clock,
            conduct=Conduct(**{"timeout_s": 5.0} | conduct),
            fingerprint_key=b"key",
            sleep=slept.append,
        )

    return make


@pytest.fixture
def simulator(new_simulator: Callable[..., Simulator]) -> Simulator:
    return new_simulator()


@pytest.fixture
def banks(new_database: Callable[[], Database], clock: Moved, slept: list[float]) -> BankTransfers:
    return BankTransfers(
        new_database(),
        clock,
        conduct=Conduct(timeout_s=5.0),
        business_days={"ach": 4, "sepa": 2},
        fingerprint_key=b"key",
        sleep=slept.append,
    )


def card(processor: Processor, number: str = "4242424242424242") -> str:
    return processor.tokenize(Card(number, 12, 2034, None)).token


def hold(processor: Processor, amount: int, number: str = "4242424242424242") -> str:
    reply = processor.authorize(
        uuid.uuid4(), token=card(processor, number), amount=usd(amount), capture=False
    )
    assert isinstance(reply, Approved)
    return reply.reference


def sale(processor: Processor, amount: int, number: str = "4242424242424242") -> str:
    reply = processor.authorize(
        uuid.uuid4(), token=card(processor, number), amount=usd(amount), capture=True
    )
    assert isinstance(reply, Approved)
    return reply.reference


def american(number: str) -> BankAccount:
    return BankAccount(number, "110000000", "US", USD, "Ada Lovelace")


def european(iban: str) -> BankAccount:
    return BankAccount(iban, None, iban[:2], EUR, "Ada Lovelace")


def code(reply: object) -> str | None:
    """The decline code of an answer; None when it is approved."""
    if isinstance(reply, Approved):
        return None
    assert isinstance(reply, Declined), reply
    return reply.decline_code


def told(processor: Processor, operation_id: UUID) -> list[str | None]:
    """What is said of an operation, acknowledged one after the other."""
    heard: list[str | None] = []
    while mine := [n for n in processor.notices(1000) if n.operation_id == operation_id]:
        heard += [code(notice.outcome) for notice in mine]
        processor.acknowledge([operation_id])
    return heard
