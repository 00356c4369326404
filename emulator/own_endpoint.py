"""An AWS endpoint beside the emulator, for a template that needs one when none is given."""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from emulator.services import MiniStack

_PREFIX = "emulator-aws-"
_LOCK = "in-use"


@contextmanager
def own_endpoint(data_dir: Path | None) -> Iterator[str]:
    """Run one as long as the block runs; its URL. Raises ServiceError.

    What it holds is kept in `data_dir`; without one it ends with the block.
    """
    with temporary() as own:
        folder = data_dir or own
        server = MiniStack(data_dir=folder, log=folder / "aws.log", persist=data_dir is not None)
        try:
            server.start()
            server.wait_ready()
            yield server.url
        finally:
            server.stop()


@contextmanager
def temporary() -> Iterator[Path]:
    """A folder that goes with the block; those of emulators that were killed go before it."""
    _remove_abandoned(Path(tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(prefix=_PREFIX) as folder, _locked(Path(folder)):
        yield Path(folder)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the lock that tells a folder in use, however this process ends."""
    fresh = folder / f"{_LOCK}.new"
    with fresh.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        fresh.rename(folder / _LOCK)  # whoever looks for it finds it locked
        yield


def _remove_abandoned(among: Path) -> None:
    for lock_file in among.glob(f"{_PREFIX}*/{_LOCK}"):
        with contextlib.suppress(OSError), lock_file.open() as lock:  # others' are not ours
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(lock_file.parent, ignore_errors=True)
