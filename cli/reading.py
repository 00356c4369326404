"""The database that a command works on, opened for it; what goes wrong is one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from cli import database
from cli.errors import Failure
from cli.place import Place
from paywright import db

_STATEMENT_TIMEOUT_MS = 60_000


@contextmanager
def opened(place: Place, what: str) -> Iterator[db.Database]:
    """The place's database, to work on its `what`; whatever it refuses is a Failure."""
    found = db.Database(
        place.database_url,
        statement_timeout_ms=_STATEMENT_TIMEOUT_MS,
        application_name=f"paywright {what}",
    )
    try:
        yield found
    except psycopg.errors.UndefinedTable as error:
        shown = database.without_password(place.database_url)
        raise Failure(f"The database {shown} has no {what}: apply the migrations.") from error
    except (db.Lost, psycopg.Error) as error:
        raise refused(place, error) from error
    finally:
        found.close()


def refused(place: Place, error: Exception) -> Failure:
    """What a database says that cannot be worked on, without its password."""
    cause = error.__cause__ or error
    reason = (str(cause).strip() or type(cause).__name__).splitlines()[0]
    shown = database.without_password(place.database_url)
    return Failure(f"The database {shown} refuses: {reason.rstrip('.')}.")
