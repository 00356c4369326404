"""What has fired already, kept in a file: after a restart nothing fires twice or is passed over."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Container, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

_LOG = logging.getLogger(__name__)
_SAVE_AFTER_S = 0.2
_MOST_OWED = 100


@dataclass(frozen=True)
class Past:
    """What is known of one schedule: since when it has these times, and when it last fired.

    `last` is the due time of that firing, and `owed` are earlier ones that were not delivered. All
    are business time.
    """

    times: str
    since: datetime
    last: datetime | None = None
    owed: tuple[datetime, ...] = ()


class Memory:
    """The past of schedules by key; without a file it ends with the emulator.

    `switched` holds what somebody else made of a template's ENABLED and DISABLED: key to what the
    template said and what it is now.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._pasts: dict[str, Past] = {}
        self._switched: dict[str, tuple[bool, bool]] = {}
        self._saving: asyncio.TimerHandle | None = None
        if file is not None and file.exists():
            self._load(file)

    @property
    def lasts(self) -> bool:
        """Whether it outlives the emulator."""
        return self._file is not None

    def get(self, key: str) -> Past | None:
        """Return what is known of a schedule."""
        return self._pasts.get(key)

    def put(self, key: str, past: Past) -> None:
        """Remember that; the file follows a moment later."""
        self._pasts[key] = past
        self._save_soon()

    def fired(self, key: str, due: datetime) -> None:
        """Remember that what was due then is done."""
        past = self._pasts.get(key)
        if past is None:
            return
        if due in past.owed:
            past = replace(past, owed=tuple(each for each in past.owed if each != due))
            self.put(key, past)
        if past.last is None or past.last < due:
            self.put(key, replace(past, last=due))

    def missed(self, key: str, due: datetime) -> None:
        """Remember that what was due then is still to be done.

        Unless a later one is done, that follows from when it last fired.
        """
        past = self._pasts.get(key)
        if past is None or past.last is None or past.last <= due or due in past.owed:
            return
        self.put(key, replace(past, owed=tuple(sorted((*past.owed, due)))[-_MOST_OWED:]))

    def keep(self, keys: Container[str]) -> None:
        """Forget all other schedules."""
        gone = [key for key in self._pasts if key not in keys]
        for key in gone:
            del self._pasts[key]
        if gone:
            self._save_soon()

    def is_enabled(self, key: str, declared: bool) -> bool:
        """Return whether a template's schedule is enabled, going by what somebody switched."""
        said, now = self._switched.get(key, (declared, declared))
        return now if said == declared else declared

    def switch(self, key: str, declared: bool, now: bool) -> None:
        """Remember what a template's schedule is switched to."""
        if (declared, now) != self._switched.get(key, (declared, declared)):
            self._switched[key] = declared, now
            self._save_soon()

    def save(self) -> None:
        """Write the file now."""
        if self._saving is not None:
            self._saving.cancel()
            self._saving = None
        if self._file is None:
            return
        content = {
            "schedules": {key: _to_json(past) for key, past in self._pasts.items()},
            "switched": self._switched,
        }
        fresh = self._file.with_name(f"{self._file.name}.{os.getpid()}.new")
        try:
            fresh.write_text(json.dumps(content))
            fresh.replace(self._file)
        except OSError as error:
            _LOG.error("what has fired cannot be kept in %s: %s", self._file, error)

    def _save_soon(self) -> None:
        if self._file is not None and self._saving is None:
            loop = asyncio.get_running_loop()
            self._saving = loop.call_later(_SAVE_AFTER_S, self.save)

    def _load(self, file: Path) -> None:
        try:
            content = json.loads(file.read_text())
            self._pasts = {key: _from_json(past) for key, past in content["schedules"].items()}
            self._switched = {key: (said, now) for key, (said, now) in content["switched"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            _LOG.error("what has fired cannot be read from %s: %s", file, error)


def _to_json(past: Past) -> dict[str, Any]:
    return {
        "times": past.times,
        "since": past.since.isoformat(),
        "last": None if past.last is None else past.last.isoformat(),
        "owed": [due.isoformat() for due in past.owed],
    }


def _from_json(past: Mapping[str, Any]) -> Past:
    last = past["last"]
    return Past(
        times=past["times"],
        since=datetime.fromisoformat(past["since"]),
        last=None if last is None else datetime.fromisoformat(last),
        owed=tuple(datetime.fromisoformat(due) for due in past.get("owed", ())),
    )
