"""Merchants at work over HTTP: payments, captures, voids and refunds, asked for until answered."""

from __future__ import annotations

import random
import threading
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from cli.api import Answer, Merchant
from cli.errors import Failure

_PAUSE_S = 0.15
_TRIES, _BETWEEN_TRIES_S = 5, 0.5
_MOST_OPEN = 50


@dataclass(frozen=True)
class Payer:
    """A merchant with cards to charge."""

    api: Merchant
    good_card: str
    bad_card: str


@dataclass
class Work:
    """What was done; `promised` are types of events and ids of objects that an answer implies."""

    answers: Counter[str] = field(default_factory=Counter)
    promised: set[tuple[str, str]] = field(default_factory=set)


@contextmanager
def traffic(payers: Sequence[Payer], *, each: int, seed: int) -> Iterator[Work]:
    """Let so many clients of each merchant work while the block runs."""
    work, enough = Work(), threading.Event()
    with ThreadPoolExecutor(len(payers) * each) as pool:
        done = [
            pool.submit(_Client(payer, work, enough, f"{seed} {number} {client}").run)
            for number, payer in enumerate(payers)
            for client in range(each)
        ]
        try:
            yield work
        finally:
            enough.set()
    for client in done:
        client.result()


class _Client:
    def __init__(self, payer: Payer, work: Work, enough: threading.Event, seed: str) -> None:
        self._payer = payer
        self._work = work
        self._enough = enough
        self._random = random.Random(seed)
        self._held: list[str] = []
        self._captured: list[str] = []

    def run(self) -> None:
        while not self._enough.wait(self._random.uniform(0, 2 * _PAUSE_S)):
            kinds = [
                self._sale,
                self._sale,
                self._hold,
                self._end_hold,
                self._refund,
                self._decline,
            ]
            self._random.choice(kinds)()

    def _sale(self) -> None:
        paid = self._pay(self._payer.good_card, capture=True)
        self._promise(paid, "captured", "payment.captured")
        self._keep(self._captured, paid, "captured")

    def _hold(self) -> None:
        held = self._pay(self._payer.good_card, capture=False)
        self._promise(held, "authorized", "payment.authorized")
        self._keep(self._held, held, "authorized")

    def _decline(self) -> None:
        answer = self._pay(self._payer.bad_card, capture=True)
        if answer is not None and answer.status == 402:
            self._work.promised.add(("payment.failed", answer.body["error"]["payment_id"]))

    def _end_hold(self) -> None:
        if not self._held:
            return
        payment = self._held.pop(0)
        if self._random.random() < 0.3:
            voided = self._post(f"/v1/payments/{payment}/void", {})
            self._promise(voided, "voided", "payment.voided")
        else:
            amount = self._random.choice([{}, {"amount": 500}])
            captured = self._post(f"/v1/payments/{payment}/capture", amount)
            self._promise(captured, "captured", "payment.captured")
            self._keep(self._captured, captured, "captured")

    def _refund(self) -> None:
        if not self._captured:
            return
        payment = self._captured.pop(0)
        answer = self._post(f"/v1/payments/{payment}/refund", {"amount": 100})
        if answer is not None and answer.status == 201:
            self._work.promised.add(("refund.created", answer.body["refund"]["id"]))

    def _pay(self, card: str, *, capture: bool) -> Answer | None:
        amount = self._random.randrange(1000, 9000)
        order = {"amount": amount, "currency": "usd", "payment_method_id": card}
        return self._post("/v1/payments", order | {"capture": capture})

    def _promise(self, answer: Answer | None, status: str, event_type: str) -> None:
        if answer is not None and _is_now(answer, status):
            self._work.promised.add((event_type, answer.body["id"]))

    def _keep(self, payments: list[str], answer: Answer | None, status: str) -> None:
        if answer is not None and _is_now(answer, status) and len(payments) < _MOST_OPEN:
            payments.append(answer.body["id"])

    def _post(self, path: str, content: Any) -> Answer | None:
        """Ask under one key until there is an answer that says what became of it."""
        key = str(uuid.UUID(int=self._random.getrandbits(128)))
        for _ in range(_TRIES):
            try:
                answer = self._payer.api.post(path, content, idempotency_key=key)
            except Failure:
                self._work.answers["none"] += 1
            else:
                self._work.answers[str(answer.status)] += 1
                if answer.status < 500 and answer.status != 409:
                    return answer
            if self._enough.wait(_BETWEEN_TRIES_S):
                break
        return None


def _is_now(answer: Answer, status: str) -> bool:
    return answer.status in (200, 201) and bool(answer.body["status"] == status)
