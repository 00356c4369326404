"""What a payment should be after each request, in a few lines that know nothing of how it is done.

Times are business time since the run began. What did happen is counted in `seen`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from paywright.payments.completion import KEY_LIFETIME
from tests.api import Reply

LIFETIME = timedelta(days=7)
_LATER = timedelta(hours=1)
# Timeouts and a margin of a minute: time passes in steps that are longer.
_FOUND_OUT = timedelta(minutes=2)
# After a reversal it is looked for 15 minutes later, an hour after that, and a day after that.
_LOOKED_FOR = (
    timedelta(minutes=15),
    timedelta(hours=1, minutes=15),
    timedelta(hours=25, minutes=15),
)

CARDS = {
    "approved": "4242424242424242",
    "declined": "4000000000009995",
    "approved in silence": "4000000000003006",
    "declined in silence": "4000000000003014",
    "lost": "4000000000003048",
    "captured in silence": "4000000000003055",
    "voided in silence": "4000000000003063",
    "refunded in silence": "4000000000003071",
    "refunded later": "4000000000007726",
    "refund fails later": "4000000000005126",
}
SILENT = ("approved in silence", "declined in silence", "lost")

_NOT_ALLOWED = {
    "capture": "payment_not_capturable",
    "void": "payment_not_voidable",
    "refund": "payment_not_refundable",
}
Refusal = tuple[int, str]


@dataclass(repr=False)
class Said:
    """A request that was answered well: to be repeated until its key has expired, if it has."""

    path: str
    body: dict[str, Any]
    key: str
    reply: Reply
    until: timedelta | None

    def __repr__(self) -> str:
        return f"POST {self.path} {self.body} under {self.key}"

    def decided(self, now: timedelta) -> None:
        """Its key lives a day from here."""
        self.until = now + KEY_LIFETIME


@dataclass
class Undecided:
    """An authorization, capture or void that nobody knows the outcome of."""

    kind: str
    said: Said
    due: timedelta
    amount: int = 0
    final: bool = True
    reversed_at: timedelta | None = None


@dataclass
class Refund:
    """A refund, and what it `becomes` when it is `due`, if it does not stay as it is."""

    id: str
    amount: int
    said: Said
    state: str
    events: list[str]
    due: timedelta | None = None
    becomes: str = ""


@dataclass(repr=False)
class Payment:
    """A payment, as far as a merchant can see it, and what is to be written of it."""

    id: str
    amount: int
    currency: str
    method: str
    card: str
    made_at: timedelta
    seen: Counter[str]
    status: str = "pending"
    captured: int = 0
    refunds: list[Refund] = field(default_factory=list)
    undecided: Undecided | None = None
    said: list[Said] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    operations: Counter[tuple[str, str]] = field(default_factory=Counter)

    def __repr__(self) -> str:
        return f"{self.shown} {self.id} ({self.method}, {self.amount}, card {self.card})"

    @property
    def shown(self) -> str:
        return self.status if self.undecided is None else "pending"

    @property
    def held(self) -> int:
        return self.amount - self.captured if self.status == "authorized" else 0

    @property
    def refunded(self) -> int:
        return sum(each.amount for each in self.refunds if each.state == "succeeded")

    @property
    def refunding(self) -> int:
        return sum(each.amount for each in self.refunds if each.state == "pending")

    @property
    def rest(self) -> int:
        return self.captured - self.refunded - self.refunding

    # -- what it is open to

    def is_any(self) -> bool:
        return True

    def is_hold(self) -> bool:
        return self.status == "authorized" and self.undecided is None

    def is_in_parts(self) -> bool:
        return self.is_hold() and self.captured > 0

    def is_refundable(self) -> bool:
        return self.status == "captured" and self.undecided is None and self.rest > 0

    def is_undecided(self) -> bool:
        return self.undecided is not None

    def awaits(self) -> bool:
        """Whether time will tell more of it, apart from the end of a hold."""
        return self.is_undecided() or any(each.due is not None for each in self.refunds)

    def has_run_out(self, now: timedelta) -> bool:
        return self.status == "authorized" and self.made_at + LIFETIME <= now

    # -- what is refused, and why

    def refuses(
        self, operation: str, amount: int | None, final: bool | None, now: timedelta
    ) -> Refusal | None:
        if self.undecided is not None:
            return 409, "operation_in_progress"
        asked = amount or 0
        if operation == "refund":
            if not self.is_refundable():
                return 409, _NOT_ALLOWED[operation]
            return (400, "refund_exceeds_capture") if asked > self.rest else None
        if self.status != "authorized":
            return 409, _NOT_ALLOWED[operation]
        if operation == "capture" and self.has_run_out(now):
            return 409, "authorization_expired"
        if operation == "capture" and self.method == "manual" and final is False:
            return 400, "invalid_field"
        return (400, "capture_exceeds_authorization") if asked > self.held else None

    # -- what is done when it is asked for

    def authorize(self, said: Said, now: timedelta) -> None:
        self.said.append(said)
        if self.card in SILENT:
            self._begin("authorize", said, now)
        else:
            self._authorized()

    def declined(self) -> None:
        self.status = "failed"
        self._decided("authorize", "failed", "payment.failed")

    def capture(self, said: Said, now: timedelta, amount: int | None, final: bool | None) -> None:
        self.said.append(said)
        taken = self.held if amount is None else amount
        last = self.method == "manual" or bool(final)
        if self.card == "captured in silence":
            self._begin("capture", said, now)
            assert self.undecided is not None
            self.undecided.amount, self.undecided.final = taken, last
        else:
            self._captured(taken, last)

    def void(self, said: Said, now: timedelta) -> None:
        self.said.append(said)
        if self.card == "voided in silence":
            self._begin("void", said, now)
        else:
            self._released("void", "payment.voided")

    def refund(self, said: Said, now: timedelta, refund_id: str, amount: int | None) -> None:
        self.said.append(said)
        given = self.rest if amount is None else amount
        self.seen["refund of a part" if given < self.rest else "refund of the rest"] += 1
        made = Refund(refund_id, given, said, "pending", ["refund.created"])
        self.refunds.append(made)
        if self.card in ("refunded in silence", "refunded later"):
            made.due = now + (_LATER if self.card == "refunded later" else _FOUND_OUT)
            made.becomes, said.until = "succeeded", None
            self.operations["refund", "pending"] += 1
            return
        self._refunded(made)
        if self.card == "refund fails later":
            made.due, made.becomes = now + _LATER, "failed"

    # -- what comes about by itself

    def keep_house(self, now: timedelta) -> None:
        """Twice, as what is found out first may be about a hold that has run out."""
        for _ in range(2):
            if self.undecided is None and self.has_run_out(now):
                self._released("expire", "payment.expired")
            for refund in self.refunds:
                if refund.due is not None and refund.due <= now:
                    self._heard_of(refund, now)
            if self.undecided is not None and self.undecided.due <= now:
                self._look(self.undecided, now)

    def _look(self, undecided: Undecided, now: timedelta) -> None:
        if self.card == "lost":
            if undecided.reversed_at is None:
                undecided.reversed_at = now
            looks = [undecided.reversed_at + after for after in _LOOKED_FOR]
            if now < looks[-1]:
                undecided.due = next(look for look in looks if look > now)
                return
        self.undecided = None
        undecided.said.decided(now)
        self.operations[undecided.kind, "pending"] -= 1
        self.seen["outcome found out"] += 1
        self.seen[f"{undecided.kind} found out"] += 1
        if undecided.kind == "capture":
            self._captured(undecided.amount, undecided.final)
        elif undecided.kind == "void":
            self._released("void", "payment.voided")
        elif self.card == "approved in silence":
            self._authorized()
        else:
            self.seen[f"{self.card}, found out"] += 1
            self.declined()

    def _heard_of(self, refund: Refund, now: timedelta) -> None:
        refund.due = None
        if refund.becomes == "succeeded":
            refund.said.decided(now)
            self.operations["refund", "pending"] -= 1
            self.seen["outcome found out"] += self.card == "refunded in silence"
            self.seen[f"{self.card}, found out"] += 1
            self._refunded(refund)
        else:
            refund.state = "failed"
            refund.events.append("refund.failed")
            self._decided("refund_return", "succeeded")
            self.status = "captured"

    # -- helpers

    def _begin(self, kind: str, said: Said, now: timedelta) -> None:
        said.until = None
        self.undecided = Undecided(kind, said, now + _FOUND_OUT)
        self.operations[kind, "pending"] += 1

    def _decided(self, kind: str, state: str, *events: str) -> None:
        self.operations[kind, state] += 1
        self.seen[f"{kind} {state}"] += 1
        self.events.extend(events)

    def _authorized(self) -> None:
        if self.method == "automatic":
            self.status, self.captured = "captured", self.amount
        else:
            self.status = "authorized"
        self._decided("authorize", "succeeded", f"payment.{self.status}")

    def _captured(self, taken: int, last: bool) -> None:
        self.captured += taken
        self._decided("capture", "succeeded", "payment.captured")
        self.seen["capture of a part"] += self.captured < self.amount
        if last or self.captured == self.amount:
            self.status = "captured"

    def _released(self, kind: str, event: str) -> None:
        self.seen[f"{kind} of what was left"] += self.captured > 0
        self.status = "captured" if self.captured else "voided"
        self._decided(kind, "succeeded", event)

    def _refunded(self, refund: Refund) -> None:
        refund.state = "succeeded"
        refund.events.append("refund.succeeded")
        self._decided("refund", "succeeded")
        if self.refunded == self.captured:
            self.status = "refunded"
