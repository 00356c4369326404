"""Debits of bank accounts (ACH, SEPA) at a simulated bank: taken at once, decided days later.

It works by files, as such processors do: a transfer is confirmed, or returned with a code, some
business days later; one that was confirmed may still come back. Nothing can be held, and nothing
can be looked up: a request without an answer can only be reversed.
"""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from uuid import UUID

from paywright.clock import Clock
from paywright.db import Database, load
from paywright.money import Money
from paywright.processors.base import (
    BankAccount,
    Details,
    Notice,
    Reply,
    Scheme,
    Tokenized,
    Unknown,
)
from paywright.processors.conduct import Conduct
from paywright.processors.guard import Charge, why_not_refunded
from paywright.processors.memory import Kind, Later, Memory, Recorded, Verdict
from paywright.processors.test_accounts import bank_of, scenario_of

_SQL = load(__file__)
_CURRENCIES: Mapping[str, str] = {"ach": "usd", "sepa": "eur"}


class BankTransfers:
    """The simulated processor of test mode's bank accounts.

    `business_days` is how long each scheme takes to confirm or return a transfer.
    """

    name = "bank_transfer"
    can_hold = False
    can_look_up = False

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        conduct: Conduct,
        business_days: Mapping[Scheme, int],
        fingerprint_key: bytes,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._database = database
        self._clock = clock
        self._conduct = conduct
        self._business_days = business_days
        self._fingerprint_key = fingerprint_key
        self._sleep = sleep
        self._memory = Memory(self.name, database, clock)

    def tokenize(self, details: Details) -> Tokenized:
        """Exchange an account for a token; only how it behaves is kept of its number."""
        assert isinstance(details, BankAccount), "the registry sends bank accounts here only"
        token = f"bank_{secrets.token_urlsafe(18)}"
        self._database.run(
            _SQL["insert_account"],
            {
                "token": token,
                "scenario": scenario_of(details.number),
                "scheme": details.scheme,
                "now": self._clock.now(),
            },
        )
        identity = f"{details.country} {details.routing_number or ''} {details.number}"
        return Tokenized(
            token=token,
            fingerprint=hmac.digest(self._fingerprint_key, identity.encode(), "sha256").hex(),
            last_four=details.number[-4:],
            bank_name=bank_of(details.number, details.routing_number),
        )

    def authorize(self, operation_id: UUID, *, token: str, amount: Money, capture: bool) -> Reply:
        """Take a transfer to be decided later; a hold and a foreign currency are refused."""
        account = self._database.one(_SQL["find_account"], {"token": token})
        if account is None:
            verdict, scenario = Verdict("account_not_found"), "confirmed"
        elif not capture:
            verdict, scenario = Verdict("hold_not_supported"), account["scenario"]
        elif amount.currency.code != _CURRENCIES[account["scheme"]]:
            verdict, scenario = Verdict("currency_mismatch"), account["scenario"]
        else:
            scenario = account["scenario"]
            verdict = Verdict(pending=True, later=self._course(scenario, account["scheme"]))
        done = self._memory.sale(operation_id, token, amount, verdict, scenario)
        return self._answer(operation_id, done)

    def capture(
        self,
        operation_id: UUID,
        *,
        reference: str,
        amount: Money,
        final: bool,  # noqa: ARG002 - the protocol's
    ) -> Reply:
        """Refuse: a transfer is taken whole when it is asked for."""
        return self._refuse(operation_id, "capture", reference, amount, "already_captured")

    def void(self, operation_id: UUID, *, reference: str) -> Reply:
        """Refuse: nothing is ever held."""
        return self._refuse(operation_id, "void", reference, None, "hold_not_supported")

    def refund(self, operation_id: UUID, *, reference: str, amount: Money) -> Reply:
        """Send back what was confirmed; it has arrived after as many business days."""
        row = self._database.one(_SQL["scheme_of_charge"], {"reference": reference})

        def decide(charge: Charge | None) -> Verdict:
            refused = why_not_refunded(charge, amount)
            if refused is not None or row is None:
                return Verdict(refused or "charge_not_found")
            return Verdict(pending=True, later=(Later(self._days_from_now(row["scheme"]), None),))

        done = self._memory.follow_up(operation_id, "refund", reference, amount, decide)
        return self._answer(operation_id, done)

    def lookup(self, operation_id: UUID) -> Reply | None:
        """Raise Unknown: this processor tells nothing about a request but by its notices."""
        raise Unknown(f"{self.name} cannot look up {operation_id}")

    def reverse(self, operation_id: UUID) -> None:
        """Call a transfer back before it is decided, or refuse it should it still arrive."""
        self._memory.reverse(operation_id)

    def notices(self, limit: int, *, besides: Collection[UUID] = ()) -> list[Notice]:
        """Transfers that were confirmed or returned, and refunds that arrived."""
        return self._memory.notices(limit, besides)

    def acknowledge(self, operation_ids: list[UUID]) -> None:
        """Tell these no more."""
        self._memory.acknowledge(operation_ids)

    def _course(self, scenario: str, scheme: Scheme) -> tuple[Later, ...]:
        kind, _, code = scenario.partition(":")
        decided_at = self._days_from_now(scheme)
        if kind == "returned":
            return (Later(decided_at, code),)
        confirmed = Later(decided_at, None)
        if kind == "returned_later":
            back_at = after_business_days(decided_at, self._business_days[scheme])
            return (confirmed, Later(back_at, code))
        return (confirmed,)

    def _days_from_now(self, scheme: Scheme) -> datetime:
        return after_business_days(self._clock.now(), self._business_days[scheme])

    def _refuse(
        self, operation_id: UUID, kind: Kind, reference: str, amount: Money | None, code: str
    ) -> Reply:
        def decide(charge: Charge | None) -> Verdict:
            return Verdict("charge_not_found" if charge is None else code)

        done = self._memory.follow_up(operation_id, kind, reference, amount, decide)
        return self._answer(operation_id, done)

    def _answer(self, operation_id: UUID, done: Recorded) -> Reply:
        # Chance only keeps the answer away: what becomes of a transfer is its account's affair.
        if self._conduct.fate(operation_id) is not None:
            self._conduct.never(self._sleep)
        if done.is_new and done.scenario == "timeout":
            self._conduct.silence(self._sleep)
        self._conduct.answer(self._sleep)
        return done.reply


def after_business_days(start: datetime, days: int) -> datetime:
    """The same time of day that many business days later: Saturdays and Sundays do not count.

    Days are those of UTC; bank holidays are not known here.
    """
    moment = start
    for _ in range(days):
        moment += timedelta(days=1)
        while moment.weekday() >= 5:
            moment += timedelta(days=1)
    return moment
