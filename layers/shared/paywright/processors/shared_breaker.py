"""The state of a circuit breaker in Valkey, for all execution environments together."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from paywright.cache import Away, Cache
from paywright.processors.breaker import Limits, StateAway, View

_SCRIPT: Final = Path(__file__).with_suffix(".lua").read_text()


class SharedState:
    """What all know of one processor, by its name. It goes by Valkey's clock."""

    def __init__(self, cache: Cache, processor: str, limits: Limits | None = None) -> None:
        self._cache = cache
        self._key = cache.key("breaker", processor)
        self._limits = limits or Limits()

    def look(self, answered_s_ago: float | None) -> View:
        """How it stands; raise StateAway."""
        return self._tell("look", answered_s_ago, "")

    def failed(self, answered_s_ago: float | None, probe: str) -> View:
        """A request failed; raise StateAway."""
        return self._tell("failed", answered_s_ago, probe)

    def take_probe(self, probe: str) -> View:
        """Ask to be the one that tries; raise StateAway."""
        return self._tell("take_probe", None, probe)

    def probe_answered(self, probe: str) -> View:
        """The one that was let through to try had an answer; raise StateAway."""
        return self._tell("probe_answered", None, probe)

    def _tell(self, event: str, answered_s_ago: float | None, probe: str) -> View:
        limits = self._limits
        ago: str | int = "" if answered_s_ago is None else round(answered_s_ago * 1000)
        try:
            closed, wait_ms = self._cache.script(
                _SCRIPT,
                [self._key],
                [
                    event,
                    ago,
                    probe,
                    limits.failures,
                    limits.successes,
                    round(limits.open_s * 1000),
                    round(limits.probe_s * 1000),
                ],
            )
        except Away as error:
            raise StateAway from error
        return View(closed=bool(closed), wait_s=wait_ms / 1000)
