"""How many execution environments send to one endpoint at a time, shared through Valkey.

Each of them serves one batch at a time, and a receiver that hangs holds the whole batch. So it may
hold few of them, however many events are waiting for it; and a merchant may hold no more with all
of its endpoints, or a hundred that hang would hold them all. Whoever has held one for long has a
place less for a while, or endpoints that answer and hang in turn would hold it again at once.
Without Valkey all are let in: what is known of the endpoint's health in the database still sends
the others elsewhere a second later.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final
from uuid import UUID

from paywright.cache import Away, Cache

PLACES, PLACES_UNPROVEN = 2, 1
"""For an endpoint that has what it was sent last, or a merchant; and for any other endpoint."""

FORFEIT_S = 10.0
"""For which a place is nobody's that was held for long; several times as long as it can be held."""

_ANY = 1_000
"""More than there are environments."""

_SCRIPT: Final = Path(__file__).with_suffix(".lua").read_text()


class Places:
    """The places of one execution environment; `lease_s` is longer than any of its batches."""

    def __init__(self, cache: Cache, *, lease_s: float) -> None:
        self._cache = cache
        self._key = cache.key("webhooks", "places")
        self._lease_ms = round(lease_s * 1000)
        self._name = secrets.token_hex(6)

    def take(self, proven: Mapping[UUID, bool]) -> set[UUID]:
        """Take a place at each endpoint or merchant that has one; `leave` them soon."""
        return self._ask({each: PLACES if yes else PLACES_UNPROVEN for each, yes in proven.items()})

    def leave(self, taken: Iterable[UUID]) -> None:
        """Give the places at these up."""
        self._ask(dict.fromkeys(taken, 0))

    def forfeit(self, taken: Iterable[UUID]) -> None:
        """Give the places at these up, and let nobody have them for a while."""
        places = list(taken)
        self.leave(places)
        nobody = Places(self._cache, lease_s=FORFEIT_S)
        nobody._ask(dict.fromkeys(places, _ANY))

    def _ask(self, wanted: Mapping[UUID, int]) -> set[UUID]:
        if not wanted:
            return set()
        arguments: list[str | bytes | int] = [self._name, self._lease_ms]
        for endpoint, places in wanted.items():
            arguments += [endpoint.hex, places]
        try:
            granted = self._cache.script(_SCRIPT, [self._key], arguments)
        except Away:
            return set(wanted)
        return {each for each, yes in zip(wanted, granted, strict=True) if yes}
