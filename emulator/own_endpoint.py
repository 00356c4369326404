"""An AWS endpoint beside the emulator, for a template that needs one when none is given."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from emulator.services import MiniStack


@contextmanager
def own_endpoint(data_dir: Path | None) -> Iterator[str]:
    """Run one as long as the block runs; its URL. Raises ServiceError.

    What it holds is kept in `data_dir`; without one it ends with the block.
    """
    with tempfile.TemporaryDirectory(prefix="aws-") as temporary:
        folder = data_dir or Path(temporary)
        server = MiniStack(data_dir=folder, log=folder / "aws.log", persist=data_dir is not None)
        try:
            server.start()
            server.wait_ready()
            yield server.url
        finally:
            server.stop()
