"""How simulated processors behave beyond what their cards and accounts say: slow, or silent."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, NoReturn
from uuid import UUID

from paywright.processors.base import ScriptedSilence, Unknown

Fate = Literal["approved", "declined"]


@dataclass(frozen=True, slots=True)
class Conduct:
    """How a simulated processor behaves, whatever card it is asked about.

    An answer that takes `timeout_s` or longer is not waited for. `failure_rate` is the part of
    requests that get no answer in time, half of them approved. `notice_after` is business time.
    """

    timeout_s: float
    latency_s: float = 0.0
    failure_rate: float = 0.0
    notice_after: timedelta = timedelta(hours=1)

    def fate(self, operation_id: UUID) -> Fate | None:
        """What befalls a request by chance: the same for the same operation, in every run."""
        if self.failure_rate == 0:
            return None
        digest = hashlib.blake2b(operation_id.bytes, digest_size=8).digest()
        if int.from_bytes(digest[:7], "big") / 2**56 >= self.failure_rate:
            return None
        return "approved" if digest[7] % 2 else "declined"

    def answer(self, sleep: Callable[[float], None] = time.sleep, *, longer_s: float = 0.0) -> None:
        """Let an answer take its time, and `longer_s` more where a test card asks for that.

        Raise Unknown when that is too long to wait for, ScriptedSilence where the card made it so.
        """
        takes_s = self.latency_s + longer_s
        if takes_s >= self.timeout_s:
            self.silence(sleep)
        if takes_s > 0:
            sleep(takes_s)

    def never(self, sleep: Callable[[float], None] = time.sleep) -> NoReturn:
        """Wait for an answer in vain."""
        sleep(self.timeout_s)
        raise Unknown("no answer in time")

    def silence(self, sleep: Callable[[float], None] = time.sleep) -> NoReturn:
        """The same, because a test card or account asks for it: only where others are answered."""
        if self.latency_s >= self.timeout_s:
            self.never(sleep)
        sleep(self.timeout_s)
        raise ScriptedSilence("no answer in time, as the test card or account has it")
