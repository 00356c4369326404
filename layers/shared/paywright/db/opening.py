"""Opens the database that the settings name."""

from __future__ import annotations

from paywright.db.connection import Database
from paywright.secrets import resolve
from paywright.settings import Settings


def open_database(settings: Settings) -> Database:
    """The database of a function; it is connected to at first use."""
    return Database(
        resolve(settings.database_url, settings.database_secret_arn),
        pooler=settings.database_pooler,
        connect_timeout_s=settings.database_connect_timeout_s,
        statement_timeout_ms=settings.database_statement_timeout_ms,
    )
