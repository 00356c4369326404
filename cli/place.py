"""Which database a command works on: DATABASE_URL, else that of the system that runs here."""

from __future__ import annotations

import os
from dataclasses import dataclass
from uuid import UUID

from cli.errors import Failure
from cli.paths import Home
from cli.state import require_running, running


@dataclass(frozen=True)
class Place:
    """A database, and Valkey where it is known.

    `is_local` says that the system of this home uses it.
    """

    home: Home
    database_url: str
    valkey_url: str | None
    is_local: bool

    @classmethod
    def find(cls) -> Place:
        """The place that a command is meant for; Failure if there is none."""
        home = Home.find()
        given = os.environ.get("DATABASE_URL")
        if not given:
            urls = require_running(home)
            return cls(home, urls.database_url, urls.valkey_url, is_local=True)
        state = running(home)
        if state is not None and state.urls is not None and state.urls.database_url == given:
            return cls(home, given, state.urls.valkey_url, is_local=True)
        return cls(home, given, os.environ.get("VALKEY_URL") or None, is_local=False)

    @property
    def clock_file(self) -> str | None:
        """The clock that the place goes by; None is this machine's."""
        file = self.home.clock_file
        return str(file) if self.is_local and file.exists() else None

    def merchant(self, given: str | None) -> UUID:
        """The id of a merchant that was named, else of the demo merchant; Failure if neither."""
        from cli.merchants import demo  # noqa: PLC0415 - a start pays for no more than it needs
        from paywright.ids import parse_typeid  # noqa: PLC0415

        if given is None and not self.is_local:
            raise Failure("Say which merchant: --merchant mer_….")
        found = parse_typeid("mer", given or demo(self.home).id)
        if found is None:
            raise Failure(f"{given} is no merchant's id: that is mer_ and 26 letters and digits.")
        return found
