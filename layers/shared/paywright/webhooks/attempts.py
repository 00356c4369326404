"""One attempt at a delivery: its request, and what the answer means, whatever goes wrong.

Both functions have many of them under way. What one receiver brings about is kept to its own
delivery: nothing is raised that would hold up those of others.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from paywright.clock import Clock
from paywright.ids import typeid
from paywright.observability import get_logger
from paywright.webhooks import signing
from paywright.webhooks.deliveries import Delivery, Hang, Outcome, Post, judge, parked
from paywright.webhooks.sender import Answer

UNJUDGED = "the attempt could not be judged"
UNANSWERED = "no answer in time"
UNSIGNED = "it cannot be signed: the endpoint's secret is damaged; rotate it"

Jitter = Callable[[], float]


def jitter() -> float:
    """Between -1 and 1."""
    return random.uniform(-1, 1)  # noqa: S311 - no secret


@dataclass(frozen=True, slots=True)
class Ways:
    """With what attempts are made.

    Signatures carry the time of `wall`, records that of `clock`.
    """

    sender: Post
    clock: Clock
    wall: Clock
    jitter: Jitter = jitter


class Attempt:
    """A request under way: in a thread of the pool, as soon as that has one free."""

    def __init__(self, delivery: Delivery, ways: Ways, pool: ThreadPoolExecutor) -> None:
        self.delivery = delivery
        self._ways = ways
        self._at, self._began = ways.clock.now(), time.monotonic()
        self.future: Future[Outcome] = pool.submit(self._make)

    def lasts_s(self) -> float:
        """Seconds since it was begun."""
        return time.monotonic() - self._began

    def hang(self) -> Hang:
        """What it says of its endpoint if there should be an answer by now."""
        return Hang(self.delivery.endpoint, self._at)

    def outcome(self) -> Outcome:
        """What came of it; without an answer by now it has failed, and one not begun waits."""
        if self.future.cancelled():
            return parked(self.delivery, self._ways.clock.now())
        if self.future.done():
            return self.future.result()
        return self._failed(UNANSWERED, is_late=True)

    def _make(self) -> Outcome:
        """Send it, signed as of this moment; whatever is raised is a failure of this one alone."""
        event, endpoint = self.delivery.event, self.delivery.endpoint
        ways = self._ways
        try:
            self._at, self._began = ways.clock.now(), time.monotonic()  # a thread became free
            if not endpoint.secrets:
                return self._failed(UNSIGNED)
            now = ways.wall.now()
            headers = signing.headers(endpoint.secrets, event.public_id, now, event.payload)
            answer = ways.sender.post(endpoint.url, headers, event.payload)
            return self._judged(answer)
        except BaseException:  # the thread's own: nobody else would hear of it
            get_logger().exception(
                "A webhook could not be sent or judged",
                extra={
                    "event": event.public_id,
                    "delivery": typeid("whd", self.delivery.id),
                    "endpoint": typeid("whe", endpoint.id),
                    "trace_id": event.trace_id,
                },
            )
            return self._failed(UNJUDGED)

    def _failed(self, error: str, *, is_late: bool = False) -> Outcome:
        lasted_ms = round(self.lasts_s() * 1000)
        return self._judged(Answer(None, error, duration_ms=lasted_ms, is_late=is_late))

    def _judged(self, answer: Answer) -> Outcome:
        ways = self._ways
        return judge(
            self.delivery,
            answer,
            at=self._at,
            wall_now=ways.wall.now(),
            jitter=ways.jitter(),
        )
