"""`paywright reset`: everything that a local run has kept, gone."""

from __future__ import annotations

import shutil
from pathlib import Path

from cli.addressed import emulator_alone
from cli.errors import Failure
from cli.paths import Home
from cli.state import Lock, clean_leftovers
from emulator.services.postgres import data_folders


def refuse_while_running(home: Home) -> None:
    """Raise Failure if a supervisor lives, or the emulator of another application."""
    if emulator_alone(home) is not None:
        raise Failure("`paywright emulator` is running: stop it first.")
    if home.lock_file.exists():
        lock = Lock(home.lock_file)
        if not lock.acquire():
            raise Failure("Paywright is running: stop it first, with `paywright down`.")
        lock.release()


def reset(home: Home) -> str:
    """Delete data, logs, secrets and the demo merchant; what was done, in a sentence.

    The database of a DATABASE_URL is not touched.
    """
    if not home.folder.exists():
        return f"There is nothing to delete in {home.folder}."
    lock = Lock(home.lock_file)
    home.make()
    if not lock.acquire():
        raise Failure("Paywright is running: stop it first, with `paywright down`.")
    clean_leftovers(home)
    doomed: list[Path] = [home.data, home.logs, home.run, home.alone]
    doomed += [home.demo_file, home.receiver_file, home.folder / "secrets.json"]
    doomed += data_folders(home.data / "postgresql")
    for path in doomed:
        try:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise Failure(f"{path} cannot be deleted: {error.strerror}.") from error
    lock.release()
    return f"Deleted all data in {home.folder}."
